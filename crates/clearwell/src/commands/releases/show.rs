//! `clearwell releases show`: the record of one release, and its packs.

use std::collections::BTreeMap;

use clearwell_format::Version;
use clearwell_format::resource::{Artifact, ResourceKind};
use clearwell_generate::deltas::report::{PackReport, packs_of};
use clearwell_store::{ReleaseRecord, Store};
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Serialize, Serializer};
use serde_json::{Map, Value};

use super::DATE;
use super::packs::pack_text;
use crate::error::CliError;
use crate::page::Page;
use crate::ui::{Ui, bytes_text, date};

/// A release: its record and its artifacts.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Shown<'r> {
    /// The release record. Keys of records of newer programs are shown as they are.
    #[serde(serialize_with = "with_current_keys")]
    #[schemars(schema_with = "current_keys")]
    record: &'r ReleaseRecord,
    /// Size of each artifact in bytes, by its path below the folder of the version.
    index: BTreeMap<String, u64>,
}

/// The schema of [`with_current_keys`].
fn current_keys(generator: &mut SchemaGenerator) -> Schema {
    let packs = generator.subschema_for::<PackReport>();
    let mut schema = ReleaseRecord::json_schema(generator);
    if let Some(items) = schema.pointer_mut("/properties/packs/items") {
        *items = packs.into();
    }
    schema
}

pub(super) fn show(store: &Store, version: Version, with_packs: bool, ui: &Ui) -> Result<(), CliError> {
    let record = store.record(version)?;
    let index = store.index(version)?.iter().collect::<Result<Vec<_>, _>>()?;
    let mut text = record_text(&record);
    let packs: Vec<_> = index
        .iter()
        .filter(|(artifact, _)| matches!(artifact, Artifact::Pack { .. }))
        .map(|(artifact, meta)| (artifact.to_string(), meta.size))
        .collect();
    if !packs.is_empty() {
        text.gap();
        let _ = writeln!(text, "packs");
        for (name, size) in packs {
            let _ = writeln!(text, "  {name:48} {:>10}", bytes_text(size));
        }
    }
    if with_packs {
        for pack in packs_of(&record) {
            text.gap();
            text.append(&pack_text(&pack));
        }
    }
    let index = index.iter().map(|(artifact, meta)| (artifact.to_string(), meta.size)).collect();
    ui.result(&Shown { record: &record, index }, &text)
}

fn record_text(record: &ReleaseRecord) -> Page {
    let mut text = Page::of(format_args!("release {}, format {}", record.version, record.format));
    if let Some(previous) = record.previous {
        let _ = writeln!(text, "  previous     {previous}");
    }
    if let Some(min_version) = record.min_version {
        let _ = writeln!(text, "  minversion   {min_version}");
    }
    let _ = writeln!(text, "  timestamp    {} ({} UTC)", record.timestamp, date(record.timestamp, DATE));
    let _ = writeln!(text, "  files        {}", record.files);
    let _ = writeln!(text, "  generator    {}", record.generator);
    if let Some(time) = record.retracted {
        let _ = writeln!(text, "  retracted    {} UTC", date(time, DATE));
    }
    for source in &record.sources {
        let _ = writeln!(text, "  source       {} {}", source.kind, source.path);
    }
    for (option, value) in &record.options {
        let _ = writeln!(text, "  option       --{option} {value}");
    }
    for rule in &record.allowed_rules {
        let _ = writeln!(text, "  allowed      {rule}");
    }
    for note in &record.notes {
        let _ = writeln!(text, "  note         {note}");
    }
    text.gap();
    let _ = writeln!(text, "artifacts");
    for (kind, counts) in &record.artifacts {
        let _ = writeln!(text, "  {:16} {:>8}  {:>10}", kind_name(kind), counts.number, bytes_text(counts.bytes));
    }
    text.gap();
    let _ = writeln!(text, "bundles");
    for bundle in &record.bundles {
        let mark = if bundle.changed { "changed" } else { "" };
        let mark = if bundle.experimental { "experimental" } else { mark };
        let _ = writeln!(text, "  {:32} {:>10}  {mark}", bundle.name, bundle.version);
    }
    text
}

/// Kinds of artifacts are snake_case in records, and kebab-case in results. Reports of packs have the keys of this program,
/// whichever program wrote them.
fn with_current_keys<S: Serializer>(record: &ReleaseRecord, serializer: S) -> Result<S::Ok, S::Error> {
    let packs = serde_json::to_value(packs_of(record)).map_err(serde::ser::Error::custom)?;
    let mut record = serde_json::to_value(record).map_err(serde::ser::Error::custom)?;
    if let Some(Value::Object(artifacts)) = record.get_mut("artifacts") {
        let named: Map<String, Value> =
            std::mem::take(artifacts).into_iter().map(|(kind, counts)| (kind_name(&kind).to_owned(), counts)).collect();
        *artifacts = named;
    }
    if let Some(stored) = record.get_mut("packs") {
        *stored = packs;
    }
    record.serialize(serializer)
}

/// A kind of a newer program has the name that the record gives it.
fn kind_name(kind: &str) -> &str {
    ResourceKind::ALL.iter().find(|known| known.record_key() == kind).map_or(kind, |known| known.name())
}
