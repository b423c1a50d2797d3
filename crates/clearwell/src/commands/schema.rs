//! `clearwell schema`.

use std::fs;
use std::path::{Path, PathBuf};

use clap::builder::PossibleValuesParser;
use schemars::{JsonSchema, Schema};
use serde::Serialize;

use crate::error::CliError;
use crate::exit::Exit;
use crate::page::Page;
use crate::schema::{DOCUMENTS, DocumentKind};
use crate::ui::{Ui, print};

/// Print the JSON Schema of a document.
///
/// Documents are what commands print with --json and --progress json. Without a name, lists them. Schemas are of draft
/// 2020-12. They allow keys that they do not list, because later versions of clearwell may add some.
#[derive(Debug, clap::Args)]
pub(crate) struct SchemaCommand {
    /// The document.
    #[arg(value_parser = PossibleValuesParser::new(DOCUMENTS.iter().map(|document| document.name)), hide_possible_values = true)]
    name: Option<String>,
    /// Write every schema to this folder, as NAME.schema.json.
    #[arg(long, value_name = "DIR", conflicts_with = "name")]
    all: Option<PathBuf>,
}

/// The JSON documents of commands.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Listed {
    /// The documents.
    documents: Vec<Line>,
    /// The folder that the schemas were written to; null without `--all`.
    dir: Option<PathBuf>,
}

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[schemars(rename = "Document")]
struct Line {
    /// The name of the document.
    name: &'static str,
    /// The command that prints it.
    command: &'static str,
    /// What it is.
    description: String,
}

impl SchemaCommand {
    pub(crate) fn run(self, ui: &Ui) -> Result<Exit, CliError> {
        if let Some(document) = self.name.as_deref().and_then(DocumentKind::find) {
            print(text(&document.schema())?.as_bytes())?;
            return Ok(Exit::Done);
        }
        if let Some(dir) = &self.all {
            write_all(dir)?;
        }
        let line = |document: &DocumentKind| Line {
            name: document.name,
            command: document.command,
            description: document.description(),
        };
        let listed = Listed { documents: DOCUMENTS.iter().map(line).collect(), dir: self.all };
        ui.result(&listed, &listed.page())?;
        Ok(Exit::Done)
    }
}

impl Listed {
    fn page(&self) -> Page {
        if let Some(dir) = &self.dir {
            return Page::of(format_args!("wrote {} schemas to {}", self.documents.len(), dir.display()));
        }
        let mut page = Page::default();
        for document in &self.documents {
            let _ = writeln!(page, "{:20} {}", document.name, document.command);
        }
        page
    }
}

fn write_all(dir: &Path) -> Result<(), CliError> {
    let failed = |path: &Path, error| CliError::disk(format!("failed to write {}", path.display()), error);
    fs::create_dir_all(dir).map_err(|error| failed(dir, error))?;
    for document in DOCUMENTS {
        let path = dir.join(format!("{}.schema.json", document.name));
        fs::write(&path, text(&document.schema())?).map_err(|error| failed(&path, error))?;
    }
    Ok(())
}

fn text(schema: &Schema) -> Result<String, CliError> {
    let text = serde_json::to_string_pretty(schema).map_err(|error| CliError::output(error.into()))?;
    Ok(text + "\n")
}
