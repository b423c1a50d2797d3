//! One version of the tree: checked, then stored.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use clearwell_format::resource::Artifact;
use clearwell_format::{BundleName, FileHash, Manifest, Mom, Version};
use clearwell_sign::{Trust, TrustAnchor};

use super::manifests::ManifestCheck;
use super::problem::{Problem, ProblemKind};
use super::{AdoptOptions, AdoptReport, Meters, source};
use crate::content::ContentProblem;
use crate::content::{Inspector, Rules, Sound, StoreBases, TreeBases};
use crate::fan_out::{fan_out, processors};
use crate::progress::{Meter, Phase, Silent};
use crate::throttle::Throttle;
use crate::{
    ArtifactMeta, BundleRecord, Fault, OtherKeys, PutOutcome, ReleaseRecord, SourceRecord, Store, StoreError, Writer,
    prepared, regular,
};

pub(super) fn adopt(
    www: &Path,
    version: Version,
    writer: &mut Writer,
    options: &AdoptOptions,
    meters: &Meters<'_>,
    report: &mut AdoptReport,
) -> Result<(), StoreError> {
    let known = writer.store().has_release(version).then(|| writer.store().index(version)?.to_map()).transpose()?;
    let (files, problems) = source::artifacts(www, version)?;
    let mut check = ReleaseCheck { version, known, files, sound: BTreeMap::new(), problems };
    let outcome = check.run(writer.store(), options.trust.as_ref(), &meters.read)?;
    if let Some(checked) = outcome {
        store(www, &check, checked, writer, options, &meters.store, report)?;
    } else {
        report.refused.push(version);
    }
    check.problems.sort_by(|left, right| left.path.cmp(&right.path));
    report.problems.append(&mut check.problems);
    Ok(())
}

/// What the content of a version amounts to, where its index or record cannot be trusted.
pub(crate) struct Surveyed {
    /// What clients would accept.
    pub(crate) sound: BTreeMap<Artifact, ArtifactMeta>,
    /// Files that they would not.
    pub(crate) unsound: Vec<PathBuf>,
    /// The record that the manifests tell; without counts.
    pub(crate) record: ReleaseRecord,
}

/// Looks at the public tree of the store itself as at one that is adopted. `None` for a version without a MoM that one of
/// `anchors` vouches for; without anchors, without a MoM.
///
/// # Errors
/// The disk's.
pub(crate) fn survey(store: &Store, version: Version, anchors: &[TrustAnchor]) -> Result<Option<Surveyed>, StoreError> {
    let www = store.layout().content();
    if !www.join(version.to_string()).is_dir() {
        return Ok(None);
    }
    let (files, _) = source::artifacts(&www, version)?;
    let trusts: Vec<Option<Trust>> = if anchors.is_empty() {
        vec![None]
    } else {
        anchors.iter().map(|anchor| Some(anchor.clone().into())).collect()
    };
    for trust in trusts {
        let mut check =
            ReleaseCheck { version, known: None, files: files.clone(), sound: BTreeMap::new(), problems: Vec::new() };
        let meter = Meter::begin(&Silent, Phase::Read, 0, 0);
        let Some(checked) = check.run(store, trust.as_ref(), &meter)? else { continue };
        let is_unsound = |artifact: &&Artifact| !check.sound.contains_key(*artifact);
        let unsound = files.keys().filter(is_unsound).map(|artifact| files[artifact].clone()).collect();
        let mut record = record(&www, &checked, &check);
        record.sources.clear();
        return Ok(Some(Surveyed { sound: check.sound, unsound, record }));
    }
    if store.has_release(version) || !store.has_content(version) {
        return Ok(None);
    }
    survey_remnant(store, version, files).map(Some)
}

/// What is left of a version that was collected with its MoM: files that are what their names say, and manifests that
/// MoMs of releases name. A MoM that cannot be read might name what would be taken for unsound, so all are needed.
fn survey_remnant(store: &Store, version: Version, files: BTreeMap<Artifact, PathBuf>) -> Result<Surveyed, StoreError> {
    let moms: Vec<Mom> =
        store.releases()?.into_iter().map(|release| store.mom(release)).collect::<Result<_, StoreError>>()?;
    let named: Vec<_> = moms.iter().flat_map(Mom::bundles).filter(|entry| entry.version == version).collect();
    let mut manifests = ManifestCheck::new(version, &files);
    for entry in named {
        manifests.bundle(entry);
    }
    let mut sound = manifests.sound;
    let bases = TreeBases { version, files: &files, store: StoreBases::new(store) };
    let (throttle, large) = (Throttle::default(), Mutex::new(()));
    let meter = Meter::begin(&Silent, Phase::Read, 0, 0);
    let rules = Rules::new(version, &bases);
    let (throttle, large, meter) = (&throttle, &large, &meter);
    let inspector = Inspector { version, format: None, bases: &bases, rules: &rules, throttle, large, meter };
    for (artifact, path) in &files {
        let tells_itself = matches!(
            artifact,
            Artifact::Fullfile(_) | Artifact::Pack { .. } | Artifact::Delta(_) | Artifact::DeltaManifest { .. }
        );
        if let Some(found) = tells_itself.then(|| inspector.check(artifact, path).ok()).flatten() {
            sound.insert(artifact.clone(), found.meta);
        }
    }
    let unsound = files.iter().filter(|(artifact, _)| !sound.contains_key(artifact));
    let unsound = unsound.map(|(_, path)| path.clone()).collect();
    let format =
        moms.first().map_or(clearwell_format::FormatNumber::new(30).expect("not zero"), |mom| mom.header.format);
    Ok(Surveyed { sound, unsound, record: ReleaseRecord::new(version, format, 0) })
}

struct ReleaseCheck {
    version: Version,
    /// The index of the store, if the release is in it already.
    known: Option<BTreeMap<Artifact, ArtifactMeta>>,
    files: BTreeMap<Artifact, PathBuf>,
    /// What may be stored.
    sound: BTreeMap<Artifact, ArtifactMeta>,
    problems: Vec<Problem>,
}

/// The manifests of a version that can be adopted.
struct Checked {
    mom: Mom,
    full: Option<Manifest>,
}

impl ReleaseCheck {
    fn run(&mut self, store: &Store, trust: Option<&Trust>, meter: &Meter<'_>) -> Result<Option<Checked>, StoreError> {
        let files = self.files.clone();
        let mut manifests = ManifestCheck::new(self.version, &files);
        let mom = manifests.mom(trust);
        let (mut bundles, mut full) = (BTreeMap::new(), None);
        if let Some(mom) = &mom {
            for entry in mom.bundles().filter(|entry| entry.version == self.version) {
                bundles.extend(manifests.bundle(entry).map(|manifest| (entry.bundle.clone(), manifest)));
            }
            full = manifests.full();
            manifests.leave_out_others(mom);
        }
        let ManifestCheck { sound, problems, .. } = manifests;
        self.problems.extend(problems);
        let Some(mom) = mom else { return Ok(None) };
        self.sound = sound;
        self.look_for_older_manifests(store, &mom)?;
        let staged = self.check_content(store, &mom, &bundles, full.as_ref(), meter)?;
        self.look_into_zero_packs(&bundles, &staged);
        self.compare_with_store();
        Ok(Some(Checked { mom, full }))
    }

    /// Bundles that did not change have their manifest in the release where they last did.
    fn look_for_older_manifests(&mut self, store: &Store, mom: &Mom) -> Result<(), StoreError> {
        let version = self.version;
        for entry in mom.bundles().filter(|entry| entry.version != version) {
            match store.bundle_manifest(entry) {
                Ok(_) | Err(StoreError::Manifest { .. }) => {}
                Err(error) if error.fault() == Fault::Disk => return Err(error),
                Err(StoreError::ManifestHash { expected, found, .. }) => {
                    self.problem("Manifest.MoM", ProblemKind::ManifestHash { expected, found });
                }
                Err(_) => self.problem("Manifest.MoM", ProblemKind::ManifestMissing { bundle: entry.bundle.clone() }),
            }
        }
        Ok(())
    }

    /// Everything but manifests, on all processors. Returns what each pack holds whole.
    fn check_content(
        &mut self,
        store: &Store,
        mom: &Mom,
        bundles: &BTreeMap<BundleName, Manifest>,
        full: Option<&Manifest>,
        meter: &Meter<'_>,
    ) -> Result<BTreeMap<Artifact, BTreeSet<FileHash>>, StoreError> {
        let is_manifest = |artifact: &Artifact| {
            matches!(artifact, Artifact::Manifest(_) | Artifact::ManifestTar(_) | Artifact::MomSignature)
        };
        let content: Vec<_> = self.files.iter().filter(|(artifact, _)| !is_manifest(artifact)).collect();
        let bases = TreeBases { version: self.version, files: &self.files, store: StoreBases::new(store) };
        let (throttle, large) = (Throttle::default(), Mutex::new(()));
        let format = Some(mom.header.format);
        let version = self.version;
        let rules = Rules::of(version, bundles, full);
        let (throttle, large) = (&throttle, &large);
        let inspector = Inspector { version, format, bases: &bases, rules: &rules, throttle, large, meter };
        let results = fan_out(&content, processors(), |(artifact, path)| {
            meter.go_on()?;
            let result = match self.known.as_ref().and_then(|known| known.get(artifact)) {
                // What the store has was checked when it came.
                Some(_) => regular::open(path)
                    .and_then(prepared::measure)
                    .map_err(ContentProblem::Unreadable)
                    .inspect(|meta| meter.advance(1, meta.size))
                    .map(|meta| Sound { meta, staged: BTreeSet::new(), unapplied: 0 }),
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
                Err(content) => self.problem(&artifact.to_string(), content.into()),
            }
        }
        Ok(staged)
    }

    fn look_into_zero_packs(
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
                    self.problem(&pack.to_string(), ProblemKind::PackIncomplete { missing });
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
            self.problem(&artifact.to_string(), ProblemKind::DiffersFromStore);
        }
    }

    fn problem(&mut self, name: &str, kind: ProblemKind) {
        self.problems.push(Problem { path: Path::new(&self.version.to_string()).join(name), kind });
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

fn record(www: &Path, checked: &Checked, check: &ReleaseCheck) -> ReleaseRecord {
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
