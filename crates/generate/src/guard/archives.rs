//! The archives that a release adds, read once and member by member: three rules.
//!
//! - `wrong-archive`: members and their hashes are what the archive's name says. Source: content layout 4 and 5, packs 2,
//!   must-keep 1 and 2. A fullfile of the wrong owner, mode or content ends the client at once; a pack's folders with
//!   another mode than 0700 change the client's cache folders.
//! - `owner-names`: no user or group names. Source: content layout 3, trap 1. A client that knows the name under another
//!   number takes that number, and the hash no longer fits.
//! - `pax-link-target`: no link target outside ASCII in a PAX record. Source: content layout 3, trap 2. It fails to
//!   extract in the C locale.

use std::io::{self, BufRead};

use clearwell_format::archive::{ArchiveError, Member, MemberHeader, read_members};
use clearwell_format::pack::PackMember;
use clearwell_format::resource::Artifact;
use clearwell_format::{FileHash, FileKind, ManifestName, Owner, Resource, Version};
use rayon::prelude::*;

use super::survey::Survey;
use super::{Finding, Object, Rule};

pub(super) fn check(survey: &Survey<'_>) -> Vec<Finding> {
    let Some(store) = survey.context.store else {
        return Vec::new();
    };
    // One by one and packs first, as they take longest: nobody is left alone with one in the end.
    let mut made: Vec<&Resource> = store.made.iter().collect();
    made.sort_by_key(|resource| !matches!(resource, Resource::Artifact { artifact: Artifact::Pack { .. }, .. }));
    made.into_iter()
        .par_bridge()
        .flat_map_iter(|resource| {
            let Resource::Artifact { version, artifact } = resource else {
                return Vec::new();
            };
            let Some(expected) = Expected::of(survey, *version, artifact) else {
                return Vec::new();
            };
            inspect(resource, expected, store.artifacts.open(resource))
        })
        .collect()
}

/// What an archive's name promises.
enum Expected {
    /// One member with this name; its object has this hash.
    One { name: Vec<u8>, hash: FileHash },
    /// The MoM, and its signature as second member if the release is signed.
    Mom { content: Vec<u8> },
    /// Any number of pack members.
    Pack,
}

impl Expected {
    fn of(survey: &Survey<'_>, version: Version, artifact: &Artifact) -> Option<Self> {
        let mom = survey.context.release.mom;
        match artifact {
            Artifact::Fullfile(hash) => Some(Self::One { name: hash.to_hex().to_vec(), hash: *hash }),
            Artifact::ManifestTar(ManifestName::Bundle(bundle)) => {
                let entry = mom.bundle(bundle).filter(|entry| entry.version == version)?;
                Some(Self::One { name: format!("Manifest.{bundle}").into_bytes(), hash: entry.hash })
            }
            Artifact::ManifestTar(ManifestName::Full) => {
                let full = survey.context.release.full.filter(|full| full.header.version == version)?;
                let hash = FileHash::of_manifest(&full.to_bytes());
                Some(Self::One { name: b"Manifest.full".to_vec(), hash })
            }
            Artifact::ManifestTar(ManifestName::Mom) if version == mom.header.version => {
                Some(Self::Mom { content: mom.to_bytes() })
            }
            Artifact::Pack { .. } => Some(Self::Pack),
            _ => None,
        }
    }

    /// What is wrong with a member, by its position.
    fn problem(&self, position: usize, member: &mut Member<'_>) -> Result<Option<String>, ArchiveError> {
        let shown = member.header.name.escape_ascii().to_string();
        let other = |problem: &str| Ok(Some(format!("its member {shown} {problem}")));
        match self {
            Self::One { name, hash } => {
                let bare = member.header.name.strip_suffix(b"/").unwrap_or(&member.header.name);
                if position > 0 {
                    return other("is one too many");
                }
                if bare != name.as_slice() {
                    return other("has another name than the archive");
                }
                if member.hash(&mut io::sink())? != *hash {
                    return other("has another owner, mode or content than its hash says");
                }
                Ok(None)
            }
            Self::Mom { content } => match position {
                0 if member.header.name != b"Manifest.MoM" => other("stands in place of Manifest.MoM"),
                0 => {
                    let expected = FileHash::of_file(content, member.header.owner);
                    if member.hash(&mut io::sink())? == expected { Ok(None) } else { other("is not the MoM") }
                }
                1 if member.header.name == b"Manifest.MoM.sig" => Ok(None),
                _ => other("does not belong there"),
            },
            Self::Pack => match PackMember::parse(&member.header.name) {
                Some(PackMember::Folder) if is_pack_folder(&member.header) => Ok(None),
                Some(PackMember::Folder) => other("is not a directory of root with mode 0700"),
                Some(PackMember::Staged(hash)) if member.hash(&mut io::sink())? != hash => {
                    other("has another owner, mode or content than its hash says")
                }
                Some(PackMember::Staged(_) | PackMember::Delta(_)) => Ok(None),
                None => other("does not belong there"),
            },
        }
    }
}

fn is_pack_folder(header: &MemberHeader) -> bool {
    header.kind == FileKind::Directory && header.owner == Owner { permissions: 0o700, uid: 0, gid: 0 }
}

/// At most one finding per rule and archive: the first member that breaks it stands for all.
fn inspect(resource: &Resource, expected: Expected, archive: io::Result<Box<dyn BufRead + Send + '_>>) -> Vec<Finding> {
    let (mut wrong, mut named, mut pax) = (None, None, None);
    let mut members = 0;
    let read = archive.map_err(ArchiveError::Read).and_then(|archive| {
        read_members::<ArchiveError>(archive, |mut member| {
            if member.header.names_owner && named.is_none() {
                named = Some(member.header.name.escape_ascii().to_string());
            }
            if member.header.pax_target && !member.header.target.is_ascii() && pax.is_none() {
                pax = Some(member.header.target.escape_ascii().to_string());
            }
            let problem = expected.problem(members, &mut member)?;
            wrong = wrong.take().or(problem);
            members += 1;
            Ok(())
        })
    });
    match read {
        Err(error) => wrong = Some(error.to_string()),
        Ok(()) if members == 0 && !matches!(expected, Expected::Pack) => wrong = Some("it is empty".to_owned()),
        Ok(()) => {}
    }
    let object = || Object::Artifact(resource.clone());
    let again = "build the release again";
    let wrong = wrong.map(|problem| Finding::refusal(Rule::WrongArchive, object(), problem, again));
    let named = named.map(|member| {
        let problem = format!("its member {member} names a user or group, which endpoints may know by another number");
        Finding::refusal(Rule::OwnerNames, object(), problem, "write numeric owners only, then build again")
    });
    let pax = pax.map(|target| {
        let problem = format!("the link target {target} stands in a PAX record; endpoints in the C locale fail on it");
        Finding::refusal(Rule::PaxLinkTarget, object(), problem, "write it raw or as a GNU record, then build again")
    });
    [wrong, named, pax].into_iter().flatten().collect()
}
