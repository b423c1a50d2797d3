//! Every command that writes is stopped at every disk operation: all operations from there on fail, as when the machine
//! stops. After each stop endpoints install the last release and update to it, every release that readers see is
//! complete, and the same command succeeds when it is run again.
//!
//! The same with a disk that is full from a certain write on, and with a disk that refuses all writes.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use clearwell_format::Resource;
use clearwell_generate::deltas::DeltaOptions;
use clearwell_generate::progress::Silent;
use clearwell_generate::publish::{PublishOptions, publish};
use clearwell_generate::remake::remake_packs;
use clearwell_generate::retract::{RetractOptions, retract};
use clearwell_store::adopt::{AdoptOptions, adopt};
use clearwell_store::disk::{Disk, Operation};
use clearwell_store::gc::{Retention, collect};
use clearwell_store::repair::{RepairOptions, repair};
use clearwell_store::{Fault, ReleaseState, Store, StoreError};
use clearwell_testkit::{copy_store, cut_off, flip_byte, sample_www, signer};

use super::mix::{options, version};
use super::setup::{check_options, checked, endpoints, keep, mix_at, now, say, scratch, store_with};

/// Runs a command on a store.
type Command = Box<dyn Fn(&Store) -> Result<(), Failure> + Sync>;

/// A command, and the store it starts from.
struct Case {
    name: &'static str,
    start: PathBuf,
    /// The store is damaged at the start: endpoints work, `check` reports findings.
    damaged: bool,
    run: Command,
    /// The version that the pointers name at the end, and one that endpoints come from.
    newest: u32,
    from: &'static [u32],
}

/// Why a command stopped.
#[derive(Debug)]
struct Failure {
    fault: Option<Fault>,
    text: String,
}

impl From<clearwell_store::StoreError> for Failure {
    fn from(error: clearwell_store::StoreError) -> Self {
        Self { fault: Some(error.fault()), text: format!("{error}: {error:?}") }
    }
}

impl From<clearwell_generate::build::BuildError> for Failure {
    fn from(error: clearwell_generate::build::BuildError) -> Self {
        Self { fault: Some(error.fault()), text: format!("{error}: {error:?}") }
    }
}

/// How the disk fails from operation `at` on.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Trouble {
    /// Every operation fails.
    Stopped,
    /// Operations that need space fail.
    Full,
    /// Every operation that changes something is refused.
    Refused(io::ErrorKind),
}

impl Trouble {
    fn hits(self, operation: Operation) -> bool {
        use Operation as Op;
        match self {
            Self::Stopped | Self::Refused(_) => true,
            Self::Full => matches!(
                operation,
                Op::CreateFolder | Op::CreateFile | Op::Write | Op::Copy | Op::SymbolicLink | Op::HardLink
            ),
        }
    }

    fn error(self) -> io::Error {
        match self {
            Self::Stopped => io::Error::other("the machine stopped"),
            Self::Full => io::ErrorKind::StorageFull.into(),
            Self::Refused(kind) => kind.into(),
        }
    }
}

/// A disk in trouble from the `at`-th operation on that the trouble hits, and how many there were.
fn disk(trouble: Trouble, at: usize) -> (Disk, Arc<AtomicUsize>) {
    let count = Arc::new(AtomicUsize::new(0));
    let seen = Arc::clone(&count);
    let disk = Disk::with_hook(move |operation, _| {
        if trouble.hits(operation) && seen.fetch_add(1, Ordering::SeqCst) >= at { Err(trouble.error()) } else { Ok(()) }
    });
    (disk, count)
}

fn cases(root: &Path) -> Vec<Case> {
    let one = root.join("one");
    store_with(&one, &[10]);
    let three = root.join("three");
    store_with(&three, &[10, 20, 30]);
    let staged = root.join("staged");
    copy_store(&one, &staged);
    let store = Store::open(&staged).unwrap();
    let stage = clearwell_generate::build::BuildOptions { stage: true, ..options() };
    mix_at(20).build_with(20, Some(10), &store, Some(signer()), &stage).unwrap();
    let damaged = root.join("damaged");
    copy_store(&three, &damaged);
    damage(&damaged);
    let adopted = root.join("adopted");
    let www = root.join("www");
    sample_www(&www);
    drop(Store::create(&adopted).unwrap());

    let case = |name, start: &Path, run: Command, newest, from| Case {
        name,
        start: start.to_owned(),
        damaged: false,
        run,
        newest,
        from,
    };
    vec![
        case("build", &one, Box::new(build_it), 20, &[10]),
        case("publish", &staged, Box::new(publish_it), 20, &[10]),
        case("discard", &staged, Box::new(discard_it), 10, &[]),
        case("build --stage over a staged one", &staged, Box::new(stage_another), 10, &[]),
        case("build over a staged one", &staged, Box::new(build_another), 20, &[10]),
        case("gc", &three, Box::new(|store| collect_it(store, &keep(1))), 30, &[]),
        case(
            "gc, no manifests left",
            &three,
            Box::new(|store| collect_it(store, &Retention { leave_manifests: false, ..keep(1) })),
            30,
            &[],
        ),
        case("retract", &three, Box::new(retract_it), 20, &[10]),
        Case { damaged: true, ..case("check --repair", &damaged, Box::new(repair_store), 30, &[20]) },
        case("adopt", &adopted, Box::new(move |store| adopt_it(&www, store)), 20, &[10]),
    ]
}

fn build_it(store: &Store) -> Result<(), Failure> {
    if store.latest_version()? == Some(version(20)) {
        // The next writer completes what was stopped after the pointers had moved.
        drop(store.writer("build")?);
        return Ok(());
    }
    mix_at(20).build_with(20, Some(10), store, Some(signer()), &options())?;
    Ok(())
}

fn publish_it(store: &Store) -> Result<(), Failure> {
    let options = PublishOptions { again: false, staging: false, allowed: Default::default(), now: now() };
    publish(version(20), &store.writer("publish")?, Some(signer()), &options, &Silent)?;
    Ok(())
}

fn collect_it(store: &Store, retention: &Retention) -> Result<(), Failure> {
    collect(&mut store.writer("gc")?, retention, Duration::ZERO, &Silent)?;
    Ok(())
}

fn retract_it(store: &Store) -> Result<(), Failure> {
    let options = RetractOptions { to: None, allowed: Default::default(), now: now() };
    retract(version(30), &options, &mut store.writer("retract")?, Some(signer()))?;
    Ok(())
}

/// Drops the staged release 20.
fn discard_it(store: &Store) -> Result<(), Failure> {
    match store.writer("discard")?.discard(version(20)) {
        // The previous run was stopped after its last disk operation.
        Err(StoreError::UnknownVersion { .. }) => Ok(()),
        other => Ok(other.map(drop)?),
    }
}

/// Stages release 20 once more, of a mix that has changed.
fn stage_another(store: &Store) -> Result<(), Failure> {
    let stage = clearwell_generate::build::BuildOptions { stage: true, ..options() };
    let mut mix = mix_at(20);
    mix.file("editor", "/usr/share/editor/another", b"another");
    mix.build_with(20, Some(10), store, Some(signer()), &stage)?;
    // Wherever the previous run was stopped, one of the two exists.
    assert_eq!(store.state(version(20))?, ReleaseState::Staged);
    Ok(())
}

/// Publishes release 20 of a mix that has changed since it was staged.
fn build_another(store: &Store) -> Result<(), Failure> {
    if store.latest_version()? == Some(version(20)) {
        drop(store.writer("build")?);
        return Ok(());
    }
    let mut mix = mix_at(20);
    mix.file("editor", "/usr/share/editor/another", b"another");
    mix.build_with(20, Some(10), store, Some(signer()), &options())?;
    Ok(())
}

fn adopt_it(www: &Path, store: &Store) -> Result<(), Failure> {
    let options = AdoptOptions { trust: Some(signer().anchor().clone().into()), ..AdoptOptions::default() };
    adopt(www, &mut store.writer("adopt")?, &options, &Silent)?;
    Ok(())
}

/// Damage of each kind that can be repaired, which endpoints that install release 30 do not notice.
fn damage(root: &Path) {
    let content = root.join("content");
    flip_byte(&content.join("30/Manifest.MoM.sig"));
    cut_off(&content.join("30/Manifest.editor"));
    flip_byte(&content.join("10/Manifest.full.tar"));
    fs::remove_file(content.join("10/pack-editor-from-0.tar")).unwrap();
    fs::write(root.join("meta/releases/10.json"), "{}").unwrap();
    flip_byte(&root.join("meta/index/10"));
}

fn repair_store(store: &Store) -> Result<(), Failure> {
    let findings = checked(store).findings;
    let mut writer = store.writer("check --repair")?;
    let options = RepairOptions { equivalent: true, check: check_options() };
    let first = repair(&mut writer, &findings, &options)?;
    remake_packs(&mut writer, &first.left(&findings), true, &DeltaOptions::default(), &Silent)?;
    // More findings become visible once the index is repaired.
    let findings = checked(store).findings;
    let second = repair(&mut writer, &findings, &options)?;
    remake_packs(&mut writer, &second.left(&findings), true, &DeltaOptions::default(), &Silent)?;
    Ok(())
}

/// Checks what must be true after a command ended, whether it succeeded or failed.
fn assert_served(case: &Case, store: &Store, context: &str) {
    let Some(latest) = store.latest_version().unwrap() else {
        return assert_eq!(case.name, "adopt", "{context}: only an empty store has no pointers");
    };
    let from: Vec<u32> =
        case.from.iter().copied().filter(|from| version(*from) < latest && store.has_release(version(*from))).collect();
    if !case.damaged {
        let report = endpoints(store, &from);
        assert!(report.is_clean(), "{context}: {:?}", report.problems());
        for release in store.releases().unwrap() {
            for (artifact, _) in store.index(release).unwrap().to_map().unwrap() {
                store.read(&Resource::of(release, artifact)).unwrap_or_else(|error| panic!("{context}: {error}"));
            }
        }
    } else if store.index(version(10)).is_ok() {
        let report = endpoints(store, &from);
        let worked = report.checks.iter().all(|outcome| outcome.report.exit_code.code() == 0);
        assert!(worked, "{context}: {:?}", report.problems());
    }
}

/// Stops the command at one operation, checks the store, and runs the command again.
fn stop_at(case: &Case, trouble: Trouble, at: usize, root: &Path) {
    let context = format!("{} with {trouble:?} at {at}", case.name);
    copy_store(&case.start, root);
    let (disk, _) = disk(trouble, at);
    let ended = (case.run)(&Store::open_on(root, disk).unwrap());
    if let (Err(failure), Trouble::Full | Trouble::Refused(_)) = (&ended, trouble) {
        assert_eq!(failure.fault, Some(Fault::Disk), "{context}: {}", failure.text);
    }
    let store = Store::open(root).unwrap();
    assert_served(case, &store, &context);
    (case.run)(&store).unwrap_or_else(|error| panic!("{context}, again: {}", error.text));
    let store = Store::open(root).unwrap();
    assert_served(case, &store, &context);
    assert_eq!(store.latest_version().unwrap(), Some(version(case.newest)), "{context}");
    let report = checked(&store);
    assert!(report.is_sound(), "{context}: {:#?}", report.findings);
    assert_eq!(fs::read_dir(store.layout().staging()).unwrap().count(), 0, "{context}: scratch is left");
    fs::remove_dir_all(root).unwrap();
}

/// The number of operations of a command that the failure affects.
fn operations(case: &Case, trouble: Trouble, root: &Path) -> usize {
    copy_store(&case.start, root);
    let (disk, count) = disk(trouble, usize::MAX);
    (case.run)(&Store::open_on(root, disk).unwrap()).unwrap_or_else(|error| panic!("{}: {}", case.name, error.text));
    fs::remove_dir_all(root).unwrap();
    count.load(Ordering::SeqCst)
}

/// Runs the cases on all processors.
fn on_all(points: &[(usize, Trouble, usize)], cases: &[Case], root: &Path) {
    let next = AtomicUsize::new(0);
    let failed = Mutex::new(None);
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(2, std::num::NonZero::get) {
            scope.spawn(|| {
                while let Some((case, trouble, at)) = points.get(next.fetch_add(1, Ordering::SeqCst)) {
                    let folder = root.join(format!("{case}-{trouble:?}-{at}"));
                    let point = std::panic::AssertUnwindSafe(|| stop_at(&cases[*case], *trouble, *at, &folder));
                    if let Err(panic) = std::panic::catch_unwind(point) {
                        *failed.lock().unwrap() = Some(panic);
                        next.store(usize::MAX / 2, Ordering::SeqCst);
                    }
                }
            });
        }
    });
    if let Some(panic) = failed.into_inner().unwrap() {
        std::panic::resume_unwind(panic);
    }
}

#[test]
fn every_command_survives_a_stop_at_every_operation() {
    let folder = scratch();
    let cases = cases(folder.path());
    let mut points = Vec::new();
    let mut counts = Vec::new();
    for (number, case) in cases.iter().enumerate() {
        let trial = folder.path().join("trial");
        let stops = operations(case, Trouble::Stopped, &trial);
        // The stops already cover the operations before and after: every third write is enough for a full disk.
        let writes = operations(case, Trouble::Full, &trial);
        let full = (0..writes).step_by(if thorough() { 1 } else { 3 });
        counts.push(format!("{} {stops}+{}", case.name, full.len()));
        points.extend((0..stops).map(|at| (number, Trouble::Stopped, at)));
        points.extend(full.map(|at| (number, Trouble::Full, at)));
        for kind in [io::ErrorKind::ReadOnlyFilesystem, io::ErrorKind::PermissionDenied] {
            points.push((number, Trouble::Refused(kind), 0));
        }
    }
    on_all(&points, &cases, folder.path());
    say(&format!("crash matrix: {} points, all survived ({})", points.len(), counts.join(", ")));
    assert!(points.len() >= 500, "{}", points.len());
}

/// Every write of a full disk, not every third.
fn thorough() -> bool {
    std::env::var_os("CLEARWELL_THOROUGH").is_some()
}
