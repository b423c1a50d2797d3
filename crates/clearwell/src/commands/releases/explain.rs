//! `clearwell releases explain`: when a path last changed, and how endpoints get it.

use clearwell_format::resource::Artifact;
use clearwell_format::{Entry, EntryPath, ManifestName, MomEntry, Resource, Version};
use clearwell_generate::deltas::report::{Delivery, packs_of};
use clearwell_store::Store;
use schemars::JsonSchema;
use serde::Serialize;

use super::packs::delivery_text;
use crate::error::CliError;
use crate::exit::Exit;
use crate::page::Page;
use crate::ui::{Ui, bytes_text};

/// A path in a release: when it last changed, and how endpoints get it.
#[derive(Serialize, JsonSchema)]
pub(crate) struct Explanation {
    /// The path.
    path: String,
    /// The bundles that list the path.
    entries: Vec<Explained>,
}

/// A path in one bundle.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[schemars(rename = "Entry")]
struct Explained {
    /// The bundle.
    bundle: String,
    /// The version of the bundle, whose folder contains its packs.
    bundle_version: u32,
    /// The version that the manifest gives the entry.
    version: u32,
    /// The flags of the entry, such as `F...` (manifest §2).
    flags: String,
    /// The swupd hash of the file; zeros if the path is deleted.
    hash: String,
    /// When the entry last changed, as text.
    history: String,
    /// Size of the fullfile in bytes; null if the path is deleted or there is no fullfile.
    fullfile_bytes: Option<u64>,
    /// The file in delta packs.
    updates: Vec<Update>,
}

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
struct Update {
    /// The version of the bundle that endpoints update from.
    from: u32,
    /// Its approximate size in the delta pack, in bytes.
    bytes: u64,
    #[serde(flatten)]
    delivery: Delivery,
}

/// Explains `path` in the release `version`.
///
/// # Errors
/// [`Exit::Input`] if no bundle of the release lists the path.
pub(crate) fn explain(store: &Store, version: Version, path: &EntryPath, ui: &Ui) -> Result<(), CliError> {
    let mut entries = Vec::new();
    for bundle in store.mom(version)?.bundles() {
        let manifest = store.bundle_manifest(bundle)?;
        for entry in manifest.entries.iter().filter(|entry| entry.path == *path) {
            entries.push(of_entry(store, bundle, entry)?);
        }
    }
    if entries.is_empty() {
        return Err(CliError::plain(
            Exit::Input,
            format!("no bundle of release {version} lists {path}; use an absolute path such as /usr/bin/sh"),
        ));
    }
    let mut page = Page::default();
    entries.iter().for_each(|entry| page.append(&text(path, entry)));
    ui.result(&Explanation { path: path.to_string(), entries }, &page)
}

fn of_entry(store: &Store, bundle: &MomEntry, entry: &Entry) -> Result<Explained, CliError> {
    let fullfile = Resource::of(entry.version, Artifact::Fullfile(entry.hash()));
    let fullfile_bytes = if entry.is_present() { store.lookup(&fullfile)?.map(|meta| meta.size) } else { None };
    let mut updates = Vec::new();
    if store.has_release(bundle.version) {
        for pack in packs_of(&store.record(bundle.version)?) {
            let (from, hash) = (pack.from, entry.hash().to_string());
            let of_bundle = pack.bundle == bundle.bundle.as_str() && pack.to == bundle.version.number();
            let file = pack.files.into_iter().find(|file| of_bundle && file.hash == hash);
            updates.extend(file.map(|file| Update { from, bytes: file.bytes, delivery: file.delivery }));
        }
    }
    Ok(Explained {
        bundle: bundle.bundle.to_string(),
        bundle_version: bundle.version.number(),
        version: entry.version.number(),
        flags: String::from_utf8_lossy(&entry.flags()).into_owned(),
        hash: entry.hash().to_string(),
        history: history(store, bundle, entry)?,
        fullfile_bytes,
        updates,
    })
}

/// When the entry last changed, by comparison with the release before its version.
fn history(store: &Store, bundle: &MomEntry, entry: &Entry) -> Result<String, CliError> {
    let version = entry.version;
    let verb = if entry.is_present() { "released" } else { "deleted" };
    if !store.has_release(version) {
        return Ok(format!("{verb} in {version}, which is not in the store"));
    }
    let Some(before) = store.record(version)?.previous.filter(|&before| store.has_release(before)) else {
        return Ok(format!("{verb} in {version}, the first release of this history in the store"));
    };
    let before = match store.mom(before)?.bundle(&bundle.bundle) {
        None => return Ok(format!("bundle added in {version}")),
        Some(before) => store.manifest(before.version, &ManifestName::Bundle(bundle.bundle.clone()))?,
    };
    let was = before.entries.iter().find(|was| was.path == entry.path && was.modifier == entry.modifier);
    Ok(match was {
        None => format!("added in {version}"),
        Some(was) if !entry.is_present() => format!("deleted in {version}; previously {}", was.version),
        Some(was) if !was.is_present() => format!("added again in {version}"),
        Some(was) if was.hash() != entry.hash() => format!("last changed in {version}; previously {}", was.version),
        Some(was) if was.flags() != entry.flags() => {
            format!("flags last changed in {version}; previously {}", was.version)
        }
        Some(was) => {
            format!("released again in {version} (minversion or format bump); unchanged since {}", was.version)
        }
    })
}

fn text(path: &EntryPath, of: &Explained) -> Page {
    let mut text = Page::of(format_args!("{path} in {} {}", of.bundle, of.bundle_version));
    let _ = writeln!(text, "  version    {}", of.version);
    let _ = writeln!(text, "  history    {}", of.history);
    let _ = writeln!(text, "  hash       {} ({})", of.hash, of.flags);
    if let Some(bytes) = of.fullfile_bytes {
        let _ = writeln!(text, "  fullfile   {}/files/{}.tar, {}", of.version, of.hash, bytes_text(bytes));
    }
    for Update { from, bytes, delivery } in &of.updates {
        let _ = writeln!(text, "  update     from {from}: {}", delivery_text(*bytes, delivery));
    }
    text
}
