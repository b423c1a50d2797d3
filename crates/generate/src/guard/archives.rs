//! The archives that a release adds, read once and member by member: three rules.
//!
//! - `wrong-archive`: members and their hashes match the archive's name, by the same rule as in `adopt`, `check` and
//!   `verify` (`clearwell_format::archive::Shape`). Source: content layout §4 and §5, packs §2, must-keep §1 and §2. A fullfile of the wrong owner, mode or content ends the client at once; a pack's folders with
//!   another mode than 0700 change the client's cache folders.
//! - `owner-names`: no user or group names. Source: content layout §3 trap 1. A client that knows the name under another
//!   number takes that number, and the hash no longer fits.
//! - `pax-link-target`: no link target outside ASCII in a PAX record. Source: content layout §3 trap 2. It fails to
//!   extract in the C locale.

use std::io::{self, BufRead};

use clearwell_format::archive::{ArchiveError, MemberHeader, PackRule, Shape, Slot, content_limit, read_shaped};
use clearwell_format::manifest::Header;
use clearwell_format::resource::Artifact;
use clearwell_format::{FileHash, ManifestName, Resource, Version};
use rayon::prelude::*;

use super::survey::Survey;
use super::{Finding, Object, Rule};

pub(super) fn check(survey: &Survey<'_>) -> Vec<Finding> {
    let Some(store) = survey.context.store else {
        return Vec::new();
    };
    // Individually and packs first, as they take longest: no worker is left with one at the end.
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
            inspect(resource, &expected, store.artifacts.open(resource))
        })
        .collect()
}

/// What an archive's name promises.
enum Expected<'a> {
    Fullfile { hash: FileHash, limit: u64 },
    Manifest { name: &'a ManifestName, hash: ManifestHash },
    ZeroPack(Option<PackRule>),
    DeltaPack(Option<PackRule>),
}

/// The hash of a manifest.
enum ManifestHash {
    /// As the MoM names it: with the owner it has in the archive.
    Named(FileHash),
    /// Of a content with whatever owner.
    Of(Vec<u8>),
}

impl<'a> Expected<'a> {
    fn of(survey: &Survey<'_>, version: Version, artifact: &'a Artifact) -> Option<Self> {
        let release = &survey.context.release;
        let mom = &release.mom;
        match artifact {
            Artifact::Fullfile(hash) => {
                let limit = release.full.as_ref().map_or(Header::MAX_CONTENT_SIZE, |full| content_limit(&full.header));
                Some(Self::Fullfile { hash: *hash, limit })
            }
            Artifact::ManifestTar(name) => {
                let hash = match name {
                    ManifestName::Bundle(bundle) => {
                        let entry = mom.bundle(bundle).filter(|entry| entry.version == version)?;
                        ManifestHash::Named(entry.hash)
                    }
                    ManifestName::Full => {
                        let full = release.full.as_ref().filter(|full| full.header.version == version)?;
                        ManifestHash::Named(FileHash::of_manifest(&full.to_bytes()))
                    }
                    ManifestName::Mom if version == mom.header.version => ManifestHash::Of(mom.to_bytes()),
                    ManifestName::Mom => return None,
                };
                Some(Self::Manifest { name, hash })
            }
            Artifact::Pack { bundle, from } => {
                let is_here = mom.bundle(bundle).is_some_and(|entry| entry.version == version);
                let manifest = release.bundles.get(bundle).filter(|_| is_here);
                let rule = manifest.map(|manifest| PackRule::of(manifest));
                Some(if from.is_none() { Self::ZeroPack(rule) } else { Self::DeltaPack(rule) })
            }
            Artifact::Manifest(_)
            | Artifact::MomSignature
            | Artifact::DeltaManifest { .. }
            | Artifact::Delta(_)
            | Artifact::Format
            | Artifact::GeneratorVersion
            | Artifact::UpstreamUrl
            | Artifact::UpstreamVersion => None,
        }
    }

    fn shape(&self) -> Shape<'_> {
        match self {
            Self::Fullfile { hash, limit } => Shape::fullfile(*hash, *limit),
            Self::Manifest { name, .. } => Shape::manifest(name),
            Self::ZeroPack(rule) => Shape::zero_pack(rule.as_ref()),
            Self::DeltaPack(rule) => Shape::delta_pack(rule.as_ref()),
        }
    }

    /// The hash that a member has to have, if it is known.
    fn hash(&self, slot: Slot, header: &MemberHeader) -> Option<FileHash> {
        match (slot, self) {
            (Slot::Object(hash), _) => Some(hash),
            (Slot::Manifest, Self::Manifest { hash: ManifestHash::Named(hash), .. }) => Some(*hash),
            (Slot::Manifest, Self::Manifest { hash: ManifestHash::Of(content), .. }) => {
                Some(FileHash::of_file(content, header.owner))
            }
            _ => None,
        }
    }
}

/// At most one finding per rule and archive: for the first member that breaks it.
fn inspect(
    resource: &Resource,
    expected: &Expected<'_>,
    archive: io::Result<Box<dyn BufRead + Send + '_>>,
) -> Vec<Finding> {
    let (mut wrong, mut named, mut pax) = (None, None, None);
    let read = archive.map_err(ArchiveError::Read).and_then(|archive| {
        read_shaped::<ArchiveError>(archive, expected.shape(), |slot, mut member| {
            let shown = member.header.name.escape_ascii().to_string();
            if member.header.names_owner && named.is_none() {
                named = Some(shown.clone());
            }
            if member.header.pax_target && !member.header.target.is_ascii() && pax.is_none() {
                pax = Some(member.header.target.escape_ascii().to_string());
            }
            let hash = expected.hash(slot, &member.header).filter(|_| wrong.is_none());
            if let Some(hash) = hash
                && member.hash(&mut io::sink())? != hash
            {
                wrong = Some(format!("the owner, mode or content of its member {shown} does not match its hash"));
            }
            Ok(())
        })
    });
    if let Err(error) = read {
        wrong = Some(error.to_string());
    }
    let object = || Object::Artifact(resource.clone());
    let again = "build the release again";
    let wrong = wrong.map(|problem| Finding::refusal(Rule::WrongArchive, object(), problem, again));
    let named = named.map(|member| {
        let problem =
            format!("its member {member} names a user or group, which may have a different number on endpoints");
        Finding::refusal(Rule::OwnerNames, object(), problem, "write numeric owners only, then build again")
    });
    let pax = pax.map(|target| {
        let problem =
            format!("the link target {target} is in a PAX record; endpoints in the C locale fail to extract it");
        Finding::refusal(Rule::PaxLinkTarget, object(), problem, "write it raw or as a GNU record, then build again")
    });
    [wrong, named, pax].into_iter().flatten().collect()
}
