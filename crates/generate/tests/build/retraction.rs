//! What may be retracted, and where pointers go then: every state of the release and of the target.

use clearwell_format::resource::Pointer;
use clearwell_format::{FormatNumber, Version};
use clearwell_generate::build::{BuildError, BuildOptions};
use clearwell_generate::guard::Rule;
use clearwell_generate::progress::Silent;
use clearwell_generate::publish::{PublishOptions, publish};
use clearwell_generate::retract::{RetractOptions, Retracted, retract};
use clearwell_sign::Signer;
use clearwell_store::gc::{Retention, collect};
use clearwell_store::{Fault, ReleaseState, Store, StoreError};
use clearwell_testkit::signer;

use crate::mix::{Mix, options, version};

fn run(store: &Store, number: u32, to: Option<u32>, signer: Option<&Signer>) -> Result<Retracted, BuildError> {
    let options = RetractOptions { to: to.map(version), allowed: Default::default(), now: options().now };
    retract(version(number), &options, &mut store.writer("test").unwrap(), signer)
}

fn latest(store: &Store, format: u16) -> Option<Version> {
    store.latest(FormatNumber::new(format).unwrap()).unwrap()
}

/// 10 was collected; 20 was retracted; 30 and 40 are published, 40 being what pointers name; 35 is staged, as is 50; 5 is
/// of another format, and 8 the first of this one.
fn all_kinds(folder: &tempfile::TempDir) -> Store {
    let store = Store::create(folder.path().join("store")).unwrap();
    let mut mix = Mix::sample();
    let staged = BuildOptions { stage: true, ..options() };
    mix.format = 29;
    mix.build(5, None, &store);
    mix.format = 30;
    let allowed = BuildOptions { allowed: [Rule::FormatBoundary].into(), ..options() };
    let mut next = |number: u32, previous: u32, options: &BuildOptions| {
        mix.file("viewer", "/usr/share/new", number.to_string().as_bytes());
        mix.build_with(number, Some(previous), &store, Some(signer()), options).unwrap();
    };
    next(8, 5, &allowed);
    next(10, 8, &options());
    next(20, 10, &options());
    next(30, 20, &options());
    run(&store, 20, None, Some(signer())).unwrap();
    next(35, 30, &staged);
    next(40, 30, &options());
    next(50, 40, &staged);
    let retention = Retention {
        grace: std::time::Duration::ZERO,
        pinned: [5, 20, 30, 35].map(version).into(),
        ..Retention::new(1, std::time::SystemTime::now())
    };
    let mut writer = store.writer("test").unwrap();
    collect(&mut writer, &retention, std::time::Duration::ZERO, &Silent).unwrap();
    drop(writer);
    assert!(!store.has_release(version(10)) && store.has_content(version(10)));
    store
}

fn error_name(error: &BuildError) -> &'static str {
    match error {
        BuildError::NeverPublished { .. } => "never published",
        BuildError::StagedTarget { .. } => "staged target",
        BuildError::RetractedTarget { .. } => "retracted target",
        BuildError::NotEarlier { .. } => "not earlier",
        BuildError::TargetFormat { .. } => "format",
        BuildError::NothingBefore { .. } => "nothing before",
        BuildError::Store(StoreError::UnknownVersion { .. }) => "unknown",
        _ => "another",
    }
}

#[test]
fn every_release_to_every_target() {
    let folder = tempfile::tempdir().unwrap();
    let start = all_kinds(&folder);
    let root = folder.path().join("trial");
    // By release, what each target gives; the last is the default.
    let targets = [Some(5), Some(10), Some(15), Some(20), Some(30), Some(35), Some(40), Some(50), None];
    let table = [
        (
            5,
            [
                "not earlier",
                "unknown",
                "unknown",
                "not earlier",
                "not earlier",
                "not earlier",
                "not earlier",
                "not earlier",
                "nothing before",
            ],
        ),
        (10, ["unknown"; 9]),
        (15, ["unknown"; 9]),
        // No pointer names it: nothing moves.
        (
            20,
            [
                "format",
                "unknown",
                "unknown",
                "not earlier",
                "not earlier",
                "not earlier",
                "not earlier",
                "not earlier",
                "stays",
            ],
        ),
        (
            30,
            [
                "format",
                "unknown",
                "unknown",
                "retracted target",
                "not earlier",
                "not earlier",
                "not earlier",
                "not earlier",
                "stays",
            ],
        ),
        (35, ["never published"; 9]),
        (
            40,
            [
                "format",
                "unknown",
                "unknown",
                "retracted target",
                "30",
                "staged target",
                "not earlier",
                "not earlier",
                "30",
            ],
        ),
        (50, ["never published"; 9]),
    ];
    for (number, row) in table {
        for (to, expected) in targets.into_iter().zip(row) {
            let _ = std::fs::remove_dir_all(&root);
            let copied = std::process::Command::new("cp").arg("-a").arg(start.root()).arg(&root).status();
            assert!(copied.unwrap().success());
            let store = Store::open(&root).unwrap();
            let before = (store.pointers().unwrap(), store.states().unwrap());
            let what = format!("{number} to {to:?}");
            match run(&store, number, to, Some(signer())) {
                Ok(retracted) => {
                    assert_eq!(
                        retracted.pointers_at.map_or("stays".to_owned(), |at| at.to_string()),
                        expected,
                        "{what}"
                    );
                    assert_eq!(store.state(version(number)).unwrap(), ReleaseState::Retracted, "{what}");
                    let named = latest(&store, 30).unwrap();
                    assert!(named < version(number) || number < 40, "{what}");
                    assert_ne!(store.state(named).unwrap(), ReleaseState::Staged, "{what}");
                    // A second call changes nothing.
                    let again = run(&store, number, to, Some(signer())).unwrap();
                    assert_eq!((again.pointers_at, latest(&store, 30)), (None, Some(named)), "{what}");
                }
                Err(error) => {
                    assert_eq!(error_name(&error), expected, "{what}: {error}");
                    let fault = error.fault();
                    let is_version = fault == Fault::Version || fault == clearwell_store::Fault::Version;
                    assert!(is_version, "{what}: {fault:?}");
                    assert_eq!(before, (store.pointers().unwrap(), store.states().unwrap()), "{what}");
                }
            }
        }
    }
}

#[test]
fn pointers_never_move_past_the_guard() {
    let folder = tempfile::tempdir().unwrap();
    let store = all_kinds(&folder);
    // Endpoints check signatures.
    let BuildError::Refused { findings, .. } = run(&store, 40, None, None).unwrap_err() else { panic!("refused") };
    assert!(findings.iter().any(|finding| finding.rule == Rule::SignatureLost), "{findings:?}");
    assert_eq!(latest(&store, 30), Some(version(40)));
    let allowed = RetractOptions { to: None, allowed: [Rule::SignatureLost].into(), now: options().now };
    retract(version(40), &allowed, &mut store.writer("test").unwrap(), None).unwrap();
    assert_eq!(latest(&store, 30), Some(version(30)));

    let publication = |number: u32, again: bool| {
        let options = PublishOptions { again, staging: false, allowed: Default::default(), now: options().now };
        publish(version(number), &store.writer("test").unwrap(), Some(signer()), &options, &Silent)
            .map(|done| done.version)
    };
    assert!(matches!(publication(40, false), Err(BuildError::Retracted { .. })));
    assert!(matches!(publication(20, false), Err(BuildError::Retracted { .. })));
    assert_eq!(publication(20, true).unwrap_err().fault(), Fault::Guard, "it would go back");
    // Staged between the one that was retracted and the one before.
    assert_eq!(publication(35, false).unwrap(), 35);
    assert_eq!(publication(50, false).unwrap(), 50);
    assert_eq!(publication(40, true).unwrap_err().fault(), Fault::Guard);
    assert_eq!(publication(35, false).unwrap_err().fault(), Fault::Guard);
    assert_eq!(latest(&store, 30), Some(version(50)));
}

#[test]
fn the_newest_version_of_any_format_is_the_newest_that_is_left() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::create(folder.path().join("store")).unwrap();
    let mut mix = Mix::sample();
    let allowed = BuildOptions { allowed: [Rule::FormatBoundary].into(), ..options() };
    mix.build(10, None, &store);
    mix.file("viewer", "/usr/share/new", b"20");
    mix.format = 31;
    mix.build_with(20, Some(10), &store, Some(signer()), &allowed).unwrap();
    mix.format = 30;
    mix.file("viewer", "/usr/share/new", b"30");
    mix.build_with(30, Some(10), &store, Some(signer()), &allowed).unwrap();
    assert_eq!(store.latest_version().unwrap(), Some(version(30)));
    run(&store, 30, None, Some(signer())).unwrap();
    let pointers = store.pointers().unwrap();
    assert_eq!((latest(&store, 30), latest(&store, 31)), (Some(version(10)), Some(version(20))));
    assert_eq!(pointers.version(Pointer::LatestVersion), Some(version(20)));
}
