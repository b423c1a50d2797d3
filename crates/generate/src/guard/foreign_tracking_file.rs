//! A bundle lists only its own tracking file and those of bundles it includes.
//!
//! Source: glossary "bundle" and client behaviour §7. The client takes every regular file in
//! `/usr/share/clear/bundles/` for an installed bundle, unless its name begins with a dot. What the stock client does
//! (observed) if os-core lists an additional one:
//!
//! | the tracking file is | the client |
//! |---|---|
//! | of a bundle that the release does not have | `diagnose` and `repair` exit with 3, permanently; `bundle-remove` refuses the name |
//! | of another bundle | treats it as installed: `bundle-add` does nothing, `diagnose` reports its files as missing, updates install only files that change |
//! | a directory or a link | lists the bundle as installed and never updates it |
//!
//! The root of an installed system contains these files for every bundle that it had.

use clearwell_format::{BundleName, EntryPath};

use super::survey::Survey;
use super::{Finding, Object, Rule};

/// The folder of tracking files.
pub(super) const FOLDER: &str = "/usr/share/clear/bundles";

pub(super) fn check(survey: &Survey<'_>) -> Vec<Finding> {
    let tracking = survey.listed.by_path().filter_map(|items| {
        let name = tracked(&items[0].entry.path)?;
        Some(items.iter().map(move |item| (name, item)))
    });
    let mom = &survey.context.release.mom;
    tracking
        .flatten()
        .filter_map(|(name, item)| {
            let bundle = BundleName::parse(name).ok();
            let together = |bundle: &BundleName| {
                survey.bundles.index(bundle).is_some_and(|other| survey.includes.closure(item.bundle).contains(&other))
            };
            let problem = match bundle {
                Some(bundle) if together(&bundle) => return None,
                _ if !item.entry.is_file() => "endpoints list it as an installed bundle and never update it".to_owned(),
                Some(bundle) if mom.bundle(&bundle).is_some() => format!(
                    "endpoints treat {bundle}, which the bundle does not include, as installed and lack its files"
                ),
                _ => "the release has no such bundle; diagnose and repair on endpoints exit with 3, permanently"
                    .to_owned(),
            };
            Some(Finding::refusal(
                Rule::ForeignTrackingFile,
                Object::Entry(survey.bundles.get(item.bundle).name.clone(), item.entry.path.clone()),
                problem,
                "remove the file from the bundle",
            ))
        })
        .collect()
}

/// The bundle name of a tracking file.
fn tracked(path: &EntryPath) -> Option<&[u8]> {
    let name = path.as_bytes().strip_prefix(FOLDER.as_bytes())?.strip_prefix(b"/")?;
    (!name.contains(&b'/') && !name.starts_with(b".")).then_some(name)
}
