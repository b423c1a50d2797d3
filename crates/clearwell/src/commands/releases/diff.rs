//! `clearwell releases diff`: bundles and paths that differ between two releases.

use std::collections::{BTreeMap, BTreeSet};

use clearwell_format::resource::Artifact;
use clearwell_format::{BundleName, Entry, EntryPath, FileHash, ManifestName, Resource, Version};
use clearwell_store::Store;
use schemars::JsonSchema;
use serde::Serialize;

use crate::error::CliError;
use crate::page::Page;
use crate::ui::{Ui, bytes_text};

/// The differences between two releases.
#[derive(Serialize, JsonSchema, Default)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Difference {
    /// The bundles that only the newer release has.
    bundles_added: Vec<String>,
    /// The bundles that only the older release has.
    bundles_removed: Vec<String>,
    /// The bundles that changed.
    bundles: Vec<BundleDifference>,
}

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
struct BundleDifference {
    /// The bundle.
    bundle: String,
    /// Its version in the older release.
    from: u32,
    /// Its version in the newer release.
    to: u32,
    /// The paths that only the newer release has.
    added: Vec<String>,
    /// The paths with different files.
    changed: Vec<String>,
    /// The paths that only the older release has.
    removed: Vec<String>,
    /// Size of the delta pack in bytes; null if there is none.
    pack_bytes: Option<u64>,
}

pub(super) fn diff(store: &Store, from: Version, to: Version, ui: &Ui) -> Result<(), CliError> {
    let bundles = |version| -> Result<BTreeMap<BundleName, Version>, CliError> {
        Ok(store.mom(version)?.bundles().map(|entry| (entry.bundle.clone(), entry.version)).collect())
    };
    let (old, new) = (bundles(from)?, bundles(to)?);
    let mut difference = Difference::default();
    for name in old.keys().collect::<BTreeSet<_>>().union(&new.keys().collect()) {
        match (old.get(name), new.get(name)) {
            (None, _) => difference.bundles_added.push(name.to_string()),
            (_, None) => difference.bundles_removed.push(name.to_string()),
            (Some(before), Some(after)) if before != after => {
                difference.bundles.push(bundle_difference(store, name, *before, *after)?);
            }
            _ => {}
        }
    }
    let mut text = Page::default();
    for (mark, names) in [('+', &difference.bundles_added), ('-', &difference.bundles_removed)] {
        for name in names {
            let _ = writeln!(text, "{mark} bundle {name}");
        }
    }
    for bundle in &difference.bundles {
        let pack = bundle
            .pack_bytes
            .map_or_else(|| "no delta pack".to_owned(), |bytes| format!("delta pack {}", bytes_text(bytes)));
        let _ = writeln!(text, "bundle {} {} -> {}: {pack}", bundle.bundle, bundle.from, bundle.to);
        for (mark, paths) in [('+', &bundle.added), ('~', &bundle.changed), ('-', &bundle.removed)] {
            for path in paths {
                let _ = writeln!(text, "  {mark} {path}");
            }
        }
    }
    if text.as_str().is_empty() {
        text = Page::of(format_args!("releases {from} and {to} have the same content"));
    }
    ui.result(&difference, &text)
}

fn bundle_difference(
    store: &Store,
    bundle: &BundleName,
    from: Version,
    to: Version,
) -> Result<BundleDifference, CliError> {
    let paths = |version| -> Result<BTreeMap<EntryPath, BTreeSet<FileHash>>, CliError> {
        let manifest = store.manifest(version, &ManifestName::Bundle(bundle.clone()))?;
        let mut paths: BTreeMap<EntryPath, BTreeSet<FileHash>> = BTreeMap::new();
        for entry in manifest.entries.into_iter().filter(Entry::is_present) {
            let (hash, path) = (entry.hash(), entry.path);
            // Variants of a file for several processors share its path.
            paths.entry(path).or_default().insert(hash);
        }
        Ok(paths)
    };
    let (old, new) = (paths(from)?, paths(to)?);
    let pack = Artifact::Pack { bundle: bundle.clone(), from: Some(from) };
    let pack = store.lookup(&Resource::of(to, pack))?;
    Ok(BundleDifference {
        bundle: bundle.to_string(),
        from: from.number(),
        to: to.number(),
        added: new.keys().filter(|path| !old.contains_key(*path)).map(ToString::to_string).collect(),
        changed: new
            .iter()
            .filter(|(path, hashes)| old.get(*path).is_some_and(|before| before != *hashes))
            .map(|(path, _)| path.to_string())
            .collect(),
        removed: old.keys().filter(|path| !new.contains_key(*path)).map(ToString::to_string).collect(),
        pack_bytes: pack.map(|meta| meta.size),
    })
}
