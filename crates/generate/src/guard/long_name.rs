//! Names and paths that an endpoint can stage.
//!
//! Source: manifest 3.3 (PATH_MAX with the prefix) and 6.1 quirk 25: beside the target an endpoint makes names with a
//! prefix, `.update.` for what comes and `.deleted.` for what goes, and these have to fit a file name.

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
                    "shorten it in the tree, or leave it out of every bundle",
                ))
            };
            if path.base_name().len() > LONGEST_NAME {
                too_long(LONGEST_NAME, "its name is")
            } else if path.as_bytes().len() > LONGEST_PATH {
                too_long(LONGEST_PATH, "it is")
            } else {
                None
            }
        })
        .collect()
}

/// Bytes of a name: NAME_MAX without `.update.`.
const LONGEST_NAME: usize = 255 - 8;
/// Bytes of a path: PATH_MAX without its terminator, `.update.`, and room for the root below which endpoints install.
const LONGEST_PATH: usize = 4095 - 8 - 128;
