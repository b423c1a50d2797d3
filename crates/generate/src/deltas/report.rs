//! How each file of a pack travels, and why.
//!
//! ```text
//! meta/releases/30.json    "packs": [ { "bundle": "editor", "from": 10, "to": 30, "bytes": 5120, "files": [ … ] } ]
//! ```

use clearwell_store::{OtherKeys, ReleaseRecord};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A pack for updates, file by file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct PackReport {
    /// The bundle.
    pub bundle: String,
    /// Its old version.
    pub from: u32,
    /// Its new version, whose folder the pack lies in.
    pub to: u32,
    /// Size of the pack.
    pub bytes: u64,
    /// Size of the pack for new installations, which no pack for updates exceeds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub install_bytes: Option<u64>,
    /// The pack is a copy of the one for new installations: nothing smaller was found.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_install_pack: bool,
    /// How many files travel as deltas.
    pub deltas: u64,
    /// How many objects travel whole, directories and links included.
    pub whole: u64,
    /// How many objects of the bundle endpoints have already.
    pub not_needed: u64,
    /// Regular files of the pack, in the order of the manifest. Directories and links always travel whole.
    pub files: Vec<FileReport>,
}

/// One file of a pack.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct FileReport {
    /// The path; the first, if several have the content.
    pub path: String,
    /// Its hash.
    pub hash: String,
    /// About how many bytes of the pack it takes.
    pub bytes: u64,
    /// How it travels.
    #[serde(flatten)]
    pub way: Way,
}

/// How a file travels.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "way", rename_all = "kebab-case", rename_all_fields = "kebab-case")]
pub enum Way {
    /// As the difference to a file that endpoints have.
    Delta {
        /// Path of that file.
        base: String,
        /// Its bundle.
        base_bundle: String,
        /// Its hash.
        base_hash: String,
        /// How the base was found.
        found: Found,
        /// About how many bytes the whole file would take.
        whole_bytes: u64,
    },
    /// As it is.
    Whole {
        /// Why.
        why: WhyWhole,
    },
}

/// How the base of a delta was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Found {
    /// The same file, at this or another path.
    SameContent,
    /// The file was at the same path.
    SamePath,
    /// It was at a path that differs by numbers.
    Renamed,
    /// It resembles the new one.
    Similar,
}

/// Why a file travels whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum WhyWhole {
    /// Clients apply no delta to so small a file.
    Small,
    /// Clients apply no delta to so large a file.
    Large,
    /// Endpoints have nothing like it for certain.
    NoBase,
    /// The best delta would take as much room.
    NotSmaller,
}

/// The packs that a record tells of; those of other programs' making are left out.
pub fn packs_of(record: &ReleaseRecord) -> Vec<PackReport> {
    record.packs.iter().filter_map(|pack| serde_json::from_value(Value::Object(pack.clone())).ok()).collect()
}

/// Adds packs to what a record tells; a pack that it has already told of is told anew.
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

/// Bundle, from and to. Of a pack that a newer program tells of, what is known of them.
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
        let file = |way| FileReport { path: "/usr/bin/x".into(), hash: "00".into(), bytes: 7, way };
        let delta = Way::Delta {
            base: "/usr/bin/y".into(),
            base_bundle: "os-core".into(),
            base_hash: "11".into(),
            found: Found::Similar,
            whole_bytes: 70,
        };
        let report = |from, bytes| PackReport {
            bundle: "editor".into(),
            from,
            to: 30,
            bytes,
            install_bytes: Some(100),
            is_install_pack: false,
            deltas: 1,
            whole: 1,
            not_needed: 3,
            files: vec![file(delta.clone()), file(Way::Whole { why: WhyWhole::NoBase })],
        };
        let mut record = ReleaseRecord::new(Version::new(30).unwrap(), FormatNumber::new(30).unwrap(), 0);
        add_packs(&mut record, &[report(20, 1)]);
        add_packs(&mut record, &[report(10, 2), report(20, 3)]);
        let record = serde_json::from_str(&serde_json::to_string(&record).unwrap()).unwrap();
        assert_eq!(packs_of(&record), [report(10, 2), report(20, 3)]);
        assert_eq!(record.packs[0]["files"][0]["base-bundle"], "os-core");
        assert_eq!(record.packs[0]["files"][1]["why"], "no-base");
    }
}
