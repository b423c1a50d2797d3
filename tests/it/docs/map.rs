//! The map of crates at the top of crates/README.md.
//!
//! ```text
//! clearwell-store      the versioned content store          format, sign, delta
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use super::files::root;

/// Names of crates without `clearwell-`, and those that each depends on.
type Dependencies = BTreeMap<String, BTreeSet<String>>;

/// What the map says. The binary is left out: it may use every crate but the testkit.
pub(super) fn documented() -> Dependencies {
    let text = fs::read_to_string(root().join("crates/README.md")).unwrap();
    let rows = text.lines().filter_map(|line| line.strip_prefix("clearwell-"));
    rows.map(|row| {
        let (name, row) = row.split_once(' ').expect("a row has a name");
        let (_, last) = row.rsplit_once("  ").expect("columns are separated by spaces");
        let listed = last.split(';').next().unwrap_or_default().split(", ").map(str::to_owned);
        (name.to_owned(), listed.filter(|name| name != "nothing of ours").collect())
    })
    .collect()
}

/// What the manifests say; dependencies of tests are not part of the map.
pub(super) fn declared() -> Dependencies {
    let folders = fs::read_dir(root().join("crates")).unwrap().map(|entry| entry.unwrap());
    let crates = folders.filter(|entry| entry.path().join("Cargo.toml").exists() && entry.file_name() != "clearwell");
    crates
        .map(|entry| {
            let text = fs::read_to_string(entry.path().join("Cargo.toml")).unwrap();
            let lines = text.lines().skip_while(|line| *line != "[dependencies]").skip(1);
            let own =
                lines.take_while(|line| !line.starts_with('[')).filter_map(|line| line.strip_prefix("clearwell-"));
            let own = own.filter_map(|line| line.split(['.', ' ']).next()).map(str::to_owned);
            (entry.file_name().into_string().unwrap(), own.collect())
        })
        .collect()
}
