//! A bundle lists the file by which endpoints know that they have it.
//!
//! Source: glossary "bundle" and mixer workspace §5.1. Without the regular file
//! `/usr/share/clear/bundles/<name>` the bundle is installed once and never updated, because the client does not count it
//! as installed. Directories and links there, and names that begin with a dot, are ignored (observed).

use super::foreign_tracking_file::FOLDER;
use super::survey::Survey;
use super::{Finding, Object, Rule};

pub(super) fn check(survey: &Survey<'_>) -> Vec<Finding> {
    let with_content = survey.bundles.iter().filter(|bundle| bundle.manifest.present().next().is_some());
    with_content
        .filter_map(|bundle| {
            let path = format!("{FOLDER}/{}", bundle.name);
            let entry = bundle.manifest.present().find(|entry| entry.path.as_bytes() == path.as_bytes());
            let (problem, remedy) = match entry {
                _ if bundle.name.as_str().starts_with('.') => {
                    ("its name begins with a dot, which clients ignore".to_owned(), "give it another name")
                }
                None => (format!("it does not list {path}"), "add that empty file to the bundle"),
                Some(entry) if !entry.is_file() => (format!("{path} is not a regular file"), "make it an empty file"),
                Some(_) => return None,
            };
            Some(Finding::refusal(
                Rule::MissingTrackingFile,
                Object::Bundle(bundle.name.clone()),
                format!("{problem}, so endpoints would install the bundle but not count it as installed"),
                remedy,
            ))
        })
        .collect()
}
