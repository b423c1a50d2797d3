//! What can be wrong with an index.

/// Why an index is not the one a writer left.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IndexDamage {
    /// The file is gone.
    #[error("the file is missing")]
    Missing,
    /// A FIFO, a link, a folder or the like has its name.
    #[error("it is not a regular file")]
    NotAFile,
    /// The file was changed in place, or cut off, after it was opened.
    #[error("it changed while it was being read")]
    Changed,
    /// Too short, or not as long as its header says.
    #[error("its length does not match its header")]
    Length,
    /// It does not begin like one.
    #[error("it does not start with the magic number of an index")]
    Magic,
    /// Written in another version of the index format.
    #[error("it has an unknown index format: {0}")]
    Format(u32),
    /// The bytes do not have the SHA-256 of the trailer.
    #[error("its checksum does not match")]
    Checksum,
    /// A sound index of another release.
    #[error("it belongs to release {0}")]
    OtherRelease(u32),
    /// The checksum is right, but the rows are not sorted or no artifacts: a wrong writer.
    #[error("its rows are out of order")]
    Order,
}
