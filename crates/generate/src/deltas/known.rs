//! Deltas of earlier packs: those of an interrupted run, and of earlier releases.
//!
//! A pack from 20 in the folder of 30 and one in that of 40 share the deltas of all files that last changed in 30.
//! The store has no second copy of deltas: they are extracted from its packs, and applied and hashed before they are
//! used, as new ones are.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{self, BufReader};

use clearwell_format::archive::{ArchiveError, read_members};
use clearwell_format::pack::{DeltaName, PackMember};
use clearwell_format::{FileHash, Resource};
use clearwell_store::Draft;

use super::spool::{Spool, Spooled};
use super::subject::Subject;
use crate::error::BuildError;

/// The deltas of earlier packs that these packs can use. Packs that cannot be read are skipped.
///
/// # Errors
/// [`BuildError::Store`] if the index of a release or the spool cannot be read or written.
pub(crate) fn deltas(
    subjects: &[Subject<'_>],
    draft: &Draft<'_>,
    spool: &Spool,
) -> Result<BTreeMap<DeltaName, Spooled>, BuildError> {
    let wanted: BTreeSet<FileHash> =
        subjects.iter().flat_map(|subject| &subject.targets).map(|target| target.item.hash).collect();
    let store = draft.store();
    let mut known = BTreeMap::new();
    let releases = store.releases()?;
    for subject in subjects {
        let artifact = subject.plan.artifact();
        if let Some(file) = draft.existing(&artifact)? {
            take(file, &wanted, spool, &mut known);
        }
        let between =
            releases.iter().filter(|&&version| Some(version) > subject.plan.from && version <= subject.plan.to);
        for &version in between {
            let resource = Resource::of(version, artifact.clone());
            // A damaged or missing one may be the one that is being built again.
            if store.lookup(&resource)?.is_some()
                && let Ok((file, _)) = store.open_artifact(&resource)
            {
                take(file, &wanted, spool, &mut known);
            }
        }
    }
    Ok(known)
}

/// Extracts the wanted deltas of a pack, as far as it can be read.
fn take(pack: File, wanted: &BTreeSet<FileHash>, spool: &Spool, known: &mut BTreeMap<DeltaName, Spooled>) {
    // Damage ends the reading; what was read before it is still valid.
    let _ = read_members::<ArchiveError>(BufReader::with_capacity(64 << 10, pack), |mut member| {
        let Some(PackMember::Delta(name)) = PackMember::parse(&member.header.name) else { return Ok(()) };
        if wanted.contains(&name.to) && !known.contains_key(&name) && member.header.size <= MOST_BYTES {
            let bytes = member.content(MOST_BYTES)?;
            known.insert(name, spool.keep(&bytes).map_err(|error| ArchiveError::Write(io::Error::other(error)))?);
        }
        Ok(())
    });
}

/// Larger deltas are computed again: reading them would take memory that no budget has reserved.
const MOST_BYTES: u64 = 64 << 20;
