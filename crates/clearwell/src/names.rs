//! Unknown names on the command line: the error lists the known ones.

use std::cmp::Reverse;

use clearwell_format::{FormatNumber, Version};
use clearwell_store::Store;

use crate::error::CliError;
use crate::exit::Exit;

/// Fails unless the store has the release.
///
/// # Errors
/// [`Exit::Version`], with the releases of the store.
pub(crate) fn require_release(store: &Store, version: Version) -> Result<(), CliError> {
    if store.has_release(version) {
        return Ok(());
    }
    let known: Vec<String> = store.releases()?.iter().map(ToString::to_string).collect();
    Err(unknown(Exit::Version, &format!("release {version} in the store"), &version.to_string(), &known))
}

/// Fails unless the store has a release of the format.
///
/// # Errors
/// [`Exit::Version`], with the formats of the store.
pub(crate) fn require_format(store: &Store, format: FormatNumber) -> Result<(), CliError> {
    let mut known = Vec::new();
    for version in store.releases()? {
        let of_release = store.record(version)?.format;
        if of_release == format {
            return Ok(());
        }
        known.push(of_release);
    }
    known.dedup();
    let known: Vec<String> = known.iter().map(ToString::to_string).collect();
    Err(unknown(Exit::Version, &format!("release of format {format} in the store"), &format.to_string(), &known))
}

/// The error for `what`, whose name is `name`; `known` are the existing names.
pub(crate) fn unknown(exit: Exit, what: &str, name: &str, known: &[String]) -> CliError {
    CliError::plain(exit, format!("there is no {what}; {}", choices(name, known)))
}

/// All names if they are few, else those most similar to `name`.
fn choices(name: &str, known: &[String]) -> String {
    match known {
        [] => "there are none".to_owned(),
        [only] => format!("there is only {only}"),
        few if few.len() <= FEW => format!("there are {}", listed(few)),
        many => {
            let similarity = |known: &String| (strsim::jaro_winkler(name, known) * 1000.0) as u32;
            let mut nearest: Vec<&String> = many.iter().collect();
            nearest.sort_by_key(|known| Reverse(similarity(known)));
            let nearest: Vec<String> = nearest.into_iter().take(NEAREST).cloned().collect();
            format!("there are {}, the nearest are {}", many.len(), listed(&nearest))
        }
    }
}

/// `a, b and c`.
fn listed(names: &[String]) -> String {
    match names {
        [others @ .., last] if !others.is_empty() => format!("{} and {last}", others.join(", ")),
        names => names.concat(),
    }
}

/// Up to this number of names, all are listed.
const FEW: usize = 12;
const NEAREST: usize = 4;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_names_are_listed_and_of_many_the_nearest() {
        let names = |names: &[&str]| names.iter().map(ToString::to_string).collect::<Vec<_>>();
        assert_eq!(choices("x", &[]), "there are none");
        assert_eq!(choices("x", &names(&["os-core"])), "there is only os-core");
        assert_eq!(choices("x", &names(&["a", "b", "c"])), "there are a, b and c");
        let many: Vec<String> = (0..100).map(|number| format!("bundle-{number}")).chain(names(&["editors"])).collect();
        let text = choices("editor", &many);
        assert!(text.starts_with("there are 101, the nearest are editors, "), "{text}");
    }
}
