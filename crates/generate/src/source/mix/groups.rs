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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_section_is_a_bundle() {
        let bundles = parse("[os-core]\ngroup=os-core\n\n[DEFAULT]\nx=1\n[c++]\n[os-core]\n").unwrap();
        assert_eq!(bundles, ["os-core", "c++"].map(|name| name.parse::<BundleName>().unwrap()));
        assert_eq!(parse("[os-core]\n[a b]\n").unwrap_err().line, 2);
    }
}
