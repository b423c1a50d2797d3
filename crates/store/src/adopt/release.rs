//! One version of the tree: checked, then stored.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use clearwell_format::resource::Artifact;
use clearwell_format::{BundleName, FileHash, Manifest, ManifestName, Mom, Resource, Version};

use super::manifests::ManifestCheck;
use super::{AdoptOptions, AdoptReport, Finding, Meters, source};
use crate::fan_out::{fan_out, processors};
use crate::progress::Meter;
use crate::throttle::Throttle;
use crate::verify::{
    Anchors, ArtifactInspector, ContentDefect, Contents, Defect, DefectKind, Rules, StoreBases, TreeBases, Verification,
};
use crate::{
    ArtifactMeta, BundleRecord, Fault, OtherKeys, PutOutcome, ReleaseRecord, SourceRecord, Store, StoreError, Writer,
    prepared, regular,
};

pub(super) fn adopt(
    www: &Path,
    version: Version,
    writer: &mut Writer,
    options: &AdoptOptions,
    anchors: &Anchors,
    meters: &Meters<'_>,
    report: &mut AdoptReport,
) -> Result<(), StoreError> {
    let known = writer.store().has_release(version).then(|| writer.store().index(version)?.to_map()).transpose()?;
    let (files, defects) = source::artifacts(www, version)?;
    let mut check = ReleaseCheck { version, known, files, sound: BTreeMap::new(), defects };
    let outcome = check.run(writer.store(), anchors, &meters.read)?;
    if let Some(checked) = outcome {
        store(www, &check, checked, writer, options, &meters.store, report)?;
    } else {
        report.refused.push(version);
    }
    check.defects.sort_by(|left, right| left.path.cmp(&right.path));
    report.findings.extend(check.defects.into_iter().map(Finding::from));
    Ok(())
}

/// The files of a version while they are checked.
pub(super) struct ReleaseCheck {
    pub(super) version: Version,
    /// The index of the store, if the release is in it already.
    pub(super) known: Option<BTreeMap<Artifact, ArtifactMeta>>,
    pub(super) files: BTreeMap<Artifact, PathBuf>,
    /// What may be stored.
    pub(super) sound: BTreeMap<Artifact, ArtifactMeta>,
    pub(super) defects: Vec<Defect>,
}

/// The manifests of a version that can be adopted.
pub(super) struct Checked {
    mom: Mom,
    full: Option<Manifest>,
}

impl ReleaseCheck {
    pub(super) fn run(
        &mut self,
        store: &Store,
        anchors: &Anchors,
        meter: &Meter<'_>,
    ) -> Result<Option<Checked>, StoreError> {
        let files = self.files.clone();
        let mut manifests = ManifestCheck::new(self.version, &files);
        let mom = manifests.mom(anchors);
        let (mut bundles, mut full) = (BTreeMap::new(), None);
        if let Some(mom) = &mom {
            for entry in mom.bundles().filter(|entry| entry.version == self.version) {
                bundles.extend(manifests.bundle(entry, self.version).map(|manifest| (entry.bundle.clone(), manifest)));
            }
            full = manifests.full();
            manifests.leave_out_others(mom);
        }
        let ManifestCheck { sound, defects, .. } = manifests;
        self.defects.extend(defects);
        let Some(mom) = mom else { return Ok(None) };
        self.sound = sound;
        self.check_older_manifests(store, &mom)?;
        let staged = self.check_content(store, &mom, &bundles, full.as_ref(), meter)?;
        self.check_zero_packs(&bundles, &staged);
        self.compare_with_store();
        Ok(Some(Checked { mom, full }))
    }

    /// Bundles that did not change have their manifest in the release where they last did.
    fn check_older_manifests(&mut self, store: &Store, mom: &Mom) -> Result<(), StoreError> {
        let version = self.version;
        for entry in mom.bundles().filter(|entry| entry.version != version) {
            match store.bundle_manifest(entry) {
                Ok(_) | Err(StoreError::Manifest { .. }) => {}
                Err(error) if error.fault() == Fault::Disk => return Err(error),
                Err(StoreError::ManifestHash { expected, found, .. }) => {
                    self.defect(
                        Artifact::Manifest(ManifestName::Mom),
                        DefectKind::ManifestHash { by: version, expected, found },
                    );
                }
                Err(_) => {
                    let missing = DefectKind::ManifestMissing { by: version, bundle: entry.bundle.clone() };
                    self.defect(Artifact::Manifest(ManifestName::Mom), missing);
                }
            }
        }
        Ok(())
    }

    /// Everything but manifests, on all processors. Returns the objects that each pack contains whole.
    fn check_content(
        &mut self,
        store: &Store,
        mom: &Mom,
        bundles: &BTreeMap<BundleName, Manifest>,
        full: Option<&Manifest>,
        meter: &Meter<'_>,
    ) -> Result<BTreeMap<Artifact, BTreeSet<FileHash>>, StoreError> {
        let is_manifest = |artifact: &Artifact| Verification::of(artifact) == Verification::Manifests;
        let content: Vec<_> = self.files.iter().filter(|(artifact, _)| !is_manifest(artifact)).collect();
        let bases = TreeBases { version: self.version, files: &self.files, store: StoreBases::new(store) };
        let (throttle, large) = (Throttle::default(), Mutex::new(()));
        let format = Some(mom.header.format);
        let version = self.version;
        let rules = Rules::of(version, bundles, full);
        let (throttle, large) = (&throttle, &large);
        let inspector = ArtifactInspector { version, format, bases: &bases, rules: &rules, throttle, large, meter };
        let results = fan_out(&content, processors(), |(artifact, path)| {
            meter.go_on()?;
            let result = match self.known.as_ref().and_then(|known| known.get(artifact)) {
                // The store has it: it was checked when it was adopted.
                Some(_) => regular::open(path)
                    .and_then(prepared::measure)
                    .map_err(ContentDefect::Unreadable)
                    .inspect(|meta| meter.advance(1, meta.size))
                    .map(|meta| Contents { meta, staged: BTreeSet::new(), unapplied: 0 }),
                None => inspector.check(artifact, path),
            };
            Ok::<_, StoreError>(((*artifact).clone(), result))
        })?;
        let mut staged = BTreeMap::new();
        for (artifact, result) in results {
            match result {
                Ok(sound) => {
                    self.sound.insert(artifact.clone(), sound.meta);
                    staged.insert(artifact, sound.staged);
                }
                Err(content) => self.defect(artifact, content.into()),
            }
        }
        Ok(staged)
    }

    fn check_zero_packs(
        &mut self,
        bundles: &BTreeMap<BundleName, Manifest>,
        staged: &BTreeMap<Artifact, BTreeSet<FileHash>>,
    ) {
        for (bundle, manifest) in bundles {
            let pack = Artifact::Pack { bundle: bundle.clone(), from: None };
            if self.known.as_ref().is_some_and(|known| known.get(&pack).is_some()) {
                continue;
            }
            if let Some(staged) = staged.get(&pack) {
                let needed: BTreeSet<_> = manifest.present().map(|entry| entry.hash()).collect();
                let missing = needed.difference(staged).count();
                if missing > 0 {
                    self.defect(pack, DefectKind::PackIncomplete { missing });
                }
            }
        }
    }

    fn compare_with_store(&mut self) {
        let Some(known) = &self.known else { return };
        let differs =
            |(artifact, meta): &(&Artifact, &ArtifactMeta)| known.get(artifact).is_some_and(|old| *old != **meta);
        let different: Vec<_> = self.sound.iter().filter(differs).map(|(artifact, _)| artifact.clone()).collect();
        for artifact in different {
            self.sound.remove(&artifact);
            self.defect(artifact, DefectKind::DiffersFromStore);
        }
    }

    fn defect(&mut self, artifact: Artifact, kind: DefectKind) {
        self.defects.push(Defect::in_tree(Resource::of(self.version, artifact), kind));
    }
}

fn store(
    www: &Path,
    check: &ReleaseCheck,
    checked: Checked,
    writer: &mut Writer,
    options: &AdoptOptions,
    meter: &Meter<'_>,
    report: &mut AdoptReport,
) -> Result<(), StoreError> {
    let version = check.version;
    let is_new = |artifact: &Artifact| check.known.as_ref().is_none_or(|known| known.get(artifact).is_none());
    if !check.sound.keys().any(is_new) {
        report.unchanged.push(version);
        return Ok(());
    }
    let (draft, record) = match &check.known {
        Some(_) => {
            let record = writer.store().record(version)?;
            (writer.extend(version)?, record)
        }
        None => (writer.draft(version, "adopt")?, record(www, &checked, check)),
    };
    for (artifact, meta) in check.sound.iter().filter(|(artifact, _)| is_new(artifact)) {
        meter.go_on()?;
        let outcome = draft.put_file(artifact, &check.files[artifact], *meta, options.transfer)?;
        meter.advance(1, meta.size);
        if matches!(outcome, PutOutcome::Written(_)) {
            report.stored.number += 1;
            report.stored.bytes += meta.size;
        }
    }
    draft.prepare(record)?.release()?;
    match check.known {
        Some(_) => report.extended.push(version),
        None => report.adopted.push(version),
    }
    Ok(())
}

pub(super) fn record(www: &Path, checked: &Checked, check: &ReleaseCheck) -> ReleaseRecord {
    let header = &checked.mom.header;
    let mut record = ReleaseRecord::new(check.version, header.format, header.timestamp);
    record.previous = header.previous;
    record.min_version = header.min_version;
    record.bundles = checked.mom.bundles().map(|entry| BundleRecord::of(entry, check.version)).collect();
    record.files = checked.full.as_ref().map_or(0, |full| full.present().count() as u64);
    record.sources =
        vec![SourceRecord { kind: "adopted".to_owned(), path: www.display().to_string(), other: OtherKeys::new() }];
    let generator = check.files.get(&Artifact::GeneratorVersion).and_then(|path| regular::read(path, NOTE_LIMIT).ok());
    let generator = String::from_utf8(generator.unwrap_or_default()).unwrap_or_default();
    record.generator = format!("mixer {}", generator.trim()).trim_end().to_owned();
    record
}

/// Notes of the generator are a line.
const NOTE_LIMIT: u64 = 64 << 10;
