//! A bundle lists no tracking file but its own and those of bundles that come with it.
//!
//! Source: README (glossary, "bundle") and client behaviour 7. To the client every regular file in
//! `/usr/share/clear/bundles/` is an installed bundle, unless its name begins with a dot. What the stock client does
//! (observed) where os-core lists one too many:
//!
//! | the file names | the client |
//! |---|---|
//! | no bundle of the release | `diagnose` and `repair` end with exit code 3 for good; `bundle-remove` does not know it |
//! | another bundle | takes it for installed: `bundle-add` does nothing, `diagnose` reports its files as missing, updates bring those that change |
//! | as a directory or a link | lists it as installed, and never updates it |
//!
//! The root of an installed system has such files for every bundle it had.

use clearwell_format::{BundleName, EntryPath};

use super::survey::Survey;
use super::{Finding, Object, Rule};

/// Where the client finds which bundles are installed.
pub(super) const FOLDER: &str = "/usr/share/clear/bundles";

pub(super) fn check(survey: &Survey<'_>) -> Vec<Finding> {
    let tracking = survey.listed.by_path().filter_map(|items| {
        let name = tracked(&items[0].entry.path)?;
        Some(items.iter().map(move |item| (name, item)))
    });
    let mom = survey.context.release.mom;
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
                    "endpoints with the one take {bundle}, which it does not include, for installed and lack its files"
                ),
                _ => "the release has no such bundle; diagnose and repair of endpoints end with exit code 3 for good"
                    .to_owned(),
            };
            Some(Finding::refusal(
                Rule::ForeignTrackingFile,
                Object::Entry(survey.bundles.get(item.bundle).name.clone(), item.entry.path.clone()),
                problem,
                "take the file out of the bundle",
            ))
        })
        .collect()
}

/// The name of the bundle that a path says is installed.
fn tracked(path: &EntryPath) -> Option<&[u8]> {
    let name = path.as_bytes().strip_prefix(FOLDER.as_bytes())?.strip_prefix(b"/")?;
    (!name.contains(&b'/') && !name.starts_with(b".")).then_some(name)
}
