//! Pointers: `latest` and the other files of `version/`, in generations that change atomically.
//!
//! ```text
//! content/version -> .pointers/00000007         relative, so that the tree can be moved
//! content/.pointers/00000007/format30/latest    complete and synced before the link is switched; never changed
//!                           /format30/latest.sig
//!                           /formatstaging/latest     where it was adopted, or published by that name
//!                           /latest_version
//! ```
//!
//! A reader that follows the link once sees one generation: a pointer always together with its own signature. Whether
//! anything changed is one `readlink`. Old generations stay for a while, for readers that are in the middle of one.

pub(crate) mod sums;
mod switch;

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::Path;
use std::sync::Arc;

use clearwell_format::resource::Pointer;
use clearwell_format::{FormatNumber, Resource, Version, pointer};

use crate::disk::Operation;
use crate::layout::{generation_name, generation_number};
use crate::listing::{Found, list};
use crate::{Layout, StoreError, regular};

pub(crate) use switch::{prune, prune_to_last, renew, switch_to, write};

/// New contents of pointers and their signatures.
pub type PointerSet = BTreeMap<Pointer, Vec<u8>>;

/// All pointers at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PointerGeneration {
    /// Grows with each publication; 0 before the first.
    pub number: u64,
    /// The exact bytes of each.
    pub files: BTreeMap<Pointer, Arc<[u8]>>,
}

impl PointerGeneration {
    /// These pointers under the next number, with `files`.
    pub(crate) const fn followed_by(&self, files: BTreeMap<Pointer, Arc<[u8]>>) -> Self {
        Self { number: self.number + 1, files }
    }

    /// The release that `latest` of a format names, as a client reads it.
    pub fn latest(&self, format: FormatNumber) -> Option<Version> {
        self.version(Pointer::Latest(format))
    }

    /// The release that `latest_version` names.
    pub fn latest_version(&self) -> Option<Version> {
        self.version(Pointer::LatestVersion)
    }

    /// The formats that have a `latest`.
    pub fn formats(&self) -> impl Iterator<Item = FormatNumber> {
        self.files.keys().filter_map(|pointer| match pointer {
            Pointer::Latest(format) => Some(*format),
            _ => None,
        })
    }

    /// The release that a pointer names; `None` for signatures, and for what a client cannot read.
    pub fn version(&self, pointer: Pointer) -> Option<Version> {
        if pointer.is_signature() { None } else { pointer::parse(self.files.get(&pointer)?) }
    }

    /// These pointers with `set` over them. A pointer that changes loses its signature unless `set` has a new one: a
    /// stale signature is an error for clients, a missing one only for those that check.
    pub(crate) fn merged(&self, set: &PointerSet) -> BTreeMap<Pointer, Arc<[u8]>> {
        let mut files = self.files.clone();
        for (pointer, bytes) in set {
            let old = files.insert(*pointer, bytes.as_slice().into());
            let changed = old.is_none_or(|old| *old != **bytes);
            if let Some(signature) = pointer.signature().filter(|signature| changed && !set.contains_key(signature)) {
                files.remove(&signature);
            }
        }
        files
    }
}

/// The number of the current generation: one `readlink`.
pub(crate) fn current(layout: &Layout) -> Result<u64, StoreError> {
    let link = layout.pointers_link();
    let damaged = |reason| StoreError::PointersDamaged { path: link.clone(), reason };
    match fs::read_link(&link) {
        Ok(target) => parse_target(&target).ok_or_else(|| damaged("the link does not name a generation")),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(0),
        Err(error) if error.kind() == io::ErrorKind::InvalidInput => Err(damaged("it is not a symbolic link")),
        Err(error) => Err(StoreError::io(Operation::Read, &link, error)),
    }
}

/// Reads the current generation, all of one, and compares it with its sums.
pub(crate) fn load(layout: &Layout) -> Result<PointerGeneration, StoreError> {
    let generation = load_unverified(layout)?;
    if sums::are_those_of(&generation, layout) {
        return Ok(generation);
    }
    let path = layout.generation(generation.number);
    Err(StoreError::PointersDamaged { path, reason: "they do not match their recorded SHA-256" })
}

/// Reads the current generation as it is.
pub(crate) fn load_unverified(layout: &Layout) -> Result<PointerGeneration, StoreError> {
    let mut number = current(layout)?;
    while number > 0 {
        let read = read_generation(&layout.generation(number));
        // If it can have been pruned meanwhile, files may have been missed; then the link has moved far on.
        let now = current(layout)?;
        if switch::is_kept(number, now) {
            return match read {
                Ok(files) => Ok(PointerGeneration { number, files }),
                Err(StoreError::Io { source, path, .. }) if source.kind() == io::ErrorKind::NotFound => {
                    Err(StoreError::PointersDamaged { path, reason: "it is missing" })
                }
                Err(error) => Err(error),
            };
        }
        number = now;
    }
    Ok(PointerGeneration::default())
}

/// The pointers that the next generation continues. Damaged ones are replaced by it, so they are not an error here:
/// what it does not name is taken from the generations that are left, and their numbers are not used twice.
pub(crate) fn load_to_replace(layout: &Layout) -> Result<PointerGeneration, StoreError> {
    match load(layout) {
        Err(StoreError::PointersDamaged { .. }) => left(layout),
        Ok(PointerGeneration { number: 0, .. }) => left(layout),
        other => other,
    }
}

/// The newest of each pointer on disk, without the link that tells which generation is current: one that a crash cut
/// short has fewer files than the one before. What is not as it was written does not count.
fn left(layout: &Layout) -> Result<PointerGeneration, StoreError> {
    if !layout.generations().is_dir() {
        return Ok(PointerGeneration::default());
    }
    let mut numbers: Vec<u64> =
        list(&layout.generations())?.into_iter().filter_map(|found| generation_number(&found.name)).collect();
    numbers.sort_unstable();
    let mut files = BTreeMap::new();
    for number in &numbers {
        let read = read_generation(&layout.generation(*number))?;
        let sound = sums::sound(*number, read, layout);
        for (pointer, bytes) in sound.iter().filter(|(pointer, _)| !pointer.is_signature()) {
            files.insert(*pointer, bytes.clone());
            if let Some(name) = pointer.signature() {
                files.remove(&name);
                files.extend(sound.get(&name).map(|signature| (name, signature.clone())));
            }
        }
    }
    Ok(PointerGeneration { number: numbers.last().copied().unwrap_or(0), files })
}

pub(crate) fn read_generation(folder: &Path) -> Result<BTreeMap<Pointer, Arc<[u8]>>, StoreError> {
    let mut files = BTreeMap::new();
    for Found { path, name, is_folder } in list(folder)? {
        if is_folder {
            for file in list(&path)? {
                keep(&mut files, &file.path, &format!("version/{name}/{}", file.name))?;
            }
        } else {
            keep(&mut files, &path, &format!("version/{name}"))?;
        }
    }
    Ok(files)
}

/// The generations on disk up to the current one that are as they were written, ascending.
pub(crate) fn earlier(current: u64, layout: &Layout) -> Result<Vec<PointerGeneration>, StoreError> {
    let mut earlier = Vec::new();
    for found in list(&layout.generations())? {
        let Some(number) = generation_number(&found.name).filter(|number| *number < current) else { continue };
        let read = match read_generation(&found.path) {
            // Removed meanwhile.
            Err(StoreError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => continue,
            other => other?,
        };
        let generation = PointerGeneration { number, files: read };
        if sums::are_those_of(&generation, layout) && !generation.files.is_empty() {
            earlier.push(generation);
        }
    }
    Ok(earlier)
}

/// Other files are left alone and not served.
fn keep(files: &mut BTreeMap<Pointer, Arc<[u8]>>, path: &Path, request: &str) -> Result<(), StoreError> {
    let Some(Resource::Pointer(pointer)) = Resource::from_request_path(request) else { return Ok(()) };
    match regular::read(path, POINTER_LIMIT) {
        Ok(bytes) => drop(files.insert(pointer, bytes.into())),
        Err(error) if regular::is_unfit(&error) => {}
        Err(error) => return Err(StoreError::io(Operation::Read, path, error)),
    }
    Ok(())
}

/// The target of `content/version` for a generation.
pub(crate) fn target(number: u64) -> std::path::PathBuf {
    Path::new(".pointers").join(generation_name(number))
}

fn parse_target(target: &Path) -> Option<u64> {
    generation_number(target.strip_prefix(".pointers").ok()?.to_str()?)
}

/// A version number, or its signature.
pub(crate) const POINTER_LIMIT: u64 = 1 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_changed_pointer_loses_its_old_signature() {
        let format = FormatNumber::new(30).unwrap();
        let set = |entries: &[(Pointer, &str)]| -> PointerSet {
            entries.iter().map(|(pointer, bytes)| (*pointer, bytes.as_bytes().to_vec())).collect()
        };
        let (latest, signature) = (Pointer::Latest(format), Pointer::LatestSignature(format));
        let first = PointerGeneration {
            number: 1,
            files: PointerGeneration::default().merged(&set(&[(latest, "10"), (signature, "s10")])),
        };
        assert!(first.merged(&set(&[(latest, "10")])).contains_key(&signature), "same pointer, same signature");
        assert!(!first.merged(&set(&[(latest, "20")])).contains_key(&signature));
        let both = first.merged(&set(&[(latest, "20"), (signature, "s20")]));
        assert_eq!(&*both[&signature], b"s20");
        assert!(first.merged(&set(&[(Pointer::LatestVersion, "20")])).contains_key(&signature));
    }

    #[test]
    fn targets_are_generations() {
        assert_eq!(parse_target(&target(7)), Some(7));
        assert_eq!(parse_target(&target(123_456_789_012)), Some(123_456_789_012));
        for bad in [
            "",
            ".pointers",
            ".pointers/",
            ".pointers/x",
            ".pointers/00000000",
            ".pointers/7",
            ".pointers/+0000007",
            ".pointers/000000007",
            "/.pointers/00000001",
            ".pointers/00000001/2",
            "00000001",
            ".pointers/18446744073709551615",
            ".pointers/18446744073709551616",
            ".pointers/10000000000000000",
        ] {
            assert_eq!(parse_target(Path::new(bad)), None, "{bad}");
        }
    }
}
