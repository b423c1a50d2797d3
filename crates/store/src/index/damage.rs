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
    #[error("it was changed while it was read")]
    Changed,
    /// Too short, or not as long as its header says.
    #[error("its length is not what its header says")]
    Length,
    /// It does not begin like one.
    #[error("it does not begin with the mark of an index")]
    Magic,
    /// Written in another version of the index format.
    #[error("it has the unknown index format {0}")]
    Format(u32),
    /// The bytes do not have the SHA-256 of the trailer.
    #[error("its checksum is wrong")]
    Checksum,
    /// A sound index of another release.
    #[error("it belongs to release {0}")]
    OtherRelease(u32),
    /// The checksum is right, but the rows are not sorted or no artifacts: a wrong writer.
    #[error("its rows are out of order")]
    Order,
}
