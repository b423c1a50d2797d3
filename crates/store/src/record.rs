//! The release record: what a release is, for people and for programs; written last, so its presence is the release.
//!
//! ```text
//! meta/releases/30.json     one JSON object; keys are the fields of ReleaseRecord in kebab-case, and "checksum": the
//!                           SHA-256 of the same without that key
//! ```
//!
//! Reading takes unknown keys and writing keeps them: a newer program may have added some.

use std::collections::BTreeMap;

use clearwell_format::resource::{Artifact, ResourceKind};
use clearwell_format::{BundleName, FormatNumber, Version};
use serde::{Deserialize, Serialize};

use crate::{ArtifactMeta, Digest};

pub(crate) mod json;

/// The key with the checksum of a record.
const CHECKSUM: &str = "checksum";

/// What is known of a release beside its artifacts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct ReleaseRecord {
    /// The release.
    #[serde(with = "json::version")]
    pub version: Version,
    /// Its format.
    #[serde(with = "json::format")]
    pub format: FormatNumber,
    /// The release it was made on top of.
    #[serde(with = "json::maybe_version", default)]
    pub previous: Option<Version>,
    /// `timestamp:` of its manifests, seconds since the epoch.
    pub timestamp: i64,
    /// `minversion:` of its MoM.
    #[serde(with = "json::maybe_version", default)]
    pub min_version: Option<Version>,
    /// What the MoM lists, in its order.
    #[serde(default)]
    pub bundles: Vec<BundleRecord>,
    /// Number and bytes of artifacts by kind, with the kinds of [`ResourceKind::as_str`] as keys. Filled in by the store.
    #[serde(default)]
    pub artifacts: BTreeMap<String, Counts>,
    /// Distinct paths that the release installs.
    #[serde(default)]
    pub files: u64,
    /// What it was made of.
    #[serde(default)]
    pub sources: Vec<SourceRecord>,
    /// Options of the build, as they would be typed.
    #[serde(default)]
    pub options: BTreeMap<String, String>,
    /// Rules of the guard that the maintainer overruled.
    #[serde(default)]
    pub allowed_rules: Vec<String>,
    /// The program that made it, with its version.
    #[serde(default)]
    pub generator: String,
    /// How long each phase took, in order.
    #[serde(default)]
    pub phases: Vec<PhaseTime>,
    /// Warnings and remarks.
    #[serde(default)]
    pub notes: Vec<String>,
    /// When pointers first named the release, in seconds since the epoch: from then on endpoints may have it. `None` for
    /// one that is staged. Written by the store; [`Store::state`](crate::Store::state) also reads records of layouts
    /// before 1.2, which do not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub published: Option<i64>,
    /// When `version/formatstaging/latest` first named the release, in seconds since the epoch: endpoints that follow that
    /// channel may have it. Written by the store.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub channel: Option<i64>,
    /// When the release was retracted, in seconds since the epoch. Its content stays until it is collected.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retracted: Option<i64>,
    /// Keys of newer programs.
    #[serde(flatten)]
    pub other: serde_json::Map<String, serde_json::Value>,
}

impl ReleaseRecord {
    /// A record with everything optional empty.
    pub fn new(version: Version, format: FormatNumber, timestamp: i64) -> Self {
        Self {
            version,
            format,
            previous: None,
            timestamp,
            min_version: None,
            bundles: Vec::new(),
            artifacts: BTreeMap::new(),
            files: 0,
            sources: Vec::new(),
            options: BTreeMap::new(),
            allowed_rules: Vec::new(),
            generator: String::new(),
            phases: Vec::new(),
            notes: Vec::new(),
            published: None,
            channel: None,
            retracted: None,
            other: serde_json::Map::new(),
        }
    }

    /// The record as it is written: with the SHA-256 of itself, as it is without.
    pub(crate) fn to_json(&self) -> Vec<u8> {
        let json = |record: &Self| serde_json::to_vec_pretty(record).expect("keys are text and values plain");
        let mut summed = self.clone();
        summed.other.insert(CHECKSUM.to_owned(), Digest::of(&json(self)).to_string().into());
        let mut json = json(&summed);
        json.push(b'\n');
        json
    }

    /// Reads a record. One without a checksum is as older programs wrote it.
    ///
    /// # Errors
    /// If it is no record, or not the one that was written.
    pub(crate) fn from_json(json: &[u8]) -> Result<Self, serde_json::Error> {
        let mut record: Self = serde_json::from_slice(json)?;
        if let Some(sum) = record.other.remove(CHECKSUM) {
            let found = serde_json::to_vec_pretty(&record).map(|json| Digest::of(&json).to_string())?;
            if sum.as_str() != Some(&found) {
                return Err(serde::de::Error::custom("its checksum is wrong"));
            }
        }
        Ok(record)
    }

    /// Number and bytes of the artifacts of one kind.
    pub fn counts(&self, kind: ResourceKind) -> Counts {
        self.artifacts.get(kind.as_str()).copied().unwrap_or_default()
    }

    /// Number and bytes of all artifacts.
    pub fn total(&self) -> Counts {
        self.artifacts.values().fold(Counts::default(), |sum, counts| Counts {
            number: sum.number + counts.number,
            bytes: sum.bytes.saturating_add(counts.bytes),
        })
    }

    pub(crate) fn count(&mut self, artifacts: &BTreeMap<Artifact, ArtifactMeta>) {
        self.artifacts.clear();
        for (artifact, meta) in artifacts {
            let counts = self.artifacts.entry(artifact.kind().as_str().to_owned()).or_default();
            counts.number += 1;
            counts.bytes += meta.size;
        }
    }
}

/// One bundle of a release.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct BundleRecord {
    /// The bundle.
    #[serde(with = "json::text")]
    pub name: BundleName,
    /// The release in which it last changed.
    #[serde(with = "json::version")]
    pub version: Version,
    /// True if that is this release.
    pub changed: bool,
    /// True if the MoM marks it so.
    #[serde(default)]
    pub experimental: bool,
}

/// A number of artifacts and their bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// How many.
    pub number: u64,
    /// Bytes together, as stored.
    pub bytes: u64,
}

/// Something a release was made of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceRecord {
    /// `mix`, `trees`, `adopted`.
    pub kind: String,
    /// Where it was.
    pub path: String,
}

/// How long a phase took.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PhaseTime {
    /// The phase.
    pub phase: String,
    /// Wall-clock time.
    pub milliseconds: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_comes_back_with_keys_of_the_future() {
        let mut record = ReleaseRecord::new(Version::new(30).unwrap(), FormatNumber::new(30).unwrap(), 1_700_000_000);
        record.previous = Version::new(20);
        record.bundles.push(BundleRecord {
            name: BundleName::os_core(),
            version: Version::new(30).unwrap(),
            changed: true,
            experimental: false,
        });
        let mut json = serde_json::to_value(&record).unwrap();
        assert_eq!(json["version"], 30);
        assert_eq!(json["min-version"], serde_json::Value::Null);
        assert_eq!(json["bundles"][0]["name"], "os-core");
        json["fixes"] = serde_json::json!(["CVE-2026-1"]);
        let read: ReleaseRecord = serde_json::from_value(json.clone()).unwrap();
        assert_eq!(read.bundles, record.bundles);
        assert_eq!(serde_json::to_value(&read).unwrap(), json);
    }

    #[test]
    fn a_record_that_was_changed_is_told_from_one_that_was_not() {
        let record = ReleaseRecord::new(Version::new(30).unwrap(), FormatNumber::new(30).unwrap(), 1_700_000_000);
        let json = record.to_json();
        assert_eq!(ReleaseRecord::from_json(&json).unwrap(), record);
        for position in 0..json.len() {
            let mut damaged = json.clone();
            damaged[position] ^= 1;
            let read = ReleaseRecord::from_json(&damaged);
            assert!(read.is_err() || damaged.len() - position < 100, "byte {position} of {}", json.len());
        }
    }

    #[test]
    fn the_smallest_record_and_wrong_ones() {
        let smallest = r#"{"version": 10, "format": 30, "timestamp": 0}"#;
        assert_eq!(serde_json::from_str::<ReleaseRecord>(smallest).unwrap().previous, None);
        for bad in [
            "",
            "[]",
            r#"{"version": 0, "format": 30, "timestamp": 0}"#,
            r#"{"version": 10, "format": 0, "timestamp": 0}"#,
            r#"{"version": 10, "format": 30}"#,
            r#"{"version": 10, "format": 30, "timestamp": 0, "previous": 0}"#,
        ] {
            assert!(serde_json::from_str::<ReleaseRecord>(bad).is_err(), "{bad}");
        }
    }
}
