//! What endpoints on a release trust, and whether they can verify what they are pointed to.
//!
//! ```text
//! /usr/share/clear/update-ca/Swupd_Root.pem        what an endpoint on the release starts with
//! /usr/share/clear/update-ca/Swupd_Root.pem.alt    what it tries when a signature does not verify
//! ```
//!
//! Source: client behaviour §6. A MoM has a signature in its archive and one next to it; either is enough.

use std::cell::RefCell;
use std::collections::BTreeMap;

use clearwell_format::archive::{ArchiveError, LARGEST_MOM, Shape, Slot, read_shaped, single_member};
use clearwell_format::resource::Artifact;
use clearwell_format::{BundleName, Entry, Manifest, ManifestName, Mom, MomEntry, Resource, Version};
use clearwell_sign::{Certificate, Dates, Trust, TrustAnchor, VerifyError};

use super::Artifacts;
use super::content::{self, CERTIFICATE};

/// What the content of a release has at the place of the trusted certificate.
#[derive(Clone, Debug)]
pub(crate) enum Carried {
    /// Nothing: its endpoints trust a certificate that was installed in another way and is not known here.
    Nothing,
    /// Something that is not a certificate: their client does not start.
    Unusable(String),
    /// What they trust.
    Trust(Box<Trust>),
}

impl Carried {
    /// What they trust, if it is known and usable.
    pub(crate) fn trust(&self) -> Option<&Trust> {
        match self {
            Self::Trust(trust) => Some(trust),
            Self::Nothing | Self::Unusable(_) => None,
        }
    }
}

/// The files of a release at these places, as they are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateFiles {
    /// The certificate that endpoints start with.
    pub main: Vec<u8>,
    /// The one that they try when it does not verify.
    pub alternative: Option<Vec<u8>>,
}

/// A path, and a bundle with the version of its manifest.
type EntryKey = (Vec<u8>, BundleName, Version);

/// The certificates of releases, read out of their content. Each manifest and file is read once.
pub(crate) struct Certificates<'a> {
    artifacts: &'a dyn Artifacts,
    entries: RefCell<BTreeMap<EntryKey, Option<Entry>>>,
}

impl<'a> Certificates<'a> {
    pub(crate) fn new(artifacts: &'a dyn Artifacts) -> Self {
        Self { artifacts, entries: RefCell::default() }
    }

    /// The certificate files of a release; `None` if it has none.
    pub(crate) fn files_of(&self, mom: &Mom) -> Option<CertificateFiles> {
        let (path, main) = self.file(mom, CERTIFICATE.as_bytes().to_vec())?;
        // The client appends to the name that it found behind symbolic links.
        let alternative = self.file(mom, [&path[..], b".alt"].concat());
        Some(CertificateFiles { main, alternative: alternative.map(|(_, text)| text) })
    }

    /// What a release carries.
    pub(crate) fn of(&self, mom: &Mom) -> Carried {
        let Some(files) = self.files_of(mom) else { return Carried::Nothing };
        match TrustAnchor::from_pem(&files.main) {
            // An alternative that cannot be read is passed over, as the client does.
            Ok(main) => Carried::Trust(Box::new(Trust {
                main,
                alternative: files.alternative.and_then(|text| TrustAnchor::from_pem(text).ok()),
            })),
            Err(error) => Carried::Unusable(error.to_string()),
        }
    }

    /// A file of a release with its path, following symbolic links at its place.
    fn file(&self, mom: &Mom, mut path: Vec<u8>) -> Option<(Vec<u8>, Vec<u8>)> {
        for _ in 0..MOST_LINKS {
            let entry = self.entry(mom, &path)?;
            let archive =
                content::read(self.artifacts, &Resource::of(entry.version, Artifact::Fullfile(entry.hash())))?;
            let (header, text) = single_member(&archive, LARGEST_BYTES).ok()?;
            if entry.is_file() {
                return Some((path, text));
            }
            path = behind_link(&path, &header.target)?;
        }
        None
    }

    /// The entry of a path in any bundle. Nearly always it is one of os-core, which every endpoint has.
    fn entry(&self, mom: &Mom, path: &[u8]) -> Option<Entry> {
        let os_core = mom.bundle(&BundleName::os_core());
        let others = mom.bundles().filter(|entry| entry.bundle != BundleName::os_core());
        os_core.into_iter().chain(others).find_map(|bundle| self.entry_of(bundle, path))
    }

    fn entry_of(&self, bundle: &MomEntry, path: &[u8]) -> Option<Entry> {
        let key = (path.to_vec(), bundle.bundle.clone(), bundle.version);
        if let Some(known) = self.entries.borrow().get(&key) {
            return known.clone();
        }
        let name = ManifestName::Bundle(bundle.bundle.clone());
        let text = content::read(self.artifacts, &Resource::of(bundle.version, Artifact::Manifest(name)));
        let found = text.and_then(|text| entry_in(&text, path));
        self.entries.borrow_mut().insert(key, found.clone());
        found
    }
}

/// The present file or link that a manifest lists at a path. Only its line is parsed.
fn entry_in(text: &[u8], path: &[u8]) -> Option<Entry> {
    let header = text.windows(2).position(|pair| pair == b"\n\n")? + 2;
    let mut lines = text[header..].split_inclusive(|&byte| byte == b'\n');
    let ending = [b"\t", path].concat();
    lines.find_map(|line| {
        line.strip_suffix(b"\n").unwrap_or(line).ends_with(&ending).then_some(())?;
        let manifest = Manifest::parse(&[&text[..header], line].concat()).ok()?;
        let entry = manifest.present().find(|entry| entry.path.as_bytes() == path)?.clone();
        (!entry.is_directory()).then_some(entry)
    })
}

/// Where a link in a folder leads, within the system's root.
fn behind_link(link: &[u8], target: &[u8]) -> Option<Vec<u8>> {
    let start =
        if target.starts_with(b"/") { &[][..] } else { &link[..link.iter().rposition(|&byte| byte == b'/')?] };
    let mut parts: Vec<&[u8]> = Vec::new();
    for part in start.split(|&byte| byte == b'/').chain(target.split(|&byte| byte == b'/')) {
        match part {
            b"" | b"." => {}
            b".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    Some(parts.iter().flat_map(|part| [b"/", *part]).flatten().copied().collect())
}

/// Verifies the MoM of a release as an endpoint does, with the signature in its archive or the one next to it.
///
/// # Errors
/// The error of the last signature; `None` without a signature, which is a finding of other rules.
pub(crate) fn verify_mom(
    artifacts: &dyn Artifacts,
    mom: &Mom,
    trust: &Trust,
    dates: Dates,
    now: i64,
) -> Option<Result<Certificate, VerifyError>> {
    let text = mom.to_bytes();
    let mut verdict = None;
    for signature in mom_signatures(artifacts, mom.header.version).into_iter().flatten() {
        match trust.verify(&text, &signature, dates, now) {
            Ok(signer) => return Some(Ok(signer)),
            refused => verdict = Some(refused),
        }
    }
    verdict
}

/// The signature in the archive of a MoM, and the one next to it.
pub(super) fn mom_signatures(artifacts: &dyn Artifacts, version: Version) -> [Option<Vec<u8>>; 2] {
    let archive = Resource::of(version, Artifact::ManifestTar(ManifestName::Mom));
    let separate = Resource::of(version, Artifact::MomSignature);
    [in_archive(artifacts, &archive), content::read(artifacts, &separate)]
}

fn in_archive(artifacts: &dyn Artifacts, archive: &Resource) -> Option<Vec<u8>> {
    let mut found = None;
    let opened = artifacts.open(archive).ok()?;
    read_shaped::<ArchiveError>(opened, Shape::manifest(&ManifestName::Mom), |slot, mut member| {
        if slot == Slot::Signature {
            // The shape limits its size.
            found = Some(member.content(LARGEST_MOM)?);
        }
        Ok(())
    })
    .ok()?;
    found
}

/// Certificates are some lines of text.
const LARGEST_BYTES: u64 = 1 << 20;
/// More links than this are a circle.
const MOST_LINKS: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_lead_on_within_the_root() {
        for (link, target, path) in [
            ("/a/b/link", "file", "/a/b/file"),
            ("/a/b/link", "../c/file", "/a/c/file"),
            ("/a/b/link", "/d/./file", "/d/file"),
            ("/link", "../../file", "/file"),
        ] {
            assert_eq!(behind_link(link.as_bytes(), target.as_bytes()).unwrap(), path.as_bytes(), "{link} {target}");
        }
    }

    #[test]
    fn only_the_very_path_is_found() {
        let hash = "0".repeat(64);
        let text = format!(
            "MANIFEST\t30\nversion:\t20\nprevious:\t0\nfilecount:\t4\ntimestamp:\t0\ncontentsize:\t0\n\n\
             F...\t{hash}\t10\t/x/a\nD...\t{hash}\t10\t/b\nL...\t{hash}\t10\t/c\nF...\t{hash}\t20\t/a\n"
        );
        let found = |path: &str| entry_in(text.as_bytes(), path.as_bytes()).map(|entry| entry.version.number());
        assert_eq!(
            [found("/a"), found("/x/a"), found("/b"), found("/c"), found("/")],
            [Some(20), Some(10), None, Some(10), None]
        );
    }
}
