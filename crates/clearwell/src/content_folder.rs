//! Folders that become content: their mode is released, so it must not depend on the umask.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

/// The mode of folders in content.
pub(crate) const MODE: u32 = 0o755;

/// Creates `path` below `root` with its missing parents, each with [`MODE`]. `root` must exist.
///
/// # Errors
/// If a folder cannot be created, or a file is in its place.
pub(crate) fn make(root: &Path, path: &str) -> io::Result<()> {
    let mut folder = root.to_owned();
    for name in path.split('/') {
        folder.push(name);
        match fs::create_dir(&folder) {
            Ok(()) => fs::set_permissions(&folder, fs::Permissions::from_mode(MODE))?,
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists && folder.is_dir() => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
