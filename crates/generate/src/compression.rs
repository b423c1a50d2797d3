//! How single files are compressed: several methods tried, the smallest kept.
//!
//! Mixer's `COMPRESSION` names the methods; ours are the same formats made in process. What is kept depends on the bytes
//! and on nothing else.

use clearwell_format::archive::{Codec, Nice, Window};

use crate::branches::filter_pays;
use crate::executable::is_x86;

/// A compression format for files (content layout §4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Method {
    /// xz, with the x86 branch filter where it pays.
    Xz,
    /// gzip -9.
    Gzip,
    /// bzip2 -9.
    Bzip2,
    /// zstd -19.
    Zstd,
}

impl Method {
    /// What is used where nothing else is said.
    pub const DEFAULT: &[Self] = &[Self::Xz];

    /// Reads a name of mixer's `COMPRESSION`; `None` for names that mixer does not know either.
    pub fn from_mixer(name: &str) -> Option<Self> {
        match name {
            "external-xz" => Some(Self::Xz),
            "external-gzip" => Some(Self::Gzip),
            "external-bzip2" => Some(Self::Bzip2),
            "external-zstd" => Some(Self::Zstd),
            _ => None,
        }
    }

    /// The codec for a file. `content` is all of it, or its beginning if it is large.
    pub(crate) fn codec(self, content: &[u8]) -> Codec {
        match self {
            Self::Xz => XZ_FILE.codec(content),
            Self::Gzip => Codec::Gzip { level: 9 },
            Self::Bzip2 => Codec::Bzip2 { level: 9 },
            Self::Zstd => Codec::Zstd { level: 19 },
        }
    }
}

/// A codec for machine code that the x86 branch filter makes smaller, and one for everything else.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Suit {
    pub(crate) filtered: Codec,
    plain: Codec,
}

impl Suit {
    /// One codec for everything.
    pub(crate) const fn of(codec: Codec) -> Self {
        Self { filtered: codec, plain: codec }
    }

    /// Own xz with this window and these longest matches.
    const fn xz(window: Window, nice: u16) -> Self {
        let nice = Nice::new(nice).expect("a constant that a match can have");
        Self { filtered: Codec::OwnXz { window, nice, x86: true }, plain: Codec::OwnXz { window, nice, x86: false } }
    }

    /// The same without the filter.
    pub(crate) const fn without_filter(self) -> Self {
        Self::of(self.plain)
    }

    /// What suits a file. `content` is all of it, or its beginning if it is large.
    pub(crate) fn codec(self, content: &[u8]) -> Codec {
        if is_x86(content) { self.codec_for_code(content) } else { self.plain }
    }

    /// What suits machine code, of one file or of many.
    pub(crate) fn codec_for_code(self, content: &[u8]) -> Codec {
        if self.filtered != self.plain && filter_pays(content) { self.filtered } else { self.plain }
    }
}

/// For the few bytes in front of others.
pub(crate) const XZ: Codec = XZ_FILE.plain;
/// For one file: the window of 8 MiB is what small clients can afford.
pub(crate) const XZ_FILE: Suit = Suit::xz(Window::MIB_8, 40);
/// With a window of 32 MiB: for packs, in which files stand side by side that are alike.
pub(crate) const XZ_WIDE: Suit = Suit::xz(Window::LARGEST, 40);
/// For packs for updates: what they hold is much alike.
pub(crate) const XZ_SOLID: Suit = Suit::xz(Window::LARGEST, 128);
/// For those in a hurry.
pub(crate) const XZ_BRISK: Suit = Suit::xz(Window::MIB_8, 20);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_mixer_are_known() {
        assert_eq!(Method::from_mixer("external-xz"), Some(Method::Xz));
        assert_eq!(Method::from_mixer("external-zstd"), Some(Method::Zstd));
        assert_eq!(Method::from_mixer("xz"), None);
    }
}
