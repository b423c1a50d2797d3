//! Profiles: the trade-off between build time and size.
//!
//! | Profile | Fullfiles | Zero packs | Update packs |
//! |---|---|---|---|
//! | `small` | the methods of the mix, by default xz with the branch filter, window of 8 MiB | xz, window of 32 MiB | xz, longer matches |
//! | `balanced` | xz with the branch filter, shorter matches | the same | as `small` |
//! | `fast` | zstd -9 | zstd -9, window of 32 MiB | zstd -9 |
//!
//! Clients of every format read all of these: their archive library finds the filter by content (content layout §3). A
//! profile decides on compression only: manifests, hashes and the contents of packs are the same in all.

use std::fmt;
use std::str::FromStr;

use clearwell_format::archive::Codec;

use crate::compression::{CodecPair, Method, XZ, XZ_FILE, XZ_LONG_MATCHES, XZ_SHORT_MATCHES, XZ_WIDE_WINDOW};

/// A trade of build time against bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Profile {
    /// As few bytes as there can be: for releases.
    #[default]
    Small,
    /// A few more bytes in three quarters of the time.
    Balanced,
    /// A fifth more bytes in a quarter of the time: for test mixes.
    Fast,
}

/// The codecs of a pack's streams, which have to be of one kind.
#[derive(Clone, Copy)]
pub(crate) struct Family {
    /// Its name in catalogues.
    pub(crate) name: &'static str,
    /// For small streams, such as folders and headers.
    pub(crate) head: Codec,
    /// For all but machine code.
    pub(crate) others: CodecPair,
    /// For machine code.
    pub(crate) machine_code: CodecPair,
    /// For deltas whose blocks are compressed already.
    pub(crate) stored: CodecPair,
}

impl Family {
    const fn xz(suit: CodecPair) -> Self {
        Self { name: "xz", head: XZ, others: suit.without_filter(), machine_code: suit, stored: XZ_STORED }
    }

    const fn zstd(head: Codec, codec: Codec) -> Self {
        Self {
            name: "zstd",
            head,
            others: CodecPair::of(codec),
            machine_code: CodecPair::of(codec),
            stored: CodecPair::of(head),
        }
    }
}

impl Profile {
    /// All profiles, the smallest bytes first.
    pub const ALL: [Self; 3] = [Self::Small, Self::Balanced, Self::Fast];

    /// Its name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Small => "small",
            Self::Balanced => "balanced",
            Self::Fast => "fast",
        }
    }

    /// The codecs to try for a fullfile. `content` is all of the file, or its beginning if it is large; `methods` are
    /// those of the mix.
    pub(crate) fn file_codecs(self, methods: &[Method], content: &[u8]) -> Vec<Codec> {
        match self {
            Self::Small => methods.iter().map(|method| method.codec(content)).collect(),
            Self::Balanced => vec![XZ_SHORT_MATCHES.codec(content)],
            Self::Fast => vec![QUICK],
        }
    }

    /// The codec of a large program that packs and fullfile share.
    pub(crate) fn shared_codec(self, content: &[u8]) -> Codec {
        match self {
            Self::Small => XZ_FILE.codec(content),
            Self::Balanced => XZ_SHORT_MATCHES.codec(content),
            Self::Fast => QUICK_WIDE,
        }
    }

    /// From this number of bytes on, a program is compressed separately, once for its fullfile and for packs. In a pack with
    /// reused segments a new file has few neighbours to compress with anyway.
    pub(crate) const fn shared_bytes(self, is_fresh: bool) -> u64 {
        match (self, is_fresh) {
            (Self::Small, true) => 4 << 20,
            (Self::Balanced, true) => 512 << 10,
            (Self::Small | Self::Balanced, false) => 64 << 10,
            (Self::Fast, _) => u64::MAX,
        }
    }

    /// True if fullfiles and packs can share contents.
    pub(crate) fn shares(self, methods: &[Method]) -> bool {
        match self {
            Self::Small => methods == [Method::Xz],
            Self::Balanced => true,
            Self::Fast => false,
        }
    }

    /// Of zero packs.
    pub(crate) const fn zero_pack_family(self) -> Family {
        match self {
            Self::Small => Family::xz(XZ_WIDE_WINDOW),
            Self::Balanced => Family::xz(XZ_SHORT_MATCHES),
            Self::Fast => QUICK_FAMILY,
        }
    }

    /// Of update packs.
    pub(crate) const fn update_pack_family(self) -> Family {
        match self {
            Self::Small | Self::Balanced => Family::xz(XZ_LONG_MATCHES),
            Self::Fast => QUICK_FAMILY,
        }
    }

    /// A second one to try for small update packs.
    pub(crate) const fn small_update_family(self) -> Option<Family> {
        match self {
            Self::Small => Some(Family::zstd(Codec::Zstd { level: 19 }, Codec::Zstd { level: 19 })),
            Self::Balanced | Self::Fast => None,
        }
    }
}

impl fmt::Display for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// Not the name of a profile.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("\"{0}\" is not a profile; use small, balanced or fast")]
pub struct InvalidProfile(pub String);

impl FromStr for Profile {
    type Err = InvalidProfile;

    fn from_str(text: &str) -> Result<Self, InvalidProfile> {
        Self::ALL.into_iter().find(|profile| profile.as_str() == text).ok_or_else(|| InvalidProfile(text.to_owned()))
    }
}

const QUICK: Codec = Codec::Zstd { level: 9 };
const QUICK_WIDE: Codec = Codec::ZstdWide { level: 9 };
const QUICK_FAMILY: Family = Family::zstd(QUICK, QUICK_WIDE);
/// Only headers become smaller.
const XZ_STORED: CodecPair = CodecPair::of(Codec::Xz { preset: 0, x86: false });
