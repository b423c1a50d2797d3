//! `groups.ini`: the bundles of a mix, one section each (manifest 5.1).

use clearwell_format::BundleName;

use super::ini;
use crate::source::TextError;

/// Reads the bundles in the order of the file, each once.
///
/// # Errors
/// For a broken line and for what is no bundle name.
pub fn parse(text: &str) -> Result<Vec<BundleName>, TextError> {
    let mut bundles = Vec::new();
    for section in ini::parse(text)? {
        if section.name.eq_ignore_ascii_case("DEFAULT") {
            continue;
        }
        let bundle =
            section.name.parse().map_err(|error| TextError { line: section.line, what: format!("{error}") })?;
        if !bundles.contains(&bundle) {
            bundles.push(bundle);
        }
    }
    Ok(bundles)
}

/// The text without the sections of some bundles. Comments and blank lines stay.
pub(super) fn without(text: &str, gone: &[BundleName]) -> String {
    let mut in_gone = false;
    let stays = |line: &&str| {
        let line = line.trim();
        if let Some((name, _)) = line.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
            in_gone = gone.iter().any(|bundle| bundle.as_str() == name.trim());
        }
        !in_gone || line.is_empty() || line.starts_with(['#', ';'])
    };
    text.split_inclusive('\n').filter(stays).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_section_is_a_bundle() {
        let bundles = parse("[os-core]\ngroup=os-core\n\n[DEFAULT]\nx=1\n[c++]\n[os-core]\n").unwrap();
        assert_eq!(bundles, ["os-core", "c++"].map(|name| name.parse::<BundleName>().unwrap()));
        assert_eq!(parse("[os-core]\n[a b]\n").unwrap_err().line, 2);
    }

    #[test]
    fn sections_of_bundles_that_are_gone_are_taken_out() {
        let gone = ["old".parse().unwrap(), "c++".parse().unwrap()];
        for (text, expected) in [
            ("[os-core]\ngroup=os-core\n\n[old]\ngroup=old\n\n", "[os-core]\ngroup=os-core\n\n\n"),
            ("[old]\n[os-core]\n[ c++ ]\nx = [y]\n; of all\n[older]", "[os-core]\n; of all\n[older]"),
            ("[os-core]\r\n[old]\r\ngroup = old\r\n", "[os-core]\r\n"),
            ("", ""),
        ] {
            assert_eq!(without(text, &gone), expected);
        }
    }
}
