//! Names with shell metacharacters, and everything below a directory that has one.
//!
//! Source: manifest §5.2 rule 4 and §6 quirk 17. Endpoints install such names; generators of the protocol leave them
//! out, but keep the children of such a directory, and those then lack their parent.

use super::survey::Survey;
use super::{Finding, Object, Rule};

pub(super) fn check(survey: &Survey<'_>) -> Vec<Finding> {
    survey
        .listed
        .by_path()
        .filter_map(|items| {
            let path = &items[0].entry.path;
            let character = path.as_bytes().iter().find(|byte| ILLEGAL.contains(byte))?;
            Some(Finding::refusal(
                Rule::IllegalName,
                Object::Path(path.clone()),
                format!("a name in it contains {}, which other generators refuse", character.escape_ascii()),
                "rename it in the tree, or remove it from every bundle",
            ))
        })
        .collect()
}

/// The slash of the rule's list is the separator here.
const ILLEGAL: &[u8] = b";&|*`<>\\\"'\x07";
