//! Deltas of files, out of packs, applied to installed files (delta §5).
//!
//! The base is found by its hash at any installed path, and only used if the file there still has that hash. No failure
//! here is fatal: files that are not staged afterwards are fetched as fullfiles.

use std::fs;

use clearwell_format::{FileHash, Owner};

use crate::endpoint::{Endpoint, Run, Stop, blocking};
use crate::files::FileList;
use crate::packs::PackedDelta;
use crate::problem::{Problem, reason};
use crate::staging::Object;

impl Endpoint {
    /// Applies deltas to the files of the installed version.
    pub(crate) async fn apply_deltas(
        &mut self,
        run: &mut Run,
        deltas: Vec<PackedDelta>,
        installed: &FileList,
    ) -> Result<(), Stop> {
        if deltas.is_empty() {
            return Ok(());
        }
        let mut bases: Vec<_> =
            installed.present().filter(|file| file.entry.is_file()).map(|file| &file.entry).collect();
        bases.sort_by(|one, other| (one.hash(), &one.path).cmp(&(other.hash(), &other.path)));
        for delta in deltas {
            if self.staging.contains(&delta.name.to) {
                continue;
            }
            let first = bases.partition_point(|entry| entry.hash() < delta.name.from);
            let candidates = bases[first..].iter().take_while(|entry| entry.hash() == delta.name.from);
            let outcome = match &delta.file {
                None => trusted(candidates.count() > 0),
                Some(_) => {
                    let mut base = None;
                    for entry in candidates {
                        if self.disk.look(&entry.path)?.is(entry.hash()) {
                            base = self.disk.content(&entry.path, clearwell_delta::MAX_NEW_SIZE * 8);
                            break;
                        }
                    }
                    self.apply_delta(&delta, base).await?
                }
            };
            match outcome {
                Ok(object) => {
                    run.report.deltas_applied += 1;
                    self.staging.add(delta.name.to, object);
                }
                Err(reason) => {
                    run.report.deltas_failed += 1;
                    run.note(Problem::Delta { resource: delta.pack, delta: Box::new(delta.name), reason });
                }
            }
        }
        Ok(())
    }

    async fn apply_delta(&self, delta: &PackedDelta, base: Option<Vec<u8>>) -> Result<Result<Object, String>, Stop> {
        let (Some(base), Some(file)) = (base, &delta.file) else {
            return Ok(Err(NO_BASE.into()));
        };
        let (path, expected, folder) = (file.path().to_owned(), delta.name.to, self.staging.folder.clone());
        let limit = delta.limit;
        let applied = blocking(move || {
            let delta = fs::read(path).map_err(|error| reason(&error))?;
            let patched = clearwell_delta::patch_within(&base, &delta, limit).map_err(|error| reason(&error))?;
            drop(base);
            let meta = patched.meta;
            let owner = Owner { permissions: meta.mode & 0o7777, uid: meta.uid, gid: meta.gid };
            let hash = FileHash::of_file(&patched.bytes, owner);
            if hash != expected {
                return Err(format!("the result has the hash {hash}"));
            }
            folder.keep(expected, &patched.bytes).map_err(|error| reason(&error))?;
            Ok(Object::file(owner))
        });
        Ok(applied.await?)
    }
}

/// A simulated endpoint has no contents to apply a delta to: it checks only that a base is installed.
fn trusted(has_base: bool) -> Result<Object, String> {
    if has_base { Ok(Object::file(Owner { permissions: 0, uid: 0, gid: 0 })) } else { Err(NO_BASE.into()) }
}

const NO_BASE: &str = "its base is not installed, or was changed";
