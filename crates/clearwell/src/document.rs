//! JSON documents on stdout and stderr: results, errors, progress events.
//!
//! ```text
//! { "schema-version": 1, …the keys of the result… }       docs/command-line.md lists the keys of each command
//! { "schema-version": 1, "error": "…", "exit": 3 }
//! {"schema-version":1,"event":"started", … }              one line for each event of --progress json
//! ```
//!
//! Always true: keys are kebab-case at every level, except in maps whose keys are data, such as names of bundles.

use clearwell_format::printable::printable_json;
use serde::Serialize;

use crate::error::CliError;

/// Rises when a key is renamed or removed, or its type, unit or meaning changes. New keys do not raise it.
pub(crate) const SCHEMA_VERSION: u32 = 1;

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct Document<'c, C> {
    schema_version: u32,
    #[serde(flatten)]
    content: &'c C,
}

/// Why a command failed.
#[derive(Serialize)]
pub(crate) struct Failure<'e> {
    pub(crate) error: &'e str,
    /// The exit code.
    pub(crate) exit: u8,
}

/// `content`, a JSON object, over several lines.
///
/// # Errors
/// [`Exit::Disk`](crate::exit::Exit::Disk) if it cannot be serialized.
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
