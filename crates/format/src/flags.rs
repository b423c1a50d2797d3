//! The four flag bytes in front of a manifest entry (manifest §2).
//!
//! ```text
//! F . e x     type, status, optimisation modifier, misc
//! ```
//!
//! | Byte | In a bundle manifest | In a MoM |
//! |---|---|---|
//! | 1, type | [`State`](crate::manifest::State), with byte 2 | [`MomKind`](crate::mom::MomKind) |
//! | 2, status | [`State`](crate::manifest::State), with byte 1 | [`MomStatus`](crate::mom::MomStatus) |
//! | 3, modifier | [`Modifier`] | [`Modifier`]; generators write `.` |
//! | 4, misc | [`Misc`] | [`Misc`] |
//!
//! Clients give every byte a meaning, also those that current generators do not write: older ones put `C`
//! (configuration), `s` (state) or `b` (boot) into byte 3. What is parsed here is that meaning. A manifest that is not
//! changed keeps the bytes it was read from ([`Manifest::parse`](crate::Manifest::parse)).

mod modifier;

pub use modifier::{Modifier, Variant, VariantSet};

/// An enum with one variant per byte; every other byte is parsed as the variant `other`.
macro_rules! flag_byte {
    ($type:ident: $($variant:ident = $byte:literal),+; other: $other:ident) => {
        impl $type {
            /// Parses the byte; a byte without a variant is the same as the default.
            pub const fn parse(byte: u8) -> Self {
                match byte {
                    $($byte => Self::$variant,)+
                    _ => Self::$other,
                }
            }

            /// The byte.
            pub const fn to_byte(self) -> u8 {
                match self {
                    $(Self::$variant => $byte,)+
                }
            }
        }
    };
}

pub(crate) use flag_byte;

/// Byte 4: other marks of an entry.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Misc {
    /// `.`
    #[default]
    None,
    /// `r`, deprecated: differs from none when a generator compares entries, and is not written by it.
    Renamed,
    /// `m`, made by a mix; historical, kept.
    Mix,
    /// `x`, an executable that third-party installations wrap in a script.
    Exported,
}

flag_byte!(Misc: None = b'.', Renamed = b'r', Mix = b'm', Exported = b'x'; other: None);

impl Misc {
    /// The mark of an entry that is copied into a later manifest: without the mark of a rename, as the reference does.
    #[must_use]
    pub const fn carried(self) -> Self {
        match self {
            Self::Renamed => Self::None,
            other => other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_with_a_meaning_come_back_and_others_have_none() {
        let own: Vec<u8> = (0..=255).filter(|byte| Misc::parse(*byte).to_byte() == *byte).collect();
        assert_eq!(own, b".mrx");
        assert_eq!(Misc::parse(b'?'), Misc::None);
        assert_eq!(Misc::parse(b'r').carried(), Misc::None);
        assert_eq!(Misc::parse(b'm').carried(), Misc::Mix);
    }
}
