//! Renamed files, as the reference finds them: by paths that are equal but for their numbers (packs §4).
//!
//! ```text
//! /usr/lib/libfoo.so.1.2    /usr/lib/libfoo.so.1.3     equal without digits and dots
//! /usr/share/4f2a.cache     /usr/share/91bc.cache      equal without digits, dots, and a to f
//! ```

use std::collections::{BTreeMap, BTreeSet};

use clearwell_format::EntryPath;

/// Pairs paths that are new with paths that are gone. What is left over by the first rule is tried with the second.
/// Equal reduced paths are paired in the order of the full ones.
pub(crate) fn renames(
    added: impl IntoIterator<Item = EntryPath>,
    removed: impl IntoIterator<Item = EntryPath>,
) -> BTreeMap<EntryPath, EntryPath> {
    let mut added: BTreeSet<EntryPath> = added.into_iter().collect();
    let mut removed: BTreeSet<EntryPath> = removed.into_iter().collect();
    let mut pairs = BTreeMap::new();
    for dropped in [&b"0123456789."[..], b"0123456789.abcdef"] {
        let mut waiting: BTreeMap<Vec<u8>, Vec<EntryPath>> = BTreeMap::new();
        for path in removed.iter().rev() {
            waiting.entry(reduced(path, dropped)).or_default().push(path.clone());
        }
        added.retain(|new| {
            let Some(old) = waiting.get_mut(&reduced(new, dropped)).and_then(Vec::pop) else { return true };
            removed.remove(&old);
            pairs.insert(new.clone(), old);
            false
        });
    }
    pairs
}

fn reduced(path: &EntryPath, dropped: &[u8]) -> Vec<u8> {
    path.as_bytes().iter().copied().filter(|byte| !dropped.contains(byte)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paths(paths: &[&str]) -> Vec<EntryPath> {
        paths.iter().map(|path| path.parse().unwrap()).collect()
    }

    #[test]
    fn digits_count_before_hex_digits_and_order_decides_between_equals() {
        let pairs = renames(
            paths(&["/lib/a.so.2", "/lib/a.so.3", "/cache/be77.x", "/new"]),
            paths(&["/lib/a.so.1", "/cache/12.x", "/cache/af11.x", "/gone"]),
        );
        let found: Vec<String> = pairs
            .iter()
            .map(|(new, old)| {
                format!("{} {}", String::from_utf8_lossy(new.as_bytes()), String::from_utf8_lossy(old.as_bytes()))
            })
            .collect();
        assert_eq!(found, ["/cache/be77.x /cache/12.x", "/lib/a.so.2 /lib/a.so.1"]);
    }
}
