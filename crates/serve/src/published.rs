//! The pointers of one generation, ready to be served.

use std::collections::BTreeMap;

use clearwell_format::resource::Pointer;
use clearwell_metrics::FormatState;
use clearwell_store::PointerGeneration;

use crate::object::Object;

/// All pointers of one generation, ready to be served.
#[derive(Debug, Default)]
pub(crate) struct Published {
    pub(crate) number: u64,
    pub(crate) formats: Vec<FormatState>,
    objects: BTreeMap<Pointer, Object>,
}

impl Published {
    pub(crate) fn new(generation: &PointerGeneration) -> Self {
        let formats = generation.formats();
        Self {
            number: generation.number,
            formats: formats
                .filter_map(|format| Some(FormatState { format, version: generation.latest(format)? }))
                .collect(),
            objects: generation
                .files
                .iter()
                .map(|(pointer, bytes)| (*pointer, Object::of_pointer(*pointer, bytes)))
                .collect(),
        }
    }

    pub(crate) fn get(&self, pointer: Pointer) -> Option<&Object> {
        self.objects.get(&pointer)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.objects.is_empty()
    }

    /// True if a missing pointer may come with a later publication: nothing is published yet, or its format is newer than
    /// all published ones. The missing signature of a published text, as of an unsigned release, will not come.
    pub(crate) fn may_come(&self, pointer: Pointer) -> bool {
        let newest = self.objects.keys().filter_map(|pointer| pointer.format()).max();
        match (pointer.format(), newest) {
            (_, None) => self.objects.is_empty(),
            (None, Some(_)) => false,
            (Some(format), Some(newest)) => format > newest,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use clearwell_format::FormatNumber;

    use super::*;

    const FORMAT: FormatNumber = FormatNumber::new(30).unwrap();
    const TEXT: Pointer = Pointer::Latest(FORMAT);
    const SIGNATURE: Pointer = Pointer::LatestSignature(FORMAT);

    fn generation(number: u64, files: &[(Pointer, &str)]) -> Published {
        let files = files.iter().map(|(pointer, text)| (*pointer, Arc::from(text.as_bytes()))).collect();
        Published::new(&PointerGeneration { number, files })
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
