//! The pointers of one generation, ready to be served.

use std::collections::BTreeMap;

use clearwell_format::resource::Pointer;
use clearwell_metrics::{FleetMetrics, FormatState, PointerReads};

use crate::object::Object;
use crate::origin::Snapshot;

/// All pointers of one generation, ready to be served.
#[derive(Debug, Default)]
pub(crate) struct Published {
    pub(crate) number: u64,
    pub(crate) formats: Vec<FormatState>,
    pointers: BTreeMap<Pointer, PublishedPointer>,
}

/// One pointer, ready to be served.
#[derive(Debug)]
pub(crate) struct PublishedPointer {
    pub(crate) object: Object,
    /// Counts its reads, if they tell that an endpoint looks for a new version.
    pub(crate) reads: Option<PointerReads>,
}

impl Published {
    pub(crate) fn new(snapshot: &Snapshot, fleet: &FleetMetrics) -> Self {
        let generation = &snapshot.pointers;
        let state = |format| {
            let version = generation.latest(format)?;
            Some(FormatState { format, version, published: snapshot.published.get(&version).copied() })
        };
        let pointers = generation.files.iter().map(|(&pointer, bytes)| {
            let reads = match pointer {
                Pointer::Latest(format) => Some(fleet.latest_reads(format)),
                Pointer::LatestVersion => Some(fleet.latest_version_reads()),
                _ => None,
            };
            (pointer, PublishedPointer { object: Object::of_pointer(pointer, bytes), reads })
        });
        Self {
            number: generation.number,
            formats: generation.formats().filter_map(state).collect(),
            pointers: pointers.collect(),
        }
    }

    pub(crate) fn get(&self, pointer: Pointer) -> Option<&PublishedPointer> {
        self.pointers.get(&pointer)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.pointers.is_empty()
    }

    /// True if a missing pointer may come with a later publication: nothing is published yet, or its format is newer than
    /// all published ones. The missing signature of a published text, as of an unsigned release, will not come.
    pub(crate) fn may_come(&self, pointer: Pointer) -> bool {
        let newest = self.pointers.keys().filter_map(|pointer| pointer.format()).max();
        match (pointer.format(), newest) {
            (_, None) => self.pointers.is_empty(),
            (None, Some(_)) => false,
            (Some(format), Some(newest)) => format > newest,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use clearwell_format::FormatNumber;
    use clearwell_metrics::Metrics;
    use clearwell_store::PointerGeneration;

    use super::*;

    const FORMAT: FormatNumber = FormatNumber::new(30).unwrap();
    const TEXT: Pointer = Pointer::Latest(FORMAT);
    const SIGNATURE: Pointer = Pointer::LatestSignature(FORMAT);

    fn generation(number: u64, files: &[(Pointer, &str)]) -> Published {
        let files = files.iter().map(|(pointer, text)| (*pointer, Arc::from(text.as_bytes()))).collect();
        let snapshot = Snapshot { pointers: PointerGeneration { number, files }, ..Snapshot::default() };
        Published::new(&snapshot, &Metrics::new().fleet)
    }

    #[test]
    fn which_missing_pointers_may_come() {
        let format = |number| FormatNumber::new(number).unwrap();
        let none = generation(0, &[]);
        for pointer in [TEXT, SIGNATURE, Pointer::LatestVersion, Pointer::LatestVersionSignature] {
            assert!(none.may_come(pointer), "{pointer}");
        }
        let unsigned = generation(1, &[(TEXT, "30"), (Pointer::LatestVersion, "30")]);
        for (pointer, may_come) in [
            (SIGNATURE, false),
            (Pointer::First(FORMAT), false),
            (Pointer::LatestVersionSignature, false),
            (Pointer::Staging, false),
            (Pointer::StagingSignature, false),
            (Pointer::Latest(format(29)), false),
            (Pointer::Latest(format(31)), true),
            (Pointer::LatestSignature(format(31)), true),
        ] {
            assert_eq!(unsigned.may_come(pointer), may_come, "{pointer}");
        }
    }
}
