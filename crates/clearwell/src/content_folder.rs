//! Folders that become content: their mode is released, so it must not depend on who makes them.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

/// Whatever the umask.
pub(crate) const MODE: u32 = 0o755;

/// Makes `path` below `root`, and what is missing of the folders between, each with [`MODE`].
/// `root` has to be there.
///
/// # Errors
/// The file system's own.
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
