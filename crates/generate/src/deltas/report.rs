//! The report of an update pack: for each file, whether it is sent as a delta or whole, and why.
//!
//! ```text
//! meta/releases/30.json    "packs": [ { "bundle": "editor", "from": 10, "to": 30, "bytes": 5120, "files": [ … ] } ]
//! ```
//!
//! Each variant has two forms: [`Display`](fmt::Display) for people, and `code()` for machines, which is also what a
//! record on disk has. Codes never change.

use std::fmt;

use clearwell_store::{OtherKeys, ReleaseRecord};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A delta pack.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct PackReport {
    /// The bundle.
    pub bundle: String,
    /// The old version of the bundle.
    pub from: u32,
    /// The new version of the bundle, whose folder contains the pack.
    pub to: u32,
    /// Size of the pack in bytes.
    pub bytes: u64,
    /// Size of the bundle's zero pack in bytes, which no delta pack exceeds.
    // `install-bytes` in records of older programs.
    #[serde(default, alias = "install-bytes", skip_serializing_if = "Option::is_none")]
    pub zero_pack_bytes: Option<u64>,
    /// True if the pack is a copy of the zero pack, because nothing smaller was found; otherwise absent.
    // `is-install-pack` in records of older programs.
    #[serde(default, alias = "is-install-pack", skip_serializing_if = "std::ops::Not::not")]
    pub is_zero_pack: bool,
    /// Number of files that it contains as deltas.
    pub deltas: u64,
    /// Number of objects that it contains whole, directories and links included.
    pub whole: u64,
    /// Number of objects of the bundle that endpoints have already.
    pub not_needed: u64,
    /// Regular files of the pack, in the order of the manifest. Directories and links are always sent whole.
    pub files: Vec<FileReport>,
}

/// One file of a pack.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct FileReport {
    /// The path; the first if several have the content.
    pub path: String,
    /// The swupd hash of the file.
    pub hash: String,
    /// Its approximate size in the pack, in bytes.
    pub bytes: u64,
    /// As a delta or whole.
    #[serde(flatten)]
    pub delivery: Delivery,
}

/// How a pack delivers a file; `way` in JSON.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "way", rename_all = "kebab-case", rename_all_fields = "kebab-case")]
pub enum Delivery {
    /// As a binary delta from a file that endpoints have.
    Delta {
        /// Path of the base.
        base: String,
        /// The bundle that lists the base.
        base_bundle: String,
        /// The swupd hash of the base.
        base_hash: String,
        /// How the base was found.
        found: BaseMatch,
        /// Approximate size of the whole file in a pack, in bytes.
        whole_bytes: u64,
    },
    /// As a whole file.
    Whole {
        /// Why it is not a delta.
        why: WholeReason,
    },
}

/// How the base of a delta was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum BaseMatch {
    /// The same content, at this or another path.
    SameContent,
    /// The earlier file at the same path.
    SamePath,
    /// A file whose path differs only in numbers.
    Renamed,
    /// A file of similar content at any path.
    Similar,
}

impl BaseMatch {
    /// All of them, the strongest first.
    pub const ALL: [Self; 4] = [Self::SameContent, Self::SamePath, Self::Renamed, Self::Similar];

    /// The value of `found` in JSON.
    pub const fn code(self) -> &'static str {
        match self {
            Self::SameContent => "same-content",
            Self::SamePath => "same-path",
            Self::Renamed => "renamed",
            Self::Similar => "similar",
        }
    }
}

impl fmt::Display for BaseMatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::SameContent => "same content",
            Self::SamePath => "same path",
            Self::Renamed => "renamed",
            Self::Similar => "similar content",
        })
    }
}

/// Why a file is sent whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum WholeReason {
    /// Clients apply no delta to a file of less than 200 bytes (delta §3).
    Small,
    /// Clients apply no delta to a file of more than 512 MiB (delta §4).
    Large,
    /// No similar file is certain to be on every endpoint.
    NoBase,
    /// The best delta would not be smaller.
    NotSmaller,
}

impl WholeReason {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Small, Self::Large, Self::NoBase, Self::NotSmaller];

    /// The value of `why` in JSON.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Small => "small",
            Self::Large => "large",
            Self::NoBase => "no-base",
            Self::NotSmaller => "not-smaller",
        }
    }
}

impl fmt::Display for WholeReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Small => "too small for a delta",
            Self::Large => "too large for a delta",
            Self::NoBase => "no similar file on every endpoint",
            Self::NotSmaller => "a delta would not be smaller",
        })
    }
}

/// The pack reports of a record. Reports in a form that this program does not know are left out.
pub fn packs_of(record: &ReleaseRecord) -> Vec<PackReport> {
    record.packs.iter().filter_map(|pack| serde_json::from_value(Value::Object(pack.clone())).ok()).collect()
}

/// Adds reports to a record; a report of the same pack is replaced.
pub(crate) fn add_packs(record: &mut ReleaseRecord, reports: &[PackReport]) {
    let new = reports.iter().map(|report| match serde_json::to_value(report) {
        Ok(Value::Object(report)) => report,
        _ => unreachable!("a report is an object of plain values"),
    });
    let new: Vec<OtherKeys> = new.collect();
    record.packs.retain(|old| new.iter().all(|new| name(new) != name(old)));
    record.packs.extend(new);
    record.packs.sort_by_key(name);
}

/// Bundle, from and to. Keys that the report of a newer program lacks are empty or 0.
fn name(pack: &OtherKeys) -> (String, u64, u64) {
    let number = |key| pack.get(key).and_then(Value::as_u64).unwrap_or_default();
    let bundle = pack.get("bundle").and_then(Value::as_str).unwrap_or_default();
    (bundle.to_owned(), number("from"), number("to"))
}

#[cfg(test)]
mod tests {
    use clearwell_format::{FormatNumber, Version};

    use super::*;

    #[test]
    fn a_record_keeps_reports_and_replaces_them_by_name() {
        let file = |delivery| FileReport { path: "/usr/bin/x".into(), hash: "00".into(), bytes: 7, delivery };
        let delta = Delivery::Delta {
            base: "/usr/bin/y".into(),
            base_bundle: "os-core".into(),
            base_hash: "11".into(),
            found: BaseMatch::Similar,
            whole_bytes: 70,
        };
        let report = |from, bytes| PackReport {
            bundle: "editor".into(),
            from,
            to: 30,
            bytes,
            zero_pack_bytes: Some(100),
            is_zero_pack: false,
            deltas: 1,
            whole: 1,
            not_needed: 3,
            files: vec![file(delta.clone()), file(Delivery::Whole { why: WholeReason::NoBase })],
        };
        let mut record = ReleaseRecord::new(Version::new(30).unwrap(), FormatNumber::new(30).unwrap(), 0);
        add_packs(&mut record, &[report(20, 1)]);
        add_packs(&mut record, &[report(10, 2), report(20, 3)]);
        let record = serde_json::from_str(&serde_json::to_string(&record).unwrap()).unwrap();
        assert_eq!(packs_of(&record), [report(10, 2), report(20, 3)]);
        assert_eq!(record.packs[0]["files"][0]["base-bundle"], "os-core");
        assert_eq!(record.packs[0]["files"][1]["why"], "no-base");
    }

    #[test]
    fn codes_are_what_records_have_and_people_read_words() {
        for found in BaseMatch::ALL {
            assert_eq!(serde_json::to_value(found).unwrap(), found.code());
        }
        for why in WholeReason::ALL {
            assert_eq!(serde_json::to_value(why).unwrap(), why.code());
        }
        let texts = BaseMatch::ALL.map(|found| found.to_string()).into_iter();
        for text in texts.chain(WholeReason::ALL.map(|why| why.to_string())) {
            assert!(text.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b' '), "{text}");
        }
    }

    #[test]
    fn reports_of_older_programs_are_read() {
        let old = r#"{"bundle": "editor", "from": 10, "to": 30, "bytes": 9, "install-bytes": 9, "is-install-pack": true,
            "deltas": 0, "whole": 1, "not-needed": 0,
            "files": [{"path": "/x", "hash": "00", "bytes": 9, "way": "whole", "why": "not-smaller"}]}"#;
        let report: PackReport = serde_json::from_str(old).unwrap();
        assert_eq!((report.zero_pack_bytes, report.is_zero_pack), (Some(9), true));
        assert_eq!(report.files[0].delivery, Delivery::Whole { why: WholeReason::NotSmaller });
    }
}
