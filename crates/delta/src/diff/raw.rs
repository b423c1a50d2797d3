//! The three blocks of a delta before compression.

use super::align::Region;
use crate::control::{TRIPLE_SIZE, Triple};

/// Raw bytes of the control, diff and extra block.
pub(super) struct RawBlocks {
    pub(super) control: Vec<u8>,
    pub(super) diff: Vec<u8>,
    pub(super) extra: Vec<u8>,
}

impl RawBlocks {
    /// `regions` cover `new` without a gap.
    pub(super) fn new(old: &[u8], new: &[u8], regions: &[Region]) -> Self {
        let mut control = Vec::with_capacity(regions.len() * TRIPLE_SIZE);
        let mut diff = Vec::with_capacity(regions.iter().map(|region| region.add).sum());
        let mut extra = Vec::with_capacity(regions.iter().map(|region| region.insert).sum());
        for (index, region) in regions.iter().enumerate() {
            let old_end = region.old + region.add;
            // The last seek leads nowhere; zero is always within the base.
            let next_old = regions.get(index + 1).map_or(old_end, |next| next.old);
            let triple =
                Triple { add: region.add as i64, insert: region.insert as i64, seek: next_old as i64 - old_end as i64 };
            control.extend_from_slice(&triple.to_bytes());
            let (added, inserted) = new[region.new..][..region.add + region.insert].split_at(region.add);
            diff.extend(added.iter().zip(&old[region.old..old_end]).map(|(new, old)| new.wrapping_sub(*old)));
            extra.extend_from_slice(inserted);
        }
        Self { control, diff, extra }
    }
}
