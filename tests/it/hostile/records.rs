//! Release records that were edited by hand: `check` compares them with the MoM.

use std::fs;

use clearwell_testkit::sample_store;
use serde_json::{Value, json};

use crate::run::run;

#[test]
fn a_record_that_differs_from_the_mom_is_found_and_repaired() {
    let changes: [(&str, Value); 6] = [
        ("previous", json!(15)),
        ("min-version", json!(20)),
        ("timestamp", json!(5)),
        ("format", json!(29)),
        ("bundles", json!([])),
        ("bundles", json!([{"name": "os-core", "version": 10, "changed": true}])),
    ];
    for (key, value) in changes {
        let folder = tempfile::tempdir().unwrap();
        let sample = sample_store(&folder.path().join("store"));
        let path = sample.store.layout().record(sample.releases[1].version);
        let mut record: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        record[key] = value;
        // An editor of a record can remove its checksum.
        record.as_object_mut().unwrap().remove("checksum");
        fs::write(&path, serde_json::to_vec_pretty(&record).unwrap()).unwrap();
        let found = run(folder.path(), &["check", "--store", "store"]).expect(1);
        assert!(found.stdout.contains("meta/releases/20"), "{key}: {found:?}");
        run(folder.path(), &["check", "--store", "store", "--repair"]).expect(12);
        run(folder.path(), &["check", "--store", "store"]).expect(0);
    }
}
