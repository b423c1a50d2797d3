//! Byte 3 of the flags: the optimised builds of a path (manifest §2.3).
//!
//! ```text
//! path in a tree      flags     path in a manifest
//! /V3/usr/bin/x       F.e.      /usr/bin/x           this entry: the AVX2 build; the path has AVX2
//! /usr/bin/x          F.a.      /usr/bin/x           this entry: the baseline;   the path has AVX2
//! ```
//!
//! The byte is an index into a table of 64 characters, of which the first twenty have a meaning: the build of the entry
//! and the set of optimised builds of its path. All entries of one path have the same set.

/// Byte 3: which optimised build of a path this entry is, and which builds the path has (manifest §2.3).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Modifier(u8);

impl Modifier {
    /// The baseline build of a path that has no other.
    pub const NONE: Self = Self(0);

    /// The modifier of build `variant` on a path that has the builds of `available` and the baseline.
    /// `None` if `variant` itself is not among them.
    pub fn new(variant: Variant, available: VariantSet) -> Option<Self> {
        let index = MEANINGS.iter().position(|meaning| *meaning == (variant, available))?;
        Some(Self(u8::try_from(index).expect("twenty meanings")))
    }

    /// Parses the byte. Bytes outside the table of 64 are the baseline, as `C`, `s` and `b` of older generators.
    pub const fn parse(byte: u8) -> Self {
        Self(INDICES[byte as usize])
    }

    /// The byte.
    pub const fn to_byte(self) -> u8 {
        TABLE[self.0 as usize]
    }

    /// Build of this entry and builds of its path; `None` for the indices 20 to 63, which clients skip.
    pub fn meaning(self) -> Option<(Variant, VariantSet)> {
        MEANINGS.get(usize::from(self.0)).copied()
    }
}

impl std::fmt::Debug for Modifier {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        char::from(self.to_byte()).fmt(f)
    }
}

/// A build of a file for a level of processor. Orders from the baseline up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Variant {
    /// The baseline, without a prefix.
    Sse,
    /// `/V3`, x86-64-v3.
    Avx2,
    /// `/V4`, x86-64-v4.
    Avx512,
    /// `/VA`, APX.
    Apx,
}

impl Variant {
    /// The optimised builds, in the order of their bits in a [`VariantSet`].
    pub const OPTIMISED: [Self; 3] = [Self::Avx2, Self::Avx512, Self::Apx];

    /// The folder of the build in a tree; empty for the baseline.
    pub const fn prefix(self) -> &'static str {
        match self {
            Self::Sse => "",
            Self::Avx2 => "/V3",
            Self::Avx512 => "/V4",
            Self::Apx => "/VA",
        }
    }

    /// Splits a path in a tree into build and installed path. The test has no slash after the prefix, as in the
    /// reference: `/VAR/f` is the build VA of `R/f`, so such top-level names are reserved.
    pub fn split(path: &[u8]) -> (Self, &[u8]) {
        for variant in Self::OPTIMISED {
            if let Some(rest) = path.strip_prefix(variant.prefix().as_bytes()) {
                return (variant, rest);
            }
        }
        (Self::Sse, path)
    }
}

/// The optimised builds that exist of one path.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct VariantSet(u8);

impl VariantSet {
    /// The set with `variant` added. The baseline is always there and has no bit.
    #[must_use]
    pub const fn with(self, variant: Variant) -> Self {
        Self(
            self.0
                | match variant {
                    Variant::Sse => 0,
                    Variant::Avx2 => 1,
                    Variant::Avx512 => 2,
                    Variant::Apx => 4,
                },
        )
    }

    /// True if the path has this build.
    pub const fn contains(self, variant: Variant) -> bool {
        self.with(variant).0 == self.0
    }

    /// True if the path has the baseline only.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }
}

/// Index to byte. `b`, `s` and `C` are not in it.
const TABLE: &[u8; 64] = b".acdefghijklmnopqrtuvwxyzABDEFGHIJKLMNOPQRSTUVWXYZ0123456789!#^*";

/// Byte to index; 0 for bytes that are not in the table.
const INDICES: [u8; 256] = {
    let mut indices = [0; 256];
    let mut index = 0;
    while index < TABLE.len() {
        indices[TABLE[index] as usize] = index as u8;
        index += 1;
    }
    indices
};

/// Index to meaning, for the twenty indices that have one.
const MEANINGS: [(Variant, VariantSet); 20] = {
    use Variant::{Apx, Avx2, Avx512, Sse};
    [
        (Sse, VariantSet(0)),
        (Sse, VariantSet(1)),
        (Sse, VariantSet(2)),
        (Sse, VariantSet(3)),
        (Avx2, VariantSet(1)),
        (Avx2, VariantSet(3)),
        (Avx512, VariantSet(2)),
        (Avx512, VariantSet(3)),
        (Sse, VariantSet(4)),
        (Sse, VariantSet(5)),
        (Sse, VariantSet(6)),
        (Sse, VariantSet(7)),
        (Avx2, VariantSet(5)),
        (Avx2, VariantSet(7)),
        (Avx512, VariantSet(6)),
        (Avx512, VariantSet(7)),
        (Apx, VariantSet(4)),
        (Apx, VariantSet(5)),
        (Apx, VariantSet(6)),
        (Apx, VariantSet(7)),
    ]
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_defined_modifier_comes_back() {
        let mut bytes = Vec::new();
        for (variant, set) in MEANINGS {
            let modifier = Modifier::new(variant, set).unwrap();
            assert_eq!(modifier.meaning(), Some((variant, set)));
            assert_eq!(Modifier::parse(modifier.to_byte()), modifier);
            bytes.push(modifier.to_byte());
        }
        assert_eq!(bytes, b".acdefghijklmnopqrtu");
    }

    #[test]
    fn bytes_outside_the_table_are_the_baseline() {
        let own = (0..=255).filter(|byte| Modifier::parse(*byte).to_byte() == *byte).count();
        assert_eq!(own, 64);
        for missing in *b"bsC&\0\xff" {
            assert_eq!(Modifier::parse(missing), Modifier::NONE);
        }
        assert_eq!(Modifier::parse(b'v').meaning(), None);
    }

    #[test]
    fn a_variant_is_in_its_own_set() {
        assert_eq!(Modifier::new(Variant::Avx2, VariantSet::default()), None);
        assert_eq!(Modifier::new(Variant::Avx512, VariantSet::default().with(Variant::Avx2)), None);
    }

    #[test]
    fn the_prefix_test_has_no_slash() {
        assert_eq!(Variant::split(b"/V3/usr/bin/a"), (Variant::Avx2, &b"/usr/bin/a"[..]));
        assert_eq!(Variant::split(b"/VAR/f"), (Variant::Apx, &b"R/f"[..]));
        assert_eq!(Variant::split(b"/V5/f"), (Variant::Sse, &b"/V5/f"[..]));
    }
}
