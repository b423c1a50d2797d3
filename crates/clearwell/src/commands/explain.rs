//! `clearwell releases explain`: why a path is in a release at the version it has, and how it travels.

use clearwell_format::resource::Artifact;
use clearwell_format::{Entry, EntryPath, ManifestName, MomEntry, Resource, Version};
use clearwell_generate::deltas::report::{Delivery, packs_of};
use clearwell_store::Store;
use serde::Serialize;

use crate::error::CliError;
use crate::exit::Exit;
use crate::page::Page;
use crate::ui::{Ui, bytes_text};

/// A path in one bundle.
#[derive(Serialize)]
struct Explanation {
    bundle: String,
    /// The bundle's version, whose folder its packs lie in.
    bundle_version: u32,
    /// The version that the manifest gives the entry.
    version: u32,
    flags: String,
    hash: String,
    why: String,
    /// Bytes of the fullfile; `None` for what is deleted, or if it is missing.
    fullfile_bytes: Option<u64>,
    /// How it travels in packs for updates, by the version that endpoints come from.
    updates: Vec<Update>,
}

#[derive(Serialize)]
struct Update {
    from: u32,
    bytes: u64,
    #[serde(flatten)]
    way: Delivery,
}

/// Explains `path` in the release `version`.
///
/// # Errors
/// [`Exit::Input`] if no bundle of the release has ever listed the path.
pub(crate) fn explain(store: &Store, version: Version, path: &EntryPath, ui: &Ui) -> Result<(), CliError> {
    let mut explanations = Vec::new();
    for bundle in store.mom(version)?.bundles() {
        let manifest = store.bundle_manifest(bundle)?;
        for entry in manifest.entries.iter().filter(|entry| entry.path == *path) {
            explanations.push(of_entry(store, version, bundle, entry)?);
        }
    }
    if explanations.is_empty() {
        return Err(CliError::plain(
            Exit::Input,
            format!("no bundle of release {version} lists {path}: paths are written from the root, /usr/bin/sh"),
        ));
    }
    let mut page = Page::default();
    explanations.iter().for_each(|explanation| page.append(&text(path, explanation)));
    ui.result(&explanations, &page)
}

fn of_entry(store: &Store, version: Version, bundle: &MomEntry, entry: &Entry) -> Result<Explanation, CliError> {
    let fullfile = Resource::of(entry.version, Artifact::Fullfile(entry.hash()));
    let fullfile_bytes = if entry.is_present() { store.lookup(&fullfile)?.map(|meta| meta.size) } else { None };
    let mut updates = Vec::new();
    if store.has_release(bundle.version) {
        for pack in packs_of(&store.record(bundle.version)?) {
            let (from, hash) = (pack.from, entry.hash().to_string());
            let of_bundle = pack.bundle == bundle.bundle.as_str() && pack.to == bundle.version.number();
            let file = pack.files.into_iter().find(|file| of_bundle && file.hash == hash);
            updates.extend(file.map(|file| Update { from, bytes: file.bytes, way: file.delivery }));
        }
    }
    Ok(Explanation {
        bundle: bundle.bundle.to_string(),
        bundle_version: bundle.version.number(),
        version: entry.version.number(),
        flags: String::from_utf8_lossy(&entry.flags()).into_owned(),
        hash: entry.hash().to_string(),
        why: why(store, version, bundle, entry)?,
        fullfile_bytes,
        updates,
    })
}

/// Why the entry has its version: what the manifest of the release before its version said.
fn why(store: &Store, release: Version, bundle: &MomEntry, entry: &Entry) -> Result<String, CliError> {
    let verb = if entry.is_present() { "" } else { ": deleted" };
    let since = if entry.version == release { "this release" } else { "then, and it has not changed since" };
    if !store.has_release(entry.version) {
        return Ok(format!("released in {}, which is not in the store{verb}", entry.version));
    }
    let Some(before) = store.record(entry.version)?.previous.filter(|&before| store.has_release(before)) else {
        return Ok(format!("the store begins with {}{verb}", entry.version));
    };
    let before = match store.mom(before)?.bundle(&bundle.bundle) {
        None => return Ok(format!("the bundle is new in {since}")),
        Some(before) => store.manifest(before.version, &ManifestName::Bundle(bundle.bundle.clone()))?,
    };
    let was = before.entries.iter().find(|was| was.path == entry.path && was.modifier == entry.modifier);
    Ok(match was {
        None => format!("new in {since}"),
        Some(was) if !entry.is_present() => format!("removed in {since}; it was of {}", was.version),
        Some(was) if !was.is_present() => format!("back in {since}"),
        Some(was) if was.hash() != entry.hash() => format!("changed in {since}; before, it was of {}", was.version),
        Some(was) if was.flags() != entry.flags() => format!("its flags changed in {since}"),
        Some(was) => format!("released again in {since}, the same as in {} (minversion or a new format)", was.version),
    })
}

fn text(path: &EntryPath, of: &Explanation) -> Page {
    let mut text = Page::of(format_args!("{path} in {} {}", of.bundle, of.bundle_version));
    let _ = writeln!(text, "  version    {}: {}", of.version, of.why);
    let _ = writeln!(text, "  hash       {} ({})", of.hash, of.flags);
    if let Some(bytes) = of.fullfile_bytes {
        let _ = writeln!(text, "  fullfile   {}/files/{}.tar, {}", of.version, of.hash, bytes_text(bytes));
    }
    for Update { from, bytes, way } in &of.updates {
        let _ = match way {
            Delivery::Delta { base, base_bundle, found, whole_bytes, .. } => writeln!(
                text,
                "  from {from:<5} a delta of {} from {base} of {base_bundle} ({found}); whole it would be {}",
                bytes_text(*bytes),
                bytes_text(*whole_bytes)
            ),
            Delivery::Whole { why } => writeln!(text, "  from {from:<5} whole, {} ({why})", bytes_text(*bytes)),
        };
    }
    text
}
