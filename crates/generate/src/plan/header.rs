//! The headers of manifests that a plan makes: every field is filled here (manifest §3.1, §5.5 to §5.8).
//!
//! To add a header line to manifests:
//!
//! 1. `clearwell_format::manifest::Header`: the field, its line in `parse.rs` and `write.rs`, and a method of
//!    `FormatNumber` for the formats that have it;
//! 2. here: its value, in [`of_files`] for bundle manifests and `Manifest.full`, in [`of_mom`] for the MoM.
//!
//! Only tests build headers elsewhere in this crate.

use clearwell_format::{BundleName, Header, Manifest, Version};

use super::PlanError;
use crate::inputs::Release;

/// What a bundle states in its header, apart from its files.
pub(super) struct Heading<'a> {
    /// The name of the manifest, for errors.
    pub(super) name: &'a str,
    pub(super) includes: Vec<BundleName>,
    pub(super) also_add: Vec<BundleName>,
}

/// The header of a bundle's manifest or of `Manifest.full`, with `files` lines and `content_size` bytes.
///
/// # Errors
/// [`PlanError::TooLarge`] for more than clients accept.
pub(super) fn of_files(
    heading: Heading<'_>,
    files: u64,
    content_size: u64,
    before: Option<&Manifest>,
    release: &Release,
) -> Result<Header, PlanError> {
    let Heading { name, includes, also_add } = heading;
    let too_large = |what, value, limit| PlanError::TooLarge { manifest: name.to_owned(), what, value, limit };
    let file_count = u32::try_from(files).ok().filter(|&count| count <= Header::MAX_FILE_COUNT);
    let file_count = file_count.ok_or_else(|| too_large("filecount", files, Header::MAX_FILE_COUNT.into()))?;
    if content_size > Header::MAX_CONTENT_SIZE {
        return Err(too_large("contentsize", content_size, Header::MAX_CONTENT_SIZE));
    }
    Ok(Header {
        format: release.format,
        version: release.version,
        previous: before.map(|before| before.header.version),
        // Only the MoM states it (manifest §5.5).
        min_version: None,
        file_count,
        timestamp: release.timestamp,
        content_size,
        includes,
        also_add,
    })
}

/// The header of a MoM with `bundles` entries. `inherited` is the minimum version of the previous release.
pub(super) fn of_mom(bundles: usize, inherited: Option<Version>, release: &Release) -> Header {
    Header {
        format: release.format,
        version: release.version,
        previous: release.previous,
        min_version: release.min_version.or(inherited).filter(|_| release.format.has_min_version()),
        file_count: u32::try_from(bundles).expect("fewer bundles than 2^32"),
        timestamp: release.timestamp,
        content_size: 0,
        includes: Vec::new(),
        also_add: Vec::new(),
    }
}
