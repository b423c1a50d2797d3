//! Writing a generation and switching to it.

use super::{PointerGeneration, target};
use crate::disk::Disk;
use crate::layout::generation_number;
use crate::listing::list;
use crate::{Layout, StoreError};

/// Writes `generation` whole, then lets `content/version` name it. After an error the old one is still current, unless
/// the last sync failed: then it may be either.
pub(crate) fn switch_to(generation: &PointerGeneration, layout: &Layout, disk: &Disk) -> Result<(), StoreError> {
    write(generation, layout, disk)?;
    let scratch = layout.generations().join(".next");
    disk.remove(&scratch)?;
    disk.symbolic_link(&target(generation.number), &scratch)?;
    let link = layout.pointers_link();
    if link.symlink_metadata().is_ok_and(|found| found.is_dir()) {
        // A copy that followed the link leaves a folder in its place. It may contain other files: it is kept.
        let aside = layout.generations().join(format!(".replaced-{}", generation.number));
        disk.remove(&aside)?;
        disk.rename(&link, &aside)?;
    }
    disk.rename(&scratch, &link)?;
    disk.sync_folder(&layout.content())
}

/// Writes a generation that is not the current one, synced.
pub(crate) fn write(generation: &PointerGeneration, layout: &Layout, disk: &Disk) -> Result<(), StoreError> {
    let folder = layout.generation(generation.number);
    // Left by a publication that was interrupted before the link was switched.
    disk.remove(&folder)?;
    disk.create_folder(&folder)?;
    let mut folders = vec![folder.clone()];
    for (pointer, bytes) in &generation.files {
        let name = pointer.to_string();
        let path = folder.join(name.strip_prefix("version/").unwrap_or(&name));
        let parent = path.parent().unwrap_or(&folder);
        if !folders.iter().any(|made| made == parent) {
            disk.create_folder(parent)?;
            folders.push(parent.to_owned());
        }
        disk.write_synced(&path, bytes)?;
    }
    folders.iter().rev().try_for_each(|folder| disk.sync_folder(folder))?;
    disk.sync_folder(&layout.generations())?;
    super::sums::write(generation, layout, disk)
}

/// Begins a new generation of the same pointers, so that readers look at indexes again. Before the first publication
/// there are no readers to tell.
pub(crate) fn renew(layout: &Layout, disk: &Disk) -> Result<(), StoreError> {
    let current = super::load(layout)?;
    if current.number > 0 {
        let next = current.followed_by(current.files.clone());
        switch_to(&next, layout, disk)?;
        // The next publication tries again.
        let _ = prune(next.number, layout, disk);
    }
    Ok(())
}

/// Removes all but the last few generations up to `current`.
pub(crate) fn prune(current: u64, layout: &Layout, disk: &Disk) -> Result<(), StoreError> {
    remove_unless(|number| is_kept(number, current), layout, disk)
}

/// Removes all but the current generation and some before it. Damaged pointers may need any of them: then none goes.
pub(crate) fn prune_to_last(kept: u64, layout: &Layout, disk: &Disk) -> Result<(), StoreError> {
    match super::load(layout) {
        Ok(current) => remove_unless(|number| number.saturating_add(kept) > current.number, layout, disk),
        Err(_) => Ok(()),
    }
}

fn remove_unless(is_kept: impl Fn(u64) -> bool, layout: &Layout, disk: &Disk) -> Result<(), StoreError> {
    let sums = if layout.pointer_sums().is_dir() { list(&layout.pointer_sums())? } else { Vec::new() };
    for found in list(&layout.generations())?.into_iter().chain(sums) {
        let number = generation_number(&found.name);
        if number.is_some_and(|number| !is_kept(number)) {
            disk.remove(&found.path)?;
        }
    }
    Ok(())
}

/// True while a generation is not pruned.
pub(super) const fn is_kept(number: u64, current: u64) -> bool {
    number.saturating_add(KEPT) > current
}

/// A reader in the middle of a generation survives this many publications.
const KEPT: u64 = 8;
