//! The certificates that signatures are verified with.

use std::collections::BTreeMap;

use clearwell_format::archive::single_member;
use clearwell_format::resource::Artifact;
use clearwell_format::{BundleName, FileHash, Resource};
use clearwell_sign::{Trust, TrustAnchor, VerifyError, verify};

use super::DefectKind;
use crate::Store;

/// The certificates that endpoints trust, in the order in which they are tried. Without any, nothing is verified.
#[derive(Clone, Debug, Default)]
pub(crate) struct Anchors(Vec<TrustAnchor>);

impl Anchors {
    /// Those that were `given`, or else those that the releases install, the newest first, or else the `fallback`.
    pub(crate) fn of(store: &Store, given: &[TrustAnchor], fallback: &[TrustAnchor]) -> Self {
        if !given.is_empty() {
            return Self(given.to_vec());
        }
        let installed = installed(store);
        Self(if installed.is_empty() { fallback.to_vec() } else { installed })
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn first(&self) -> Option<&TrustAnchor> {
        self.0.first()
    }

    /// `None` if there is nothing to verify with. Of several refusals, the one of the first certificate.
    pub(crate) fn verdict(&self, bytes: &[u8], signature: &[u8]) -> Option<Result<(), VerifyError>> {
        let mut verdict = None;
        for anchor in &self.0 {
            // Dates do not count: old releases were signed long ago.
            match verify(bytes, signature, anchor, None) {
                Ok(_) => return Some(Ok(())),
                Err(error) => drop(verdict.get_or_insert(Err(error))),
            }
        }
        verdict
    }

    /// One of the signatures has to be valid, where there is something to verify with.
    pub(crate) fn signed<'s>(
        &self,
        bytes: &[u8],
        signatures: impl IntoIterator<Item = &'s [u8]>,
    ) -> Result<(), DefectKind> {
        let mut outcome = if self.is_empty() { Ok(()) } else { Err(DefectKind::SignatureMissing) };
        for signature in signatures {
            match self.verdict(bytes, signature) {
                None | Some(Ok(())) => return Ok(()),
                Some(Err(error)) => outcome = Err(DefectKind::Signature(error)),
            }
        }
        outcome
    }
}

impl From<Option<&Trust>> for Anchors {
    fn from(trust: Option<&Trust>) -> Self {
        Self(trust.into_iter().flat_map(Trust::anchors).cloned().collect())
    }
}

fn installed(store: &Store) -> Vec<TrustAnchor> {
    let mut anchors: BTreeMap<FileHash, TrustAnchor> = BTreeMap::new();
    let mut newest_first = Vec::new();
    for version in store.releases().unwrap_or_default().into_iter().rev() {
        let Ok(mom) = store.mom(version) else { continue };
        let Some(manifest) = mom.bundle(&BundleName::os_core()).and_then(|entry| store.bundle_manifest(entry).ok())
        else {
            continue;
        };
        let files = PATHS.iter().filter_map(|path| manifest.present().find(|entry| entry.path.as_bytes() == *path));
        for entry in files {
            if anchors.contains_key(&entry.hash()) {
                continue;
            }
            let fullfile = Resource::of(entry.version, Artifact::Fullfile(entry.hash()));
            let text = store.read(&fullfile).ok().and_then(|archive| single_member(&archive, LARGEST).ok());
            if let Some(anchor) = text.and_then(|(_, text)| TrustAnchor::from_pem(&text).ok()) {
                newest_first.push(anchor.clone());
                anchors.insert(entry.hash(), anchor);
            }
        }
    }
    newest_first
}

/// Where stock clients look, in this order (client behaviour §6).
const PATHS: [&[u8]; 2] =
    [b"/usr/share/clear/update-ca/Swupd_Root.pem", b"/usr/share/clear/update-ca/Swupd_Root.pem.alt"];
const LARGEST: u64 = 1 << 20;
