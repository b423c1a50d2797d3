//! The JSON documents that commands print, and their schemas (JSON Schema, draft 2020-12).
//!
//! A schema is derived from the type that is serialized: its doc comments are the descriptions, its enums the lists of
//! values. Keys that a schema does not have are allowed, because later programs may add some.
//!
//! To add a document: `#[derive(Serialize, JsonSchema)]` with a doc comment on the type and each field, and a row in
//! [`DOCUMENTS`]. docs/reference/json.md follows.

use clearwell_endpoint::VerifyReport;
use clearwell_generate::build::BuildOutcome;
use clearwell_generate::deltas::Added;
use clearwell_generate::progress::Event;
use clearwell_generate::publish::Published;
use clearwell_generate::retract::Retracted;
use clearwell_generate::rotation::Rotation;
use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, Schema};

use crate::commands::{
    adopt, backup, check, delta, demo, discard, gc, health, init, man, releases, renew, restore, schema, serve,
};
use crate::document::{Document, Failure};

/// A kind of document.
pub(crate) struct DocumentKind {
    /// As in `clearwell schema NAME`.
    pub(crate) name: &'static str,
    /// The command that prints it, as typed.
    pub(crate) command: &'static str,
    schema: fn() -> Schema,
}

impl DocumentKind {
    const fn of<T: JsonSchema>(name: &'static str, command: &'static str) -> Self {
        Self { name, command, schema: generate::<Document<T>> }
    }

    pub(crate) fn find(name: &str) -> Option<&'static Self> {
        DOCUMENTS.iter().find(|document| document.name == name)
    }

    /// Its schema.
    pub(crate) fn schema(&self) -> Schema {
        let mut schema = (self.schema)();
        schema.insert("title".to_owned(), format!("clearwell {}", self.name).into());
        schema
    }

    /// What it is, in one line.
    pub(crate) fn description(&self) -> String {
        let schema = (self.schema)();
        schema.get("description").and_then(|text| text.as_str()).unwrap_or_default().to_owned()
    }
}

fn generate<T: JsonSchema>() -> Schema {
    SchemaSettings::draft2020_12().for_serialize().into_generator().into_root_schema_for::<T>()
}

/// Every kind of document, in the order of the commands.
pub(crate) const DOCUMENTS: &[DocumentKind] = &[
    DocumentKind::of::<demo::Shown>("demo", "demo"),
    DocumentKind::of::<init::Made>("init", "init"),
    DocumentKind::of::<BuildOutcome>("build", "build"),
    DocumentKind::of::<Added>("deltas", "deltas"),
    DocumentKind::of::<Published>("publish", "publish"),
    DocumentKind::of::<discard::Shown>("discard", "discard"),
    DocumentKind::of::<adopt::Shown>("adopt", "adopt"),
    DocumentKind::of::<serve::Addresses>("serve", "serve"),
    DocumentKind::of::<serve::Checked>("serve-check-config", "serve --check-config"),
    DocumentKind::of::<VerifyReport>("verify", "verify"),
    DocumentKind::of::<check::Shown>("check", "check"),
    DocumentKind::of::<gc::Shown>("gc", "gc"),
    DocumentKind::of::<backup::Shown>("backup", "backup"),
    DocumentKind::of::<restore::Shown>("restore", "restore"),
    DocumentKind::of::<Retracted>("retract", "retract"),
    DocumentKind::of::<Rotation>("rotation", "rotation"),
    DocumentKind::of::<renew::Renewed>("renew", "renew"),
    DocumentKind::of::<releases::List>("releases", "releases"),
    DocumentKind::of::<releases::show::Shown<'_>>("releases-show", "releases show"),
    DocumentKind::of::<releases::explain::Explanation>("releases-explain", "releases explain"),
    DocumentKind::of::<releases::diff::Difference>("releases-diff", "releases diff"),
    DocumentKind::of::<delta::Sizes>("delta-diff", "delta diff"),
    DocumentKind::of::<delta::Sizes>("delta-patch", "delta patch"),
    DocumentKind::of::<delta::Shown>("delta-show", "delta show"),
    DocumentKind::of::<health::Outcome>("health", "health"),
    DocumentKind::of::<schema::Listed>("schema", "schema"),
    DocumentKind::of::<man::Written>("man", "man"),
    DocumentKind::of::<Failure<'_>>("error", "any command that fails, with --json"),
    DocumentKind::of::<Event>("event", "any command, with --progress json"),
];

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;
    use crate::cli::Cli;

    /// Commands that print no JSON.
    const TEXTS: [&str; 1] = ["completions"];

    #[test]
    fn every_command_has_a_document() {
        let mut commands: Vec<(String, clap::Command)> = vec![(String::new(), Cli::command())];
        let mut count = 0;
        while let Some((name, command)) = commands.pop() {
            commands.extend(command.get_subcommands().map(|inner| {
                let name = format!("{name} {}", inner.get_name());
                (name.trim_start().to_owned(), inner.clone())
            }));
            let prints = !command.is_subcommand_required_set() && !TEXTS.contains(&name.as_str());
            let is_known = DOCUMENTS.iter().any(|document| document.command == name);
            assert!(is_known || !prints, "`clearwell {name}` has no row in DOCUMENTS");
            count += usize::from(prints);
        }
        assert!(count > 20, "{count}");
    }
}
