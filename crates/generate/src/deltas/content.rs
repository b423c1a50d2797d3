//! Regular files in memory: new ones from the tree or the store, old ones from the store alone.

use std::convert::Infallible;

use clearwell_format::{FileHash, Owner};

use super::eligible::Base;
use super::sketch::Sketch;
use crate::error::BuildError;
use crate::member::{ObjectBody, Objects};
use crate::plan::{Origin, PackItem};

/// A regular file.
pub(crate) struct FileContent {
    pub(crate) owner: Owner,
    pub(crate) bytes: Vec<u8>,
}

/// An old file as an object: its content is in the store.
pub(crate) const fn of_base(base: &Base) -> PackItem {
    PackItem { hash: base.hash, origin: Origin::Fullfile(base.version) }
}

/// Bytes of a file; `None` for directories and links. Of what is in the store only the beginning is read.
pub(crate) fn size(item: PackItem, objects: &Objects<'_>) -> Result<Option<u64>, BuildError> {
    let found: Result<Infallible, HeaderRead> = objects.open(item, |object| match object.body {
        ObjectBody::File { size, .. } => Err(HeaderRead::Size(Some(size))),
        ObjectBody::Directory | ObjectBody::Link(_) => Err(HeaderRead::Size(None)),
    });
    match found {
        Err(HeaderRead::Size(size)) => Ok(size),
        Err(HeaderRead::Failed(error)) => Err(error),
        Ok(never) => match never {},
    }
}

/// The whole file; an error also if its hash is another.
pub(crate) fn read(item: PackItem, objects: &Objects<'_>) -> Result<FileContent, BuildError> {
    let file = objects.open(item, |object| {
        let mut bytes = Vec::new();
        if let ObjectBody::File { content, .. } = object.body {
            content.read_to_end(&mut bytes).map_err(|source| objects.unreadable(item, source))?;
        }
        Ok::<_, BuildError>(FileContent { owner: object.owner, bytes })
    })?;
    if FileHash::of_file(&file.bytes, file.owner) == item.hash { Ok(file) } else { Err(objects.changed(item)) }
}

/// What the file is like.
pub(crate) fn sketch(item: PackItem, objects: &Objects<'_>) -> Result<Sketch, BuildError> {
    objects.open(item, |object| match object.body {
        ObjectBody::File { content, .. } => Sketch::read(content).map_err(|source| objects.unreadable(item, source)),
        ObjectBody::Directory | ObjectBody::Link(_) => Ok(Sketch::default()),
    })
}

/// Ends the reading of an archive as soon as the header of its member was seen.
enum HeaderRead {
    Size(Option<u64>),
    Failed(BuildError),
}

impl From<BuildError> for HeaderRead {
    fn from(error: BuildError) -> Self {
        Self::Failed(error)
    }
}
