//! An object as a member of an archive: a node of the tree, or the content that an earlier release has.
//!
//! Always true: whatever is appended was hashed while it was read, and had the hash it was asked for. A file that
//! changed since the tree was scanned is an error, never a wrong archive.

use std::io::{self, BufReader, Read, Write};

use clearwell_format::archive::{ArchiveError, TarWriter, read_members};
use clearwell_format::resource::Artifact;
use clearwell_format::{FileHash, FileHasher, FileKind, Owner, Resource, Version};
use clearwell_store::Store;

use crate::error::BuildError;
use crate::plan::{Origin, PackItem, PackPlan};
use crate::tree::root_folder::OpenError;
use crate::tree::{Body, Node, Tree};

/// Where the objects of a release come from.
#[derive(Clone, Copy)]
pub(crate) struct Objects<'a> {
    pub(crate) tree: &'a Tree,
    pub(crate) store: &'a Store,
}

/// Why an archive cannot be made.
#[derive(Debug)]
pub(crate) enum MemberError {
    /// The object cannot be read, or is not what its hash says.
    Object(BuildError),
    /// The archive could not be written.
    Write(io::Error),
}

impl MemberError {
    /// The error of a build that could not make this artifact.
    pub(crate) fn of(self, artifact: &Artifact, version: Version) -> BuildError {
        match self {
            Self::Object(error) => error,
            Self::Write(source) => BuildError::Compress { object: format!("{version}/{artifact}"), source },
        }
    }
}

/// How a member is named after its hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Naming {
    /// `<hash>`, directories too (content layout §4).
    Fullfile,
    /// `staged/<hash>`, with a slash behind a directory (packs §2).
    Staged,
}

impl Naming {
    fn of_file(self, hash: FileHash) -> String {
        match self {
            Self::Fullfile => hash.to_string(),
            Self::Staged => format!("staged/{hash}"),
        }
    }
}

impl Objects<'_> {
    /// Appends an object to an archive.
    pub(crate) fn append<W: Write>(
        &self,
        tar: &mut TarWriter<W>,
        naming: Naming,
        item: PackItem,
    ) -> Result<(), MemberError> {
        self.open(item, |object| append(tar, naming, item, object, || self.changed(item)))
    }

    /// Appends the content of a file to an archive, without a header in front.
    pub(crate) fn append_content<W: Write>(&self, tar: &mut TarWriter<W>, item: PackItem) -> Result<(), MemberError> {
        self.open(item, |object| match object.body {
            ObjectBody::File { size, content } => {
                let write = |reader: &mut dyn Read| tar.content(size, reader);
                let found = hashed(object.owner, size, content, write, || self.changed(item))?;
                if found == item.hash { Ok(()) } else { Err(self.changed(item).into()) }
            }
            ObjectBody::Directory | ObjectBody::Link(_) => Err(self.changed(item).into()),
        })
    }

    /// Appends the header of a file whose content follows by other means.
    pub(crate) fn append_header<W: Write>(
        &self,
        tar: &mut TarWriter<W>,
        naming: Naming,
        item: PackItem,
    ) -> Result<(), MemberError> {
        self.open(item, |object| match object.body {
            ObjectBody::File { size, .. } => {
                let name = naming.of_file(item.hash);
                tar.file_header(name.as_bytes(), object.owner, object.mtime, size).map_err(MemberError::Write)
            }
            ObjectBody::Directory | ObjectBody::Link(_) => Err(self.changed(item).into()),
        })
    }

    /// The first bytes of a file, at most `limit`; empty for directories and links.
    pub(crate) fn start(&self, item: PackItem, limit: u64) -> Result<Vec<u8>, BuildError> {
        self.open(item, |object| {
            let mut start = Vec::new();
            if let ObjectBody::File { content, .. } = object.body {
                content.take(limit).read_to_end(&mut start).map_err(|source| self.unreadable(item, source))?;
            }
            Ok(start)
        })
    }

    /// Bytes that the object adds to a tar. Of what is in the store this is a guess: manifests state no sizes.
    pub(crate) fn tar_bytes(&self, item: PackItem) -> u64 {
        const BLOCK: u64 = 512;
        const GUESS: u64 = 16 << 10;
        BLOCK
            + match item.origin {
                Origin::Tree(id) => match &self.tree.node(id).body {
                    Body::File { size, .. } => size.next_multiple_of(BLOCK),
                    Body::Directory | Body::Link(_) => 0,
                },
                Origin::Fullfile(_) => GUESS,
                Origin::EmptyFile => 0,
            }
    }

    /// Bytes that all objects of a pack take in a tar, likewise.
    pub(crate) fn pack_bytes(&self, plan: &PackPlan) -> u64 {
        plan.items.iter().map(|&item| self.tar_bytes(item)).sum()
    }

    /// A fullfile that the pack would be made from and that the store does not have.
    pub(crate) fn missing_fullfile(&self, plan: &PackPlan) -> Result<Option<Resource>, BuildError> {
        for item in &plan.items {
            if let Origin::Fullfile(version) = item.origin {
                let fullfile = fullfile(version, item.hash);
                if self.store.lookup(&fullfile)?.is_none() {
                    return Ok(Some(*fullfile));
                }
            }
        }
        Ok(None)
    }

    /// False for what is known to be a directory or a link.
    pub(crate) fn may_be_file(&self, item: PackItem) -> bool {
        match item.origin {
            Origin::Tree(id) => matches!(self.tree.node(id).body, Body::File { .. }),
            Origin::Fullfile(_) | Origin::EmptyFile => true,
        }
    }

    /// Opens an object, wherever it is, for `work`.
    pub(crate) fn open<R, E: From<BuildError>>(
        &self,
        item: PackItem,
        work: impl FnOnce(Object<'_>) -> Result<R, E>,
    ) -> Result<R, E> {
        match item.origin {
            Origin::Tree(id) => {
                let node = self.tree.node(id);
                let (owner, mtime) = (node.owner, node.mtime);
                match &node.body {
                    Body::Directory => work(Object { owner, mtime, body: ObjectBody::Directory }),
                    Body::Link(target) => work(Object { owner, mtime, body: ObjectBody::Link(target) }),
                    Body::File { size, .. } => {
                        let mut content = node.open().map_err(|error| unopened(node, error))?;
                        work(Object { owner, mtime, body: ObjectBody::File { size: *size, content: &mut content } })
                    }
                }
            }
            Origin::EmptyFile => {
                let body = ObjectBody::File { size: 0, content: &mut io::empty() };
                work(Object { owner: Owner::MANIFEST, mtime: 0, body })
            }
            Origin::Fullfile(version) => self.open_fullfile(version, item.hash, work),
        }
    }

    fn open_fullfile<R, E: From<BuildError>>(
        &self,
        version: Version,
        hash: FileHash,
        work: impl FnOnce(Object<'_>) -> Result<R, E>,
    ) -> Result<R, E> {
        let resource = fullfile(version, hash);
        if self.store.lookup(&resource).map_err(BuildError::from)?.is_none() {
            return Err(BuildError::NoContent { hash, resource }.into());
        }
        let (file, _) = self.store.open_artifact(&resource).map_err(BuildError::from)?;
        let mut work = Some(work);
        let mut result = None;
        let read = read_members::<FullfileError<E>>(BufReader::with_capacity(64 << 10, file), |member| {
            let work = work.take().ok_or(ArchiveError::MemberCount(2))?;
            let header = member.header;
            let body = match header.kind {
                FileKind::Directory => ObjectBody::Directory,
                FileKind::Link => ObjectBody::Link(&header.target),
                FileKind::File => ObjectBody::File { size: header.size, content: member.body },
            };
            let object = Object { owner: header.owner, mtime: header.mtime, body };
            result = Some(work(object).map_err(FullfileError::Work)?);
            Ok(())
        });
        let archive = |source| BuildError::StoredArchive { resource: resource.clone(), source };
        match read {
            Err(FullfileError::Work(error)) => Err(error),
            Err(FullfileError::Archive(source)) => Err(archive(source).into()),
            Ok(()) => result.ok_or_else(|| archive(ArchiveError::MemberCount(0)).into()),
        }
    }

    /// The error for an object that is not what its hash says.
    pub(crate) fn changed(&self, item: PackItem) -> BuildError {
        match item.origin {
            Origin::Tree(id) => BuildError::SourceChanged { path: self.tree.node(id).location().into_owned() },
            Origin::Fullfile(version) => BuildError::StoredContent { resource: fullfile(version, item.hash) },
            Origin::EmptyFile => unreachable!("only planned for the hash of the empty file"),
        }
    }

    /// The error for an object that cannot be read to its end.
    pub(crate) fn unreadable(&self, item: PackItem, source: io::Error) -> BuildError {
        match item.origin {
            Origin::Tree(id) => BuildError::ReadSource { path: self.tree.node(id).location().into_owned(), source },
            Origin::Fullfile(version) => {
                BuildError::StoredArchive { resource: fullfile(version, item.hash), source: ArchiveError::Read(source) }
            }
            Origin::EmptyFile => unreachable!("no disk is asked for the empty file"),
        }
    }
}

/// An object opened for reading.
pub(crate) struct Object<'r> {
    pub(crate) owner: Owner,
    pub(crate) mtime: u64,
    pub(crate) body: ObjectBody<'r>,
}

/// What an opened object is.
pub(crate) enum ObjectBody<'r> {
    Directory,
    Link(&'r [u8]),
    File { size: u64, content: &'r mut dyn Read },
}

fn append<W: Write>(
    tar: &mut TarWriter<W>,
    naming: Naming,
    item: PackItem,
    object: Object<'_>,
    changed: impl Fn() -> BuildError,
) -> Result<(), MemberError> {
    let Object { owner, mtime, body } = object;
    let name = match (naming, &body) {
        (Naming::Staged, ObjectBody::Directory) => format!("staged/{}/", item.hash),
        _ => naming.of_file(item.hash),
    };
    let name = name.as_bytes();
    let found = match body {
        ObjectBody::Directory => {
            tar.directory(name, owner, mtime).map_err(MemberError::Write)?;
            FileHash::of_directory(owner)
        }
        ObjectBody::Link(target) => {
            tar.link(name, owner, mtime, target).map_err(MemberError::Write)?;
            FileHash::of_link(target, owner)
        }
        ObjectBody::File { size, content } => {
            hashed(owner, size, content, |reader| tar.file(name, owner, mtime, size, reader), &changed)?
        }
    };
    if found == item.hash { Ok(()) } else { Err(changed().into()) }
}

/// The hash of a file's content, found while `write` reads it.
fn hashed(
    owner: Owner,
    size: u64,
    content: &mut dyn Read,
    write: impl FnOnce(&mut dyn Read) -> io::Result<()>,
    changed: impl Fn() -> BuildError,
) -> Result<FileHash, MemberError> {
    let mut reader = Hashing { content, hasher: FileHasher::new(owner, size), count: 0, end: End::NotYet };
    match (write(&mut reader), reader.end) {
        (Ok(()), _) => Ok(reader.hasher.finish()),
        (Err(_), End::Failed(source)) => Err(unreadable_while(changed(), source).into()),
        // The tar writer refuses content of another size than the header states.
        (Err(_), End::Reached) if reader.count != size => Err(changed().into()),
        (Err(_), End::NotYet) if reader.count > size => Err(changed().into()),
        (Err(source), _) => Err(MemberError::Write(source)),
    }
}

/// A failed read of the object that `changed` would name.
fn unreadable_while(changed: BuildError, source: io::Error) -> BuildError {
    match changed {
        BuildError::SourceChanged { path } => BuildError::ReadSource { path, source },
        BuildError::StoredContent { resource } => {
            BuildError::StoredArchive { resource, source: ArchiveError::Read(source) }
        }
        other => other,
    }
}

fn unopened(node: &Node, error: OpenError) -> BuildError {
    let path = node.location().into_owned();
    match error {
        OpenError::Changed => BuildError::SourceChanged { path },
        OpenError::Io(source) => BuildError::ReadSource { path, source },
    }
}

/// Hashes what is read through it, and remembers how reading ended.
struct Hashing<'r> {
    content: &'r mut dyn Read,
    hasher: FileHasher,
    count: u64,
    end: End,
}

enum End {
    NotYet,
    Reached,
    Failed(io::Error),
}

impl Read for Hashing<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.content.read(buffer) {
            Ok(count) => {
                if count == 0 && !buffer.is_empty() {
                    self.end = End::Reached;
                }
                self.hasher.update(&buffer[..count]);
                self.count += count as u64;
                Ok(count)
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Err(error),
            Err(error) => {
                let kind = error.kind();
                self.end = End::Failed(error);
                Err(kind.into())
            }
        }
    }
}

/// Tells the archive's failures from those of the work on its member.
enum FullfileError<E> {
    Archive(ArchiveError),
    Work(E),
}

impl<E> From<ArchiveError> for FullfileError<E> {
    fn from(error: ArchiveError) -> Self {
        Self::Archive(error)
    }
}

impl From<BuildError> for MemberError {
    fn from(error: BuildError) -> Self {
        Self::Object(error)
    }
}

fn fullfile(version: Version, hash: FileHash) -> Box<Resource> {
    Box::new(Resource::of(version, Artifact::Fullfile(hash)))
}
