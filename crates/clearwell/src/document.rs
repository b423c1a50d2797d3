//! JSON documents on stdout and stderr: results, errors, progress events.
//!
//! ```text
//! { "schema-version": 1, …the keys of the result… }       schema.rs has the schema of each
//! { "schema-version": 1, "error": "…", "exit": 3 }
//! {"schema-version":1,"event":"started", … }              one line for each event of --progress json
//! ```
//!
//! Always true: keys are kebab-case at every level, except in maps whose keys are data, such as names of bundles.

use clearwell_format::printable::printable_json;
use schemars::JsonSchema;
use serde::{Serialize, Serializer};

use crate::error::CliError;
use crate::exit::Exit;

/// Rises when a key is renamed or removed, or its type, unit or meaning changes. New keys do not raise it.
pub(crate) const SCHEMA_VERSION: u32 = 1;

// Without a doc comment: the description of a document is that of its content.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Document<C> {
    /// Version of the documents. It rises when a key is renamed or removed, or when its type, unit or meaning changes.
    #[schemars(extend("const" = SCHEMA_VERSION))]
    schema_version: u32,
    #[serde(flatten)]
    content: C,
}

/// Why a command failed.
#[derive(Serialize, JsonSchema)]
pub(crate) struct Failure<'e> {
    /// The error, as on stderr.
    pub(crate) error: &'e str,
    /// The exit code.
    #[serde(serialize_with = "code")]
    pub(crate) exit: Exit,
}

fn code<S: Serializer>(exit: &Exit, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u8(*exit as u8)
}

/// `content`, a JSON object, over several lines.
///
/// # Errors
/// [`Exit::Disk`] if it cannot be serialized.
pub(crate) fn indented(content: &impl Serialize) -> Result<String, CliError> {
    let document = Document { schema_version: SCHEMA_VERSION, content };
    let text = serde_json::to_string_pretty(&document).map_err(|error| CliError::output(error.into()))?;
    Ok(printable_json(&text).into_owned())
}

/// `content`, a JSON object, in one line; `None` if it cannot be serialized.
pub(crate) fn line(content: &impl Serialize) -> Option<String> {
    let text = serde_json::to_string(&Document { schema_version: SCHEMA_VERSION, content }).ok()?;
    Some(printable_json(&text).into_owned())
}
