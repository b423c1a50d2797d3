//! Stores that earlier versions of the program wrote. They are never edited: a program that cannot read one of them could
//! not read the only copy of a real store.
//!
//! ```text
//! tests/fixtures/stores/1.0      releases 10, 20, 30, published
//! tests/fixtures/stores/1.1      the same; release 10 collected, release 30 retracted, pointers at 20
//! tests/fixtures/stores/1.2      the same of another mix; release 40 staged
//!                      /Swupd_Root.pem, 1.2.pem    the certificate, valid for a hundred years
//! ```

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clearwell_endpoint::source::StoreSource;
use clearwell_endpoint::{VerifyOptions, verify};
use clearwell_format::resource::ResourceKind;
use clearwell_sign::TrustAnchor;
use clearwell_store::progress::Silent;
use clearwell_store::{ReleaseState, Store, StoreError};
use clearwell_testkit::copy_store;

use super::mix::version;
use super::setup::{checked, endpoint_options, keep, scratch};

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/stores")
}

fn assert_endpoints_succeed(store: &Store, from: u32) {
    let mut options = VerifyOptions::new(endpoint_options());
    let anchor = TrustAnchor::from_pem(fs::read(fixtures().join("Swupd_Root.pem")).unwrap()).unwrap();
    options.endpoint.trust = Some(anchor.into());
    options.from = vec![version(from)];
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let source = Arc::new(StoreSource::new(store.clone()));
    let report = runtime.block_on(verify(source, &options, &Silent)).unwrap();
    assert!(report.is_clean(), "{:?}", report.problems());
}

#[test]
fn stores_of_every_layout_are_read() {
    use ReleaseState::{Published, Retracted, Staged};
    let all = [
        ("1.0", vec![(10, Published), (20, Published), (30, Published)], 30, 10),
        ("1.1", vec![(20, Published), (30, Retracted)], 20, 20),
        ("1.2", vec![(20, Published), (30, Retracted), (40, Staged)], 20, 20),
    ];
    for (layout, states, latest, from) in all {
        let folder = scratch();
        copy_store(&fixtures().join(layout), folder.path());
        let store = Store::open(folder.path()).unwrap();
        let found: Vec<_> = store.states().unwrap().iter().map(|(version, state)| (version.number(), *state)).collect();
        assert_eq!(found, states, "{layout}");
        assert_eq!(store.latest_version().unwrap(), Some(version(latest)), "{layout}");
        for (release, _) in states {
            let record = store.record(version(release)).unwrap();
            assert_eq!(record.version.number(), release);
            let numbers: u64 = ResourceKind::ALL.iter().map(|kind| record.counts(*kind).number).sum();
            assert_eq!(numbers, record.total().number, "{layout}: every kind in the record of {release} is known");
            store.mom(version(release)).unwrap();
        }
        assert_eq!(store.remnants().unwrap().len(), usize::from(layout != "1.0"));
        let report = checked(&store);
        assert!(report.is_sound() && report.signatures > 0, "{layout}: {:#?}", report.findings);
        if from < latest {
            assert_endpoints_succeed(&store, from);
        }
    }
}

#[test]
fn stores_of_every_layout_are_written_on() {
    for layout in ["1.0", "1.1", "1.2"] {
        let folder = scratch();
        let root = folder.path().join("store");
        copy_store(&fixtures().join(layout), &root);
        let store = Store::open(&root).unwrap();
        let latest = store.latest_version().unwrap();
        clearwell_store::gc::collect(&mut store.writer("gc").unwrap(), &keep(1), std::time::Duration::ZERO, &Silent)
            .unwrap();
        assert_eq!(store.latest_version().unwrap(), latest);
        assert!(checked(&Store::open(&root).unwrap()).is_sound(), "{layout}");
        assert_eq!(fs::read_to_string(root.join("meta/layout")).unwrap(), "clearwell-store 1.2\n");
    }
}

#[test]
fn a_newer_layout_is_refused_with_the_remedy() {
    let folder = scratch();
    let root = folder.path().join("store");
    copy_store(&fixtures().join("1.2"), &root);
    for newer in ["1.3", "2.0"] {
        fs::write(root.join("meta/layout"), format!("clearwell-store {newer}\n")).unwrap();
        let error = Store::open(&root).unwrap_err();
        assert!(matches!(error, StoreError::LayoutTooNew { .. }));
        assert!(error.to_string().contains("use a newer clearwell"), "{error}");
    }
}
