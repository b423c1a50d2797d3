//! The certificates that signatures are checked with.

use std::collections::BTreeMap;

use clearwell_format::archive::single_member;
use clearwell_format::resource::Artifact;
use clearwell_format::{BundleName, FileHash, Resource};
use clearwell_sign::{TrustAnchor, VerifyError, fitness, verify};

use super::{CheckOptions, Finding, FindingKind, Run};
use crate::Store;

/// What endpoints trust.
pub(super) struct Trust {
    pub(super) anchors: Vec<TrustAnchor>,
}

impl Trust {
    /// The certificates that were given, or else those that the releases install, the newest first, or else the fallback.
    pub(super) fn of(store: &Store, options: &CheckOptions) -> Self {
        if !options.anchors.is_empty() {
            return Self { anchors: options.anchors.clone() };
        }
        let installed = installed(store);
        Self { anchors: if installed.is_empty() { options.fallback_anchors.clone() } else { installed } }
    }

    /// `None` if there is nothing to check with.
    pub(super) fn verdict(&self, bytes: &[u8], signature: &[u8]) -> Option<Result<(), VerifyError>> {
        let mut verdict = None;
        for anchor in &self.anchors {
            // Dates are not looked at: old releases were signed long ago.
            match verify(bytes, signature, anchor, None) {
                Ok(_) => return Some(Ok(())),
                Err(error) => drop(verdict.get_or_insert(Err(error))),
            }
        }
        verdict
    }
}

impl Run<'_> {
    /// The newest certificate has to be one that endpoints take today.
    pub(super) fn certificates(&mut self, trust: &Trust) {
        let layout = self.store.layout();
        let Some(anchor) = trust.anchors.first() else {
            let has_releases = self.store.releases().is_ok_and(|releases| !releases.is_empty());
            if has_releases {
                self.find(Finding::at(layout.root(), layout, FindingKind::NoCertificate));
            }
            return;
        };
        for problem in fitness(anchor, self.options.now) {
            let kind = FindingKind::Certificate {
                subject: anchor.first().subject(),
                refused: problem.severity() == clearwell_sign::Severity::Refusal,
                problem: problem.to_string(),
            };
            self.find(Finding::at(&layout.content(), layout, kind));
        }
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
