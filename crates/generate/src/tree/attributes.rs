//! Extended attributes: swupd content has none (hash §5), so endpoints get files without the attributes that they
//! have in the tree.
//!
//! Only names are read. A file on a file system that has no such attributes has none.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{CStr, OsStr};
use std::io;
use std::os::fd::{AsFd, AsRawFd as _, BorrowedFd};
use std::os::unix::ffi::OsStrExt as _;

use clearwell_format::EntryPath;
use rustix::fs::{flistxattr, flistxattr_query, llistxattr, llistxattr_query};
use rustix::io::Errno;

use crate::inputs::Warning;

/// Attributes by name, with the paths that have them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Attributes(BTreeMap<String, BTreeSet<EntryPath>>);

impl Attributes {
    /// Adds an attribute of a path.
    pub fn add(&mut self, name: String, path: EntryPath) {
        self.0.entry(name).or_default().insert(path);
    }

    /// Adds those of another tree.
    pub fn extend(&mut self, other: Self) {
        for (name, mut paths) in other.0 {
            self.0.entry(name).or_default().append(&mut paths);
        }
    }

    /// A warning for each name. File capabilities come first: programs fail without them.
    pub fn warnings(&self) -> Vec<Warning> {
        let mut names: Vec<_> = self.0.iter().collect();
        names.sort_by_key(|(name, _)| *name != CAPABILITY);
        let warning = |(name, paths): (&String, &BTreeSet<EntryPath>)| Warning::LostAttribute {
            name: name.clone(),
            paths: paths.iter().take(SHOWN_PATHS).cloned().collect(),
            total: paths.len(),
        };
        names.into_iter().map(warning).collect()
    }
}

/// The names of an open file's or folder's attributes.
pub(super) fn names(object: impl AsFd) -> io::Result<Vec<String>> {
    let object = object.as_fd();
    listed(|buffer| flistxattr(object, buffer), || flistxattr_query(object))
}

/// The names of a link's attributes. A link cannot be opened to be asked for them, so it is asked for by the descriptor
/// of its folder; where `/proc` is not mounted, it has none.
pub(super) fn names_of_link(folder: BorrowedFd<'_>, name: &CStr) -> io::Result<Vec<String>> {
    let mut path = format!("/proc/self/fd/{}/", folder.as_raw_fd()).into_bytes();
    path.extend_from_slice(name.to_bytes());
    let path = OsStr::from_bytes(&path);
    match listed(|buffer| llistxattr(path, buffer), || llistxattr_query(path)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        result => result,
    }
}

fn listed(
    list: impl Fn(&mut [u8]) -> rustix::io::Result<usize>,
    length: impl Fn() -> rustix::io::Result<usize>,
) -> io::Result<Vec<String>> {
    let mut few = [0; FEW];
    match list(&mut few) {
        Ok(length) => return Ok(split(&few[..length])),
        Err(Errno::OPNOTSUPP | Errno::NOSYS) => return Ok(Vec::new()),
        Err(Errno::RANGE) => {}
        Err(error) => return Err(error.into()),
    }
    // More may come between the two questions; they are asked again then.
    loop {
        let mut many = vec![0; length()?];
        match list(&mut many) {
            Ok(length) => return Ok(split(&many[..length])),
            Err(Errno::RANGE) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

fn split(list: &[u8]) -> Vec<String> {
    let names = list.split(|&byte| byte == 0).filter(|name| !name.is_empty());
    names.map(|name| String::from_utf8_lossy(name).into_owned()).collect()
}

/// What the list of a file usually fits into. Most have none.
const FEW: usize = 256;
/// Paths that a warning names.
const SHOWN_PATHS: usize = 10;
/// File capabilities.
pub(crate) const CAPABILITY: &str = "security.capability";

#[cfg(test)]
mod tests {
    use rustix::fs::{XattrFlags, lsetxattr};

    use super::*;

    #[test]
    fn all_names_are_listed_however_many_there_are() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("file");
        std::fs::write(&file, "").unwrap();
        let names_of_file = || names(std::fs::File::open(&file).unwrap()).unwrap();
        assert_eq!(names_of_file(), Vec::<String>::new());
        let wanted: Vec<String> = (10..40).map(|number| format!("user.attribute-{number}")).collect();
        for name in &wanted {
            match lsetxattr(&file, name.as_str(), b"value", XattrFlags::empty()) {
                Ok(()) => {}
                Err(Errno::OPNOTSUPP) => {
                    let lost = "long lists of attributes are not read";
                    return clearwell_testkit::skipped(format!("{} has none: {lost}", dir.path().display()));
                }
                Err(error) => panic!("{error}"),
            }
        }
        let mut found = names_of_file();
        found.retain(|name| name.starts_with("user."));
        found.sort();
        assert_eq!(found, wanted);
        // A link does not have the attributes of its target.
        let link = dir.path().join("link");
        std::os::unix::fs::symlink("file", &link).unwrap();
        let folder = std::fs::File::open(dir.path()).unwrap();
        let of_link = names_of_link(folder.as_fd(), c"link").unwrap();
        assert!(of_link.iter().all(|name| !name.starts_with("user.")));
    }

    #[test]
    fn capabilities_come_first_and_lists_are_bounded() {
        let mut attributes = Attributes::default();
        let path = |number: u32| format!("/usr/bin/{number:03}").parse::<EntryPath>().unwrap();
        for number in 0..300 {
            attributes.add("security.selinux".into(), path(number));
        }
        attributes.add("user.x".into(), path(1));
        let mut other = Attributes::default();
        other.add("user.x".into(), path(1));
        other.add(CAPABILITY.into(), path(7));
        attributes.extend(other);
        let told: Vec<String> = attributes.warnings().iter().map(ToString::to_string).collect();
        assert_eq!(told.len(), 3);
        assert!(told[0].starts_with("endpoints get /usr/bin/007 without file capabilities"), "{}", told[0]);
        assert!(told[1].contains("/usr/bin/009") && !told[1].contains("/usr/bin/010"), "{}", told[1]);
        assert!(told[1].contains("and 290 more"), "{}", told[1]);
        assert!(told[2].contains("/usr/bin/001") && !told[2].contains("more"), "{}", told[2]);
    }
}
