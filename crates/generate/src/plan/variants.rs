//! Optimised builds: from prefixed paths to modifiers (manifest §5.6).
//!
//! ```text
//! /V3/usr/bin/x   F...        F.e.   /usr/bin/x
//! /usr/bin/x      F...   ->   F.a.   /usr/bin/x
//! ```
//!
//! Always true of the result: every entry of a path has the same set of builds, status and mark; a path with optimised
//! builds has its baseline; entries are sorted by version, then path.

use std::collections::BTreeMap;

use clearwell_format::flags::VariantSet;
use clearwell_format::{Entry, EntryPath, Misc, Modifier, Variant, Version};

use super::entry_versions::Line;
use crate::tree::NodeId;

/// A path with optimised builds whose baseline is missing.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct NoBaseline(pub(super) Vec<u8>);

/// A manifest's entry, and the node it stands for.
#[derive(Debug)]
pub(super) struct Placed {
    pub(super) entry: Entry,
    pub(super) node: Option<NodeId>,
}

/// The entries of a manifest from its lines.
pub(super) fn entries(lines: Vec<Line>, version: Version) -> Result<Vec<Placed>, NoBaseline> {
    let families = families(&lines);
    let mut entries = Vec::with_capacity(lines.len());
    for line in lines {
        let (variant, path) = Variant::split(line.path.as_bytes());
        // A deleted optimised build leaves no line: the remaining lines of its path are enough.
        if variant != Variant::Sse && !line.is_present() {
            continue;
        }
        let Some(family) = families.get(path) else {
            entries.push(line.into_entry(None));
            continue;
        };
        let misc = match family.baseline {
            Some(misc) => misc,
            None if family.builds.is_empty() => line.misc,
            None => return Err(NoBaseline(path.to_vec())),
        };
        let installed = match variant {
            Variant::Sse => None,
            _ => Some(EntryPath::parse(path).map_err(|_| NoBaseline(path.to_vec()))?),
        };
        let mut placed = line.into_entry(installed);
        placed.entry.misc = misc;
        if placed.entry.is_present() {
            placed.entry.modifier =
                Modifier::new(variant, family.builds).expect("a build is in the set of builds of its path");
        }
        if family.lost_build {
            placed.entry.version = version;
        }
        entries.push(placed);
    }
    sort(&mut entries);
    Ok(entries)
}

/// By version, then path, then as the builds lie in a tree: V3, V4, VA, baseline.
pub(super) fn sort(entries: &mut [Placed]) {
    let build = |entry: &Entry| match entry.modifier.meaning() {
        Some((variant, _)) if variant != Variant::Sse => (false, variant),
        _ => (true, Variant::Sse),
    };
    entries.sort_by(|Placed { entry: a, .. }, Placed { entry: b, .. }| {
        (a.version, &a.path, build(a)).cmp(&(b.version, &b.path, build(b)))
    });
}

/// The builds of one installed path.
#[derive(Default)]
struct Family {
    builds: VariantSet,
    /// The mark of the baseline, if it is present.
    baseline: Option<Misc>,
    /// True if an optimised build was deleted in this version.
    lost_build: bool,
}

/// The families of all paths that have or had optimised builds.
fn families(lines: &[Line]) -> BTreeMap<Vec<u8>, Family> {
    let mut families: BTreeMap<Vec<u8>, Family> = BTreeMap::new();
    for line in lines {
        let (variant, path) = Variant::split(line.path.as_bytes());
        if variant != Variant::Sse {
            let family = families.entry(path.to_vec()).or_default();
            if line.is_present() {
                family.builds = family.builds.with(variant);
            } else {
                family.lost_build = true;
            }
        }
    }
    if !families.is_empty() {
        for line in lines.iter().filter(|line| line.is_present()) {
            if let Some(family) = families.get_mut(line.path.as_bytes()) {
                family.baseline = Some(line.misc);
            }
        }
    }
    families
}

impl Line {
    fn into_entry(self, installed: Option<EntryPath>) -> Placed {
        let path = installed.unwrap_or(self.path);
        let Self { state, modifier, misc, version, node, .. } = self;
        Placed { entry: Entry { state, modifier, misc, version, path }, node }
    }
}
