//! Reading regular files only.
//!
//! A FIFO, a socket or a device under the name of a file would be waited for, or read without end; a symbolic link
//! would be read from outside of the store. None of them is ever what a writer of the store left there, so none is
//! opened for reading: the last component of a path is not followed, the opening does not wait, and what is read into
//! memory has a bound.

use std::fs::{File, Metadata, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt};
use std::path::Path;

use rustix::fs::OFlags;

/// What was found instead of a regular file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("it is {0}, not a regular file")]
pub struct NotRegular(&'static str);

/// Opens a regular file for reading.
///
/// # Errors
/// The system's; and [`io::ErrorKind::InvalidInput`] with [`NotRegular`] inside for anything else than a regular file.
pub fn open(path: &Path) -> io::Result<File> {
    open_with(OpenOptions::new().read(true), path)
}

/// The same with other access, such as for appending.
pub(crate) fn open_with(options: &mut OpenOptions, path: &Path) -> io::Result<File> {
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
    let opened = options.custom_flags(i32::try_from(flags.bits()).expect("the flags of open are an int")).open(path);
    let file = match opened {
        // A link is answered with ELOOP, a socket with ENXIO: the file itself tells more.
        Err(error) => return Err(path.symlink_metadata().ok().and_then(|found| refusal(&found)).unwrap_or(error)),
        Ok(file) => file,
    };
    match refusal(&file.metadata()?) {
        Some(refused) => Err(refused),
        None => Ok(file),
    }
}

/// All bytes of a regular file of at most `limit` bytes.
///
/// # Errors
/// As [`open`], and [`io::ErrorKind::FileTooLarge`] for a longer file.
pub fn read(path: &Path, limit: u64) -> io::Result<Vec<u8>> {
    read_bounded(open(path)?, limit)
}

/// All bytes, at most `limit`, of a file that an operator names: a link to a regular file is followed, and what the
/// caller opened for the process (`/dev/stdin`, and `/dev/fd/63` as shells write `<(…)`) may be a pipe.
///
/// # Errors
/// As [`read`].
pub fn read_named(path: &Path, limit: u64) -> io::Result<Vec<u8>> {
    if DESCRIPTORS.iter().any(|descriptors| path.starts_with(descriptors)) {
        return read_bounded(File::open(path)?, limit);
    }
    let flags = i32::try_from(OFlags::NONBLOCK.bits()).expect("the flags of open are an int");
    let file = OpenOptions::new().read(true).custom_flags(flags).open(path);
    match file.and_then(|file| Ok((file.metadata()?, file))) {
        // A socket is answered with ENXIO: the file itself tells more.
        Err(error) => Err(path.metadata().ok().and_then(|found| refusal(&found)).unwrap_or(error)),
        Ok((found, file)) => match refusal(&found) {
            Some(refused) if !is_null(&found) => Err(refused),
            _ => read_bounded(file, limit),
        },
    }
}

/// True for `/dev/null`, which scripts name where they want an empty file. It neither waits nor goes on for ever.
fn is_null(found: &Metadata) -> bool {
    // The number is part of Linux's interface (null(4)).
    found.file_type().is_char_device() && found.rdev() == rustix::fs::makedev(1, 3)
}

fn read_bounded(file: File, limit: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    // One byte more than there may be: a file that grows meanwhile shows.
    file.take(limit.saturating_add(1)).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > limit {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, format!("it has more than {limit} bytes")));
    }
    Ok(bytes)
}

/// Where a process finds what its caller opened for it.
const DESCRIPTORS: [&str; 3] = ["/dev/fd", "/dev/stdin", "/proc/self/fd"];

/// True for the error of something else than a regular file.
pub fn is_refusal(error: &io::Error) -> bool {
    error.get_ref().is_some_and(|inner| inner.is::<NotRegular>())
}

/// True for the error of something that is not a regular file, or is longer than it can be.
pub(crate) fn is_unfit(error: &io::Error) -> bool {
    is_refusal(error) || error.kind() == io::ErrorKind::FileTooLarge
}

fn refusal(found: &Metadata) -> Option<io::Error> {
    let kind = found.file_type();
    let what = match () {
        () if kind.is_file() => return None,
        () if kind.is_dir() => "a folder",
        () if kind.is_symlink() => "a symbolic link",
        () if kind.is_fifo() => "a FIFO",
        () if kind.is_socket() => "a socket",
        () => "a device",
    };
    Some(io::Error::new(io::ErrorKind::InvalidInput, NotRegular(what)))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn only_regular_files_are_opened_and_none_is_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        std::fs::write(at("file"), "text").unwrap();
        std::fs::create_dir(at("folder")).unwrap();
        symlink("file", at("link")).unwrap();
        symlink("loop", at("loop")).unwrap();
        rustix::fs::mkfifoat(rustix::fs::CWD, at("fifo"), 0o600.into()).unwrap();
        rustix::fs::mknodat(rustix::fs::CWD, at("socket"), rustix::fs::FileType::Socket, 0o600.into(), 0).unwrap();

        assert_eq!(read(&at("file"), 4).unwrap(), b"text");
        assert_eq!(read(&at("file"), 3).unwrap_err().kind(), io::ErrorKind::FileTooLarge);
        assert_eq!(open(&at("nothing")).unwrap_err().kind(), io::ErrorKind::NotFound);
        for (name, what) in [
            ("folder", "a folder"),
            ("link", "a symbolic link"),
            ("loop", "a symbolic link"),
            ("fifo", "a FIFO"),
            ("socket", "a socket"),
        ] {
            let error = open(&at(name)).unwrap_err();
            assert!(is_refusal(&error), "{name}: {error}");
            assert!(error.to_string().contains(what), "{error}");
        }
        assert!(open(Path::new("/dev/zero")).unwrap_err().to_string().contains("a device"));
        // Named by an operator; in a store it is as wrong as any.
        assert!(read_named(Path::new("/dev/zero"), 4).unwrap_err().to_string().contains("a device"));
        assert_eq!(read_named(Path::new("/dev/null"), 4).unwrap(), b"");
        assert!(is_refusal(&read(Path::new("/dev/null"), 4).unwrap_err()));
    }
}
