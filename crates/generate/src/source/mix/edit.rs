//! The files of a workspace that are updated after a release, as mixer does (mixer workspace §3, manifest
//! §5.12).
//!
//! | Release | `image/LAST_VER` | `mixer.state` | `mixversion` | `groups.ini`, `mixbundles` |
//! |---|---|---|---|---|
//! | ordinary | the version | – | – | – |
//! | ordinary, incremented | the version | format and version | the next version | – |
//! | first half of a format bump | – | – | when incremented: that of the second half | – |
//! | second half | the version | format and version | the version; when incremented the next | without deprecated bundles |
//!
//! The first half leaves no trace, because the second is built on the release before it. Each file is replaced as a
//! whole, with the owner and mode that it had; `mixversion` comes last.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::os::unix::fs::{MetadataExt as _, chown};
use std::path::Path;

use clearwell_format::{BundleName, Version};

use super::{LAST_VER, Workspace, groups, state};
use crate::bump::FormatBump;
use crate::inputs::Release;
use crate::source::{SourceError, read_text};

impl Workspace {
    /// Writes down what was released, and `next` as the version to build if it is given. Bundles in `gone` leave the mix.
    ///
    /// # Errors
    /// If a file cannot be read or written. What was written before it stays.
    pub fn write_down(
        &self,
        built: &Release,
        bump: Option<FormatBump>,
        gone: &[BundleName],
        next: Option<Version>,
    ) -> Result<(), SourceError> {
        if !gone.is_empty() {
            self.take_out(gone)?;
        }
        if bump != Some(FormatBump::Old) {
            if next.is_some() || bump.is_some() {
                replace(&self.dir.join("mixer.state"), &state::to_text(built.format, built.version))?;
            }
            replace(&self.conf.state.join(LAST_VER), &built.version.to_string())?;
        }
        match next.or((bump == Some(FormatBump::New)).then_some(built.version)) {
            Some(version) => replace(&self.version_file, &version.to_string()),
            None => Ok(()),
        }
    }

    fn take_out(&self, gone: &[BundleName]) -> Result<(), SourceError> {
        let edit = |path: &Path, without: &dyn Fn(&str) -> String| match read_text(path)? {
            Some(text) => replace(path, &without(&text)),
            None => Ok(()),
        };
        edit(&self.conf.state.join("groups.ini"), &|text| groups::without(text, gone))?;
        let is_gone = |line: &&str| gone.iter().any(|bundle| bundle.as_str() == line.trim());
        edit(&self.conf.versions.join("mixbundles"), &|text| {
            text.split_inclusive('\n').filter(|line| !is_gone(line)).collect()
        })
    }
}

/// Replaces a small file as a whole: after a crash it is the old one or the new one. A link stays and its target changes.
fn replace(path: &Path, text: &str) -> Result<(), SourceError> {
    let replace = || -> io::Result<()> {
        let path = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
        let mut scratch = path.as_os_str().to_owned();
        scratch.push(".clearwell-new");
        // server.ini may have images elsewhere, and this folder missing.
        path.parent().map_or(Ok(()), fs::create_dir_all)?;
        let mut file = File::create(&scratch)?;
        if let Ok(old) = fs::metadata(&path) {
            file.set_permissions(old.permissions())?;
            // Only root may give files away; without its rights the file was ours already, or shall be.
            let _ = chown(&scratch, Some(old.uid()), Some(old.gid()));
        }
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(&scratch, &path)
    };
    replace().map_err(|source| SourceError::Write { path: path.to_owned(), source })
}
