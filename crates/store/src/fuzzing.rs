//! Properties of the readers of `meta/` for every input. The fuzz targets (`tests/fuzz`) call these functions with any
//! bytes, the tests below with damaged files. Each panics if its property is violated.

use std::path::Path;

use clearwell_format::Version;

use crate::Digest;
use crate::index::{self, Index};
use crate::layout::LayoutVersion;
use crate::record::{Checksum, ReleaseRecord};

/// An index with `body` and the checksum of that: what is opened finds every artifact that it lists, and comes back
/// byte for byte. `file` is written.
pub fn index(body: &[u8], file: &Path) {
    let release = Version::new(20).expect("a version");
    let bytes = [body, Digest::of(body).as_bytes()].concat();
    std::fs::write(file, &bytes).expect("a file for the index");
    let Ok(index) = Index::open(file, release) else { return };
    let artifacts = index.to_map().expect("it was checked");
    assert_eq!(artifacts.len() as u64, index.len());
    for (artifact, meta) in &artifacts {
        assert_eq!(index.get(artifact).expect("it was checked"), Some(*meta), "{artifact}");
    }
    assert_eq!(index::write(release, &artifacts, Vec::new()).expect("memory takes it"), bytes);
}

/// A record says the same after it was written again, with a checksum that is right.
pub fn record(json: &[u8]) {
    let Ok((record, _)) = ReleaseRecord::from_json(json) else { return };
    let (again, checksum) = ReleaseRecord::from_json(&record.to_json()).expect("a record of ours");
    assert_eq!((again, checksum), (record, Checksum::Right));
}

/// The stamp of a layout comes back.
pub fn layout(text: &str) {
    if let Some(version) = LayoutVersion::parse(text) {
        assert_eq!(LayoutVersion::parse(&version.stamp()), Some(version));
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    const RECORD: &str = r#"{"version": 20, "format": 30, "timestamp": 1700000000, "previous": 10, "fixes": [1.5, {"a": null}],
        "bundles": [{"name": "os-core", "version": 20, "changed": true, "later": 0}], "files": 18446744073709551615}"#;

    proptest! {
        #[test]
        fn damaged_indexes(cuts in vec((any::<prop::sample::Index>(), any::<u8>()), 0..4), rows: u8) {
            let mut body = [&b"CWINDEX\n\x01\0\0\0\x14\0\0\0"[..], &[rows % 4, 0, 0, 0, 0, 0, 0, 0], &[0; 16], &[7; 216]].concat();
            for (at, byte) in cuts {
                let at = at.index(body.len());
                body[at] = byte;
            }
            let folder = tempfile::tempdir().unwrap();
            index(&body, &folder.path().join("index"));
        }

        #[test]
        fn damaged_records(cuts in vec((any::<prop::sample::Index>(), any::<u8>()), 0..3)) {
            let mut json = RECORD.as_bytes().to_vec();
            for (at, byte) in cuts {
                let at = at.index(json.len());
                json[at] = byte;
            }
            record(&json);
        }

        #[test]
        fn numbers_of_later_programs(number: f64) {
            prop_assume!(number.is_finite());
            record(format!("{}, \"later\": {number:e}}}", RECORD.trim_end_matches('}')).as_bytes());
        }

        #[test]
        fn stamps(text in "(clearwell-store )?[0-9]{0,3}\\.?[0-9]{0,3}[ \n]?") {
            layout(&text);
        }
    }
}
