//! The planned artifacts, as the guard reads them before anything is built: it refuses early what it would refuse after
//! an hour of compressing, and nothing is left in the store.
//!
//! Everything that the plan lists counts as existing, without its size. What rules read of a release, some small
//! files and the MoM with its signature, is taken from the tree. The archives themselves are checked once they exist.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, BufRead, Cursor};

use clearwell_format::archive::TarWriter;
use clearwell_format::resource::Artifact;
use clearwell_format::{FileHash, ManifestName, Resource};

use super::inspect::StoredArtifacts;
use crate::guard::Artifacts;
use crate::manifest_tar;
use crate::member::{MemberError, Naming, Objects};
use crate::plan::{PackItem, Plan};

/// A store together with a planned release.
pub(super) struct PlannedArtifacts<'a> {
    plan: &'a Plan,
    objects: Objects<'a>,
    stored: StoredArtifacts<'a>,
    mom_signature: Option<&'a [u8]>,
    fullfiles: BTreeMap<FileHash, PackItem>,
    manifests: BTreeSet<ManifestName>,
}

impl<'a> PlannedArtifacts<'a> {
    pub(super) fn new(plan: &'a Plan, objects: Objects<'a>, mom_signature: Option<&'a [u8]>) -> Self {
        let item = |planned: &crate::plan::PlannedFullfile| PackItem { hash: planned.hash, origin: planned.origin };
        let bundles = plan.bundles.iter().map(|planned| ManifestName::Bundle(planned.bundle.clone()));
        Self {
            plan,
            stored: StoredArtifacts(objects.store),
            objects,
            mom_signature,
            fullfiles: plan.fullfiles.iter().map(|planned| (planned.hash, item(planned))).collect(),
            manifests: bundles.chain([ManifestName::Mom, ManifestName::Full]).collect(),
        }
    }

    fn is_planned(&self, artifact: &Artifact) -> bool {
        match artifact {
            Artifact::Fullfile(hash) => self.fullfiles.contains_key(hash),
            Artifact::Manifest(name) | Artifact::ManifestTar(name) => self.manifests.contains(name),
            Artifact::MomSignature => self.mom_signature.is_some(),
            Artifact::Pack { bundle, from } => {
                let is_it = |pack: &&crate::plan::PackPlan| pack.bundle == *bundle && pack.from == *from;
                self.plan.packs.iter().filter(is_it).any(|pack| pack.to == self.plan.version)
            }
            Artifact::DeltaManifest { .. }
            | Artifact::Delta(_)
            | Artifact::Format
            | Artifact::GeneratorVersion
            | Artifact::UpstreamUrl
            | Artifact::UpstreamVersion => true,
        }
    }

    fn bytes(&self, artifact: &Artifact) -> io::Result<Vec<u8>> {
        match artifact {
            Artifact::Fullfile(hash) => {
                let item = self.fullfiles.get(hash).ok_or(io::ErrorKind::NotFound)?;
                let mut tar = TarWriter::new(Vec::new());
                self.objects.append(&mut tar, Naming::Fullfile, *item).map_err(|error| match error {
                    MemberError::Object(error) => io::Error::other(error),
                    MemberError::Write(error) => error,
                })?;
                tar.finish()
            }
            Artifact::MomSignature => Ok(self.mom_signature.ok_or(io::ErrorKind::NotFound)?.to_vec()),
            Artifact::Manifest(ManifestName::Mom) => Ok(self.plan.mom.to_bytes()),
            Artifact::Manifest(ManifestName::Full) => Ok(self.plan.full.to_bytes()),
            Artifact::Manifest(ManifestName::Bundle(bundle)) => {
                let planned = self.plan.bundles.iter().find(|planned| planned.bundle == *bundle);
                Ok(planned.ok_or(io::ErrorKind::NotFound)?.manifest.to_bytes())
            }
            Artifact::ManifestTar(name @ ManifestName::Mom) => {
                manifest_tar::archive(name, &self.plan.mom.to_bytes(), self.mom_signature, 0)
            }
            _ => Err(io::ErrorKind::NotFound.into()),
        }
    }
}

impl Artifacts for PlannedArtifacts<'_> {
    fn size(&self, resource: &Resource) -> Option<u64> {
        match resource {
            Resource::Artifact { version, artifact } if *version == self.plan.version => {
                self.is_planned(artifact).then_some(0)
            }
            _ => self.stored.size(resource),
        }
    }

    fn open(&self, resource: &Resource) -> io::Result<Box<dyn BufRead + Send + '_>> {
        match resource {
            Resource::Artifact { version, artifact } if *version == self.plan.version => {
                Ok(Box::new(Cursor::new(self.bytes(artifact)?)))
            }
            _ => self.stored.open(resource),
        }
    }
}
