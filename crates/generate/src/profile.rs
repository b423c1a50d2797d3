//! How much time a build gives for how few bytes.
//!
//! | Profile | Fullfiles | Packs for new installations | Packs for updates |
//! |---|---|---|---|
//! | `small` | the methods of the mix, by default xz with the branch filter, window of 8 MiB | xz, window of 32 MiB | xz, longer matches |
//! | `balanced` | xz with the branch filter, shorter matches | the same | as `small` |
//! | `fast` | zstd -9 | zstd -9, window of 32 MiB | zstd -9 |
//!
//! Clients of every format read all of these: their archive library finds the filter by content (content layout 3). A
//! profile decides on compression only: manifests, hashes and what a pack holds are the same in all.

use std::fmt;
use std::str::FromStr;

use clearwell_format::archive::Codec;

use crate::compression::{
    BRISK_XZ, BRISK_XZ_X86, Method, XZ, XZ_SOLID, XZ_SOLID_X86, XZ_WIDE, XZ_WIDE_X86, XZ_X86, x86_filter_pays,
};
use crate::executable::is_x86;

/// A trade of time against bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Profile {
    /// As few bytes as there can be: for releases.
    #[default]
    Small,
    /// Some bytes more for a third of the time less.
    Balanced,
    /// A fifth more bytes, in a tenth of the time: for test mixes.
    Fast,
}

/// The codecs of a pack's streams, which have to be of one kind.
pub(crate) struct Family {
    /// Its name in catalogues.
    pub(crate) name: &'static str,
    /// For what is small.
    pub(crate) plain: Codec,
    /// To try for all but machine code.
    pub(crate) others: &'static [Codec],
    /// To try for machine code.
    pub(crate) machine_code: &'static [Codec],
    /// For what is compressed already.
    pub(crate) stored: &'static [Codec],
}

impl Family {
    /// For the few bytes in front of others.
    pub(crate) const fn head(&'static self) -> &'static [Codec] {
        std::slice::from_ref(&self.plain)
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

    /// The codecs to try for a fullfile of `size` bytes. `content` is all of it, or its beginning if it is large;
    /// `methods` are those of the mix.
    pub(crate) fn file_codecs(self, methods: &[Method], content: &[u8], size: usize) -> Vec<Codec> {
        match self {
            Self::Small => methods.iter().flat_map(|method| method.codecs(content, size)).copied().collect(),
            Self::Balanced => vec![if is_x86(content) && x86_filter_pays(content) { BRISK_XZ_X86 } else { BRISK_XZ }],
            Self::Fast => vec![QUICK],
        }
    }

    /// The codec of a large program that packs and fullfile share.
    pub(crate) fn shared_codec(self, content: &[u8]) -> Codec {
        match self {
            Self::Small if is_x86(content) && x86_filter_pays(content) => XZ_X86,
            Self::Small => XZ,
            Self::Balanced if is_x86(content) && x86_filter_pays(content) => BRISK_XZ_X86,
            Self::Balanced => BRISK_XZ,
            Self::Fast => QUICK_WIDE,
        }
    }

    /// From how many bytes on a program is compressed by itself, for its fullfile and for packs at once. In a pack with
    /// old segments there is little company for a new file anyway.
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

    /// Of packs for new installations.
    pub(crate) const fn install_family(self) -> &'static Family {
        match self {
            Self::Small => &Family {
                name: "xz",
                plain: XZ,
                others: &[XZ_WIDE],
                machine_code: &[XZ_WIDE_X86, XZ_WIDE],
                stored: XZ_STORED,
            },
            Self::Balanced => &Family {
                name: "xz",
                plain: XZ,
                others: &[BRISK_XZ],
                machine_code: &[BRISK_XZ_X86, BRISK_XZ],
                stored: XZ_STORED,
            },
            Self::Fast => QUICK_FAMILY,
        }
    }

    /// Of packs for updates. Where there are few deltas, the plain codecs may do as well.
    pub(crate) const fn update_family(self) -> &'static Family {
        match self {
            Self::Small | Self::Balanced => &Family {
                name: "xz",
                plain: XZ,
                others: &[XZ_SOLID, XZ],
                machine_code: &[XZ_SOLID_X86, XZ_X86, XZ_SOLID],
                stored: XZ_STORED,
            },
            Self::Fast => QUICK_FAMILY,
        }
    }

    /// A second one to try for small packs for updates.
    pub(crate) const fn second_update_family(self) -> Option<&'static Family> {
        match self {
            Self::Small => Some(&Family {
                name: "zstd",
                plain: Codec::Zstd { level: 19 },
                others: &[Codec::Zstd { level: 19 }],
                machine_code: &[Codec::Zstd { level: 19 }],
                stored: &[Codec::Zstd { level: 19 }],
            }),
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
#[error("\"{0}\" is no profile: use small, balanced or fast")]
pub struct InvalidProfile(pub String);

impl FromStr for Profile {
    type Err = InvalidProfile;

    fn from_str(text: &str) -> Result<Self, InvalidProfile> {
        Self::ALL.into_iter().find(|profile| profile.as_str() == text).ok_or_else(|| InvalidProfile(text.to_owned()))
    }
}

const QUICK: Codec = Codec::Zstd { level: 9 };
const QUICK_WIDE: Codec = Codec::ZstdWide { level: 9 };
const QUICK_FAMILY: &Family =
    &Family { name: "zstd", plain: QUICK, others: &[QUICK_WIDE], machine_code: &[QUICK_WIDE], stored: &[QUICK] };
/// Nothing is to be gained but on headers.
const XZ_STORED: &[Codec] = &[Codec::Xz { preset: 0, x86: false }];
