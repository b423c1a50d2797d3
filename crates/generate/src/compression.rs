//! How single files are compressed: several methods are tried, and the smallest result is kept.
//!
//! Mixer's `COMPRESSION` names the methods. Here they are the same formats, made in process. The choice depends on the
//! bytes only.

use clearwell_format::archive::{Codec, DictSize, NiceLength};

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
    /// The methods of a mix that names none.
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

/// A codec with the x86 branch filter, for machine code that it makes smaller, and one without for everything else.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CodecPair {
    pub(crate) filtered: Codec,
    plain: Codec,
}

impl CodecPair {
    /// One codec for everything.
    pub(crate) const fn of(codec: Codec) -> Self {
        Self { filtered: codec, plain: codec }
    }

    /// Clearwell's xz encoder with this window and `nice_length`.
    const fn xz(dict_size: DictSize, nice_length: u16) -> Self {
        let nice_length = NiceLength::new(nice_length).expect("a constant within the lengths of a match");
        Self {
            filtered: Codec::OwnXz { dict_size, nice_length, x86: true },
            plain: Codec::OwnXz { dict_size, nice_length, x86: false },
        }
    }

    /// The same without the filter.
    pub(crate) const fn without_filter(self) -> Self {
        Self::of(self.plain)
    }

    /// The better one for a file. `content` is all of it, or its beginning if it is large.
    pub(crate) fn codec(self, content: &[u8]) -> Codec {
        if is_x86(content) { self.codec_for_code(content) } else { self.plain }
    }

    /// The better one for machine code, of one file or of many.
    pub(crate) fn codec_for_code(self, content: &[u8]) -> Codec {
        if self.filtered != self.plain && filter_pays(content) { self.filtered } else { self.plain }
    }
}

/// For small streams, such as the header in front of a content.
pub(crate) const XZ: Codec = XZ_FILE.plain;
/// For one file: the window of 8 MiB is what small clients can afford.
pub(crate) const XZ_FILE: CodecPair = CodecPair::xz(DictSize::MIB_8, 40);
/// With a window of 32 MiB: for zero packs, where similar files are next to each other.
pub(crate) const XZ_WIDE_WINDOW: CodecPair = CodecPair::xz(DictSize::MAX, 40);
/// For update packs, whose members are very similar: longer matches pay.
pub(crate) const XZ_LONG_MATCHES: CodecPair = CodecPair::xz(DictSize::MAX, 128);
/// A third faster, for a few hundredths more bytes.
pub(crate) const XZ_SHORT_MATCHES: CodecPair = CodecPair::xz(DictSize::MIB_8, 20);

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
