//! Records of other programs: newer ones, which know more keys, and older ones.

use std::fs;

use clearwell_store::check::{CheckOptions, check};
use clearwell_store::progress::Silent;
use clearwell_store::verify::DefectKind;
use clearwell_store::{Digest, ReleaseRecord, Store, StoreError};
use clearwell_testkit::{pointers, sample_store};
use serde_json::{Value, json};

use crate::support::{format, version};

/// Writes a record as any program of this major does: indented by two spaces, and the checksum on a separate line.
fn write(store: &Store, number: u32, record: &Value, at_the_end: bool) {
    let text = serde_json::to_string_pretty(record).unwrap();
    let sum = Digest::of(text.as_bytes());
    let sealed = match at_the_end {
        true => format!("{},\n  \"checksum\": \"{sum}\"\n}}\n", text.strip_suffix("\n}").unwrap()),
        false => format!("{}\n", text.replacen("{\n", &format!("{{\n  \"checksum\": \"{sum}\",\n"), 1)),
    };
    fs::write(store.layout().record(version(number)), sealed).unwrap();
}

fn read(store: &Store, number: u32) -> Value {
    serde_json::from_slice(&fs::read(store.layout().record(version(number))).unwrap()).unwrap()
}

/// Adds a key to every object, however deep, but not to maps, where each key is data.
fn with_keys_of_the_future(value: &mut Value) -> usize {
    match value {
        Value::Object(object) => {
            let mut added = 1;
            for (key, below) in object.iter_mut().filter(|(key, _)| *key != "options") {
                added += match key.as_str() {
                    // Its keys are kinds; their values are objects.
                    "artifacts" => below.as_object_mut().unwrap().values_mut().map(with_keys_of_the_future).sum(),
                    _ => with_keys_of_the_future(below),
                };
            }
            object.insert(
                "zz-future".to_owned(),
                json!({"nested": [1, {"more": null}], "text": "a\n  \"checksum\": \"x\""}),
            );
            added
        }
        Value::Array(array) => array.iter_mut().map(with_keys_of_the_future).sum(),
        _ => 0,
    }
}

fn future_keys(value: &Value) -> usize {
    match value {
        Value::Object(object) => {
            let here = usize::from(object.contains_key("zz-future"));
            here + object
                .iter()
                .filter(|(key, _)| *key != "zz-future")
                .map(|(_, below)| future_keys(below))
                .sum::<usize>()
        }
        Value::Array(array) => array.iter().map(future_keys).sum(),
        _ => 0,
    }
}

fn findings_of_records(store: &Store) -> Vec<String> {
    let report = check(store, &CheckOptions { contents: false, ..CheckOptions::new(0) }, &Silent).unwrap();
    let of_records = report.findings.iter().filter(|finding| matches!(finding.defect.kind, DefectKind::Record(_)));
    of_records.map(ToString::to_string).collect()
}

#[test]
fn a_record_of_a_newer_minor_version_is_sound_and_keeps_every_key_when_it_is_rewritten() {
    for at_the_end in [true, false] {
        let folder = tempfile::tempdir().unwrap();
        let store = sample_store(folder.path()).store;
        let mut record = read(&store, 20);
        record.as_object_mut().unwrap().remove("checksum");
        record["sources"] = json!([{"kind": "trees", "path": "/x"}]);
        record["phases"] = json!([{"phase": "scan", "milliseconds": 1}]);
        record["packs"] = json!([{"bundle": "os-core", "from": 10, "to": 20, "files": [{"way": "teleport"}]}]);
        let added = with_keys_of_the_future(&mut record);
        assert!(added > 8, "{added}");
        write(&store, 20, &record, at_the_end);

        assert_eq!(store.record(version(20)).unwrap().version, version(20));
        assert_eq!(findings_of_records(&store), [""; 0]);
        // Publishing 10 again marks both records.
        let writer = store.writer("test").unwrap();
        writer.publish(&pointers(format(), version(10))).unwrap();
        let marked = ReleaseRecord { retracted: Some(7), ..store.record(version(20)).unwrap() };
        writer.amend(&marked).unwrap();
        let rewritten = read(&store, 20);
        assert_eq!(rewritten["retracted"], 7);
        assert_eq!(future_keys(&rewritten), added);
        assert_eq!(store.record(version(20)).unwrap(), marked);
        assert_eq!(findings_of_records(&store), [""; 0]);
    }
}

#[test]
fn a_record_that_lost_its_checksum_is_damaged_but_in_the_first_layout() {
    let folder = tempfile::tempdir().unwrap();
    let store = sample_store(folder.path()).store;
    let mut record = read(&store, 20);
    record.as_object_mut().unwrap().remove("checksum");
    fs::write(store.layout().record(version(20)), serde_json::to_vec_pretty(&record).unwrap()).unwrap();
    let error = store.record(version(20)).unwrap_err();
    assert!(matches!(error, StoreError::RecordDamaged { .. }), "{error}");
    assert!(!findings_of_records(&store).is_empty());

    fs::write(store.layout().stamp(), "clearwell-store 1.0\n").unwrap();
    assert_eq!(store.record(version(20)).unwrap().version, version(20));
    // The first writer brings the store to the current layout, and checksums with it.
    drop(store.writer("test").unwrap());
    assert_eq!(fs::read_to_string(store.layout().stamp()).unwrap(), clearwell_store::LayoutVersion::CURRENT.stamp());
    assert!(read(&store, 20)["checksum"].is_string());
    assert_eq!(findings_of_records(&store), [""; 0]);
}
