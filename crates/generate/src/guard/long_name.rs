//! Names and paths that an endpoint can stage.
//!
//! Source: manifest §3.3 (PATH_MAX with the prefix) and manifest §6.1 quirk 25: next to the target an endpoint makes
//! names with a prefix, `.update.` for a new file and `.deleted.<time>.` for a removed directory that is not empty,
//! and these have to fit a file name. If the second does not, removing the directory while it contains local files
//! makes updates end with exit code 10 (observed): a warning.

use super::survey::Survey;
use super::{Finding, Object, Rule};

pub(super) fn check(survey: &Survey<'_>) -> Vec<Finding> {
    survey
        .listed
        .by_path()
        .filter_map(|items| {
            let path = &items[0].entry.path;
            let too_long = |limit: usize, what: &str| {
                Some(Finding::refusal(
                    Rule::LongName,
                    Object::Path(path.clone()),
                    format!("{what} longer than {limit} bytes, endpoints cannot stage it"),
                    "shorten it in the tree, or remove it from every bundle",
                ))
            };
            if path.base_name().len() > LONGEST_NAME {
                too_long(LONGEST_NAME, "its name is")
            } else if path.as_bytes().len() > LONGEST_PATH {
                too_long(LONGEST_PATH, "it is")
            } else if path.base_name().len() > LONGEST_DIRECTORY && items.iter().any(|item| item.entry.is_directory()) {
                Some(Finding::warning(
                    Rule::LongName,
                    Object::Path(path.clone()),
                    format!(
                        "the directory's name is longer than {LONGEST_DIRECTORY} bytes; if a later release removes it, \
                         the update of endpoints with local files in it ends with exit code 10"
                    ),
                    "shorten it in the tree",
                ))
            } else {
                None
            }
        })
        .collect()
}

/// Bytes of a name: NAME_MAX without `.update.`.
const LONGEST_NAME: usize = 255 - 8;
/// Bytes of the name of a directory: NAME_MAX without `.deleted.`, ten digits and a dot.
const LONGEST_DIRECTORY: usize = 255 - 20;
/// Bytes of a path: PATH_MAX without its terminator, `.update.`, and room for the root below which endpoints install.
const LONGEST_PATH: usize = 4095 - 8 - 128;
