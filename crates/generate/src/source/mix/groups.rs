//! `groups.ini`: the bundles of a mix, one section each (manifest §5.1).

use std::collections::BTreeMap;

use clearwell_format::BundleName;

use super::ini;
use crate::source::{TextError, TextNote};

/// Reads the bundles in the order of the file, each once.
///
/// # Errors
/// For a broken line and for a section whose name is not a bundle name.
pub fn parse(text: &str, notes: &mut Vec<TextNote>) -> Result<Vec<BundleName>, TextError> {
    let mut bundles = Vec::new();
    let mut unused: BTreeMap<String, (usize, usize)> = BTreeMap::new();
    for section in ini::parse(text, notes)? {
        for key in &section.keys {
            match key.name.as_str() {
                "group" if key.value == section.name => {}
                "group" if section.name != ini::DEFAULT => {
                    let what = format!("group={} is ignored: the bundle is {}", key.value, section.name);
                    notes.push(TextNote::new(key.line, what));
                }
                name => unused.entry(name.to_owned()).or_insert((key.line, 0)).1 += 1,
            }
        }
        if section.name == ini::DEFAULT {
            if section.line > 0 {
                notes.push(TextNote::new(section.line, "the section DEFAULT is never a bundle: ignored".into()));
            }
            continue;
        }
        let bundle = section.name.parse();
        bundles.push(bundle.map_err(|error| TextError { line: section.line, what: format!("{error}") })?);
    }
    for (key, (line, number)) in unused {
        let more = if number > 1 { format!(", here and {} more times", number - 1) } else { String::new() };
        notes.push(TextNote::new(line, format!("the key {key} has no effect: ignored{more}")));
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
        let mut notes = Vec::new();
        let bundles = parse("[os-core]\ngroup=os-core\n\n[c++]\n[os-core]\n", &mut notes).unwrap();
        assert_eq!(bundles, ["os-core", "c++"].map(|name| name.parse::<BundleName>().unwrap()));
        assert_eq!(notes, []);
        assert_eq!(parse("[os-core]\n[a b]\n", &mut notes).unwrap_err().line, 2);
    }

    #[test]
    fn what_is_ignored_is_told() {
        let mut notes = Vec::new();
        let text = "x=1\n[os-core]\ngroup=core\nstatus=ACTIVE\n[DEFAULT]\n[tools] extra\nstatus=ACTIVE\n";
        assert_eq!(parse(text, &mut notes).unwrap().len(), 2);
        let told: Vec<String> = notes.iter().map(ToString::to_string).collect();
        assert_eq!(
            told,
            [
                "line 6: \"extra\" after the section name is ignored",
                "line 5: the section DEFAULT is never a bundle: ignored",
                "line 3: group=core is ignored: the bundle is os-core",
                "line 4: the key status has no effect: ignored, here and 1 more times",
                "line 1: the key x has no effect: ignored",
            ]
        );
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
