//! The release record: what a release is, for people and for programs; written last, so its presence is the release.
//!
//! ```text
//! meta/releases/30.json     one JSON object, indented by two spaces; keys are the fields of ReleaseRecord in kebab-case
//!   "checksum": "…"         on a separate line: the SHA-256 of the file as it would be without this key, up to the
//!                           closing brace
//! ```
//!
//! The checksum is of bytes, not of values, so a program that does not know all keys can check it. Reading takes
//! unknown keys at every level and writing keeps them: a newer program may have added some.

use std::collections::BTreeMap;

use clearwell_format::resource::{Artifact, ResourceKind};
use clearwell_format::{BundleName, FormatNumber, Mom, MomEntry, Version};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{ArtifactMeta, Digest};

pub(crate) mod json;

/// The key with the checksum of a record.
const CHECKSUM: &str = "checksum";

/// Keys of newer programs.
pub type OtherKeys = serde_json::Map<String, serde_json::Value>;

/// The record of a release: what is known of it apart from its artifacts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct ReleaseRecord {
    /// The version of the release.
    #[serde(with = "json::version")]
    #[schemars(with = "u32")]
    pub version: Version,
    /// The format of the release.
    #[serde(with = "json::format")]
    #[schemars(with = "u16")]
    pub format: FormatNumber,
    /// The release on which it was built; null for the first.
    #[serde(with = "json::maybe_version", default)]
    #[schemars(with = "Option<u32>")]
    pub previous: Option<Version>,
    /// `timestamp:` of its manifests, in seconds since the epoch.
    pub timestamp: i64,
    /// `minversion:` of its MoM; null if it has none.
    #[serde(with = "json::maybe_version", default)]
    #[schemars(with = "Option<u32>")]
    pub min_version: Option<Version>,
    /// The bundles of the MoM, in its order.
    #[serde(default)]
    pub bundles: Vec<BundleRecord>,
    /// Number and size of the artifacts, by kind of artifact.
    // By `ResourceKind::record_key`; filled in by the store.
    #[serde(default)]
    pub artifacts: BTreeMap<String, KindCounts>,
    /// Number of distinct paths that the release installs.
    #[serde(default)]
    pub files: u64,
    /// The sources of the content.
    #[serde(default)]
    pub sources: Vec<SourceRecord>,
    /// Options of the build with their values, without the dashes.
    #[serde(default)]
    pub options: BTreeMap<String, String>,
    /// Rules of the publish guard that were overruled with `--allow`.
    #[serde(default)]
    pub allowed_rules: Vec<String>,
    /// The program that made it, with its version.
    #[serde(default)]
    pub generator: String,
    /// Duration of each phase, in order.
    #[serde(default)]
    pub phases: Vec<PhaseTime>,
    /// Warnings and remarks.
    #[serde(default)]
    pub notes: Vec<String>,
    /// When pointers first named the release, in seconds since the epoch: from then on endpoints may have it. Absent
    /// while it is staged.
    // Written by the store. `Store::state` also reads records of layouts before 1.2, which do not have it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub published: Option<i64>,
    /// When `version/formatstaging/latest` first named the release, in seconds since the epoch: endpoints that follow
    /// that channel may have it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub channel: Option<i64>,
    /// When the release was retracted, in seconds since the epoch. Its content stays until `gc` removes it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retracted: Option<i64>,
    // Programs that sum up values, not bytes, know these as other keys: they have to stand here, in order of name.
    /// Digest of the inputs and options that decide the bytes of the release.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fingerprint: Option<String>,
    /// The delta packs of the release.
    // The generator knows the keys of a pack.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub packs: Vec<OtherKeys>,
    /// The compression profile: `small`, `balanced` or `fast`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub profile: Option<String>,
    /// Keys of newer programs.
    #[serde(flatten)]
    pub other: OtherKeys,
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
            fingerprint: None,
            packs: Vec::new(),
            profile: None,
            other: OtherKeys::new(),
        }
    }

    /// The record as it is written, with its checksum.
    pub(crate) fn to_json(&self) -> Vec<u8> {
        let mut json = serde_json::to_vec_pretty(self).expect("keys are text and values plain");
        let sum = Digest::of(&json);
        json.truncate(json.len() - END.len());
        json.extend(format!(",\n  \"{CHECKSUM}\": \"{sum}\"\n}}\n").into_bytes());
        json
    }

    /// Reads a record, and says whether it has a checksum, which is right then.
    ///
    /// # Errors
    /// If it is not a record, or not the one that was written.
    pub(crate) fn from_json(json: &[u8]) -> Result<(Self, Checksum), serde_json::Error> {
        let mut record: Self = serde_json::from_slice(json)?;
        if record.other.remove(CHECKSUM).is_none() {
            return Ok((record, Checksum::Absent));
        }
        match unsealed(json) {
            Some((sum, bytes)) if Digest::of(&bytes) == sum => Ok((record, Checksum::Right)),
            _ => Err(serde::de::Error::custom("its checksum is wrong")),
        }
    }

    /// With what the MoM of the release says.
    pub(crate) fn with_mom(mut self, mom: &Mom) -> Self {
        let known = std::mem::take(&mut self.bundles);
        let bundle = |entry: &MomEntry| {
            let known = known.iter().find(|known| known.name == entry.bundle);
            let other = known.map(|known| known.other.clone()).unwrap_or_default();
            BundleRecord { other, ..BundleRecord::of(entry, self.version) }
        };
        Self {
            format: mom.header.format,
            previous: mom.header.previous,
            timestamp: mom.header.timestamp,
            min_version: mom.header.min_version,
            bundles: mom.bundles().map(bundle).collect(),
            ..self
        }
    }

    /// Number and bytes of the artifacts of one kind.
    pub fn counts(&self, kind: ResourceKind) -> Counts {
        let counts = self.artifacts.get(kind.record_key());
        counts.map_or_else(Counts::default, |counts| Counts { number: counts.number, bytes: counts.bytes })
    }

    /// Number and bytes of all artifacts.
    pub fn total(&self) -> Counts {
        self.artifacts.values().fold(Counts::default(), |sum, counts| Counts {
            number: sum.number + counts.number,
            bytes: sum.bytes.saturating_add(counts.bytes),
        })
    }

    pub(crate) fn count(&mut self, artifacts: &BTreeMap<Artifact, ArtifactMeta>) {
        for counts in self.artifacts.values_mut() {
            (counts.number, counts.bytes) = (0, 0);
        }
        for (artifact, meta) in artifacts {
            let counts = self.artifacts.entry(artifact.kind().record_key().to_owned()).or_default();
            counts.number += 1;
            counts.bytes += meta.size;
        }
        self.artifacts.retain(|_, counts| counts.number > 0 || !counts.other.is_empty());
    }
}

/// Whether a record has a checksum.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Checksum {
    /// It has, and it is of these bytes.
    Right,
    /// It has none, as in the first layout.
    Absent,
}

/// The checksum in the bytes of a record, and the bytes it is of.
fn unsealed(json: &[u8]) -> Option<(Digest, Vec<u8>)> {
    let json = json.strip_suffix(b"\n")?;
    // No line break stands inside a string, and only keys of the outermost object are indented by two spaces.
    let key = format!("\n  \"{CHECKSUM}\": \"").into_bytes();
    let start = json.windows(key.len()).position(|window| *window == *key)?;
    let (before, rest) = (&json[..start], &json[start + key.len()..]);
    let (sum, after) = rest.split_at_checked(64)?;
    let sum = std::str::from_utf8(sum).ok()?.parse().ok()?;
    let bytes = match after.strip_prefix(b"\",") {
        Some(after) => [before, after].concat(),
        None => [before.strip_suffix(b",")?, after.strip_prefix(b"\"")?].concat(),
    };
    Some((sum, bytes))
}

const END: &[u8] = b"\n}";

/// One bundle of a release.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct BundleRecord {
    /// The name of the bundle.
    #[serde(with = "json::text")]
    #[schemars(with = "String")]
    pub name: BundleName,
    /// The release that last changed the bundle.
    #[serde(with = "json::version")]
    #[schemars(with = "u32")]
    pub version: Version,
    /// True if this release changed it.
    pub changed: bool,
    /// True if the MoM marks the bundle as experimental.
    #[serde(default)]
    pub experimental: bool,
    /// Keys of newer programs.
    #[serde(flatten)]
    pub other: OtherKeys,
}

impl BundleRecord {
    /// One bundle, from its entry in the MoM of `release`.
    pub fn of(entry: &MomEntry, release: Version) -> Self {
        Self {
            name: entry.bundle.clone(),
            version: entry.version,
            changed: entry.version == release,
            experimental: entry.is_experimental(),
            other: OtherKeys::new(),
        }
    }
}

/// Number and size of the artifacts of one kind, as a record has them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct KindCounts {
    /// Number of artifacts.
    pub number: u64,
    /// Their size in bytes, as stored.
    pub bytes: u64,
    /// Keys of newer programs.
    #[serde(flatten)]
    pub other: OtherKeys,
}

/// A number of artifacts and their bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// How many.
    pub number: u64,
    /// Bytes together, as stored.
    pub bytes: u64,
}

/// A source of the content of a release.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SourceRecord {
    /// `mix` for a mixer workspace, `trees` for bundle trees, `adopted` for a www tree.
    pub kind: String,
    /// Its folder.
    pub path: String,
    /// Keys of newer programs.
    #[serde(flatten)]
    pub other: OtherKeys,
}

/// Duration of a phase.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PhaseTime {
    /// The phase, as in events of progress.
    pub phase: String,
    /// Wall-clock time in milliseconds.
    pub milliseconds: u64,
    /// Keys of newer programs.
    #[serde(flatten)]
    pub other: OtherKeys,
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
            other: OtherKeys::new(),
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
        assert_eq!(ReleaseRecord::from_json(&json).unwrap(), (record, Checksum::Right));
        for position in 0..json.len() {
            let mut damaged = json.clone();
            damaged[position] ^= 1;
            // A checksum under another name is none, which only records of the first layout have.
            let is_noticed = !matches!(ReleaseRecord::from_json(&damaged), Ok((_, Checksum::Right)));
            assert!(is_noticed, "byte {position} of {}", json.len());
        }
    }

    /// As the program wrote records while it summed up values.
    #[test]
    fn the_checksum_of_values_is_that_of_bytes() {
        let values =
            serde_json::json!({"version": 30, "format": 30, "timestamp": 7, "fingerprint": "x", "packs": [{"to": 30}]});
        let record: ReleaseRecord = serde_json::from_value(values).unwrap();
        let mut value = serde_json::to_value(&record).unwrap();
        let sum = Digest::of(&serde_json::to_vec_pretty(&record).unwrap());
        value[CHECKSUM] = sum.to_string().into();
        // Typed keys, then the others by name.
        let text = String::from_utf8(serde_json::to_vec_pretty(&record).unwrap()).unwrap();
        let text = text.replacen("  \"fingerprint\"", &format!("  \"checksum\": \"{sum}\",\n  \"fingerprint\""), 1);
        assert_eq!(serde_json::from_str::<serde_json::Value>(&text).unwrap(), value);
        let read = ReleaseRecord::from_json(format!("{text}\n").as_bytes()).unwrap();
        assert_eq!(read, (record, Checksum::Right));
    }

    #[test]
    fn a_checksum_elsewhere_than_on_its_line_is_none_that_was_written() {
        let record = ReleaseRecord::new(Version::new(30).unwrap(), FormatNumber::new(30).unwrap(), 7);
        let json = String::from_utf8(record.to_json()).unwrap();
        let sum = Digest::of(b"");
        for other in [
            json.replace("  ", "    "),
            json.replace('\n', ""),
            json.trim_end().to_owned(),
            format!("{json}\n"),
            json.replacen("\"notes\"", &format!("\"checksum\": \"{sum}\",\n  \"notes\""), 1),
            json.replacen("\"checksum\": \"", "\"checksum\": \"0", 1),
        ] {
            assert!(ReleaseRecord::from_json(other.as_bytes()).is_err(), "{other}");
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
