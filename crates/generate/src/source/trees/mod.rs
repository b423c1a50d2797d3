//! A folder for each bundle, filled by packages or by hand, without mixer.
//!
//! ```text
//! trees/bundles.toml          includes, titles and a few settings; may be missing
//!       os-core/usr/bin/…     the root of os-core
//!       editors/usr/bin/…     the root of another bundle
//! ```
//!
//! A folder is a bundle; its name is the bundle's. A bundle of `bundles.toml` without a folder only includes others.
//! Several bundles may have a path if it is the same in all of them. What a system needs to update itself is
//! added: the files of [`OsContent`], and for each bundle the empty file `/usr/share/clear/bundles/<bundle>` by which
//! clients know that it is installed. What is added is root's, with modes 0644 and 0755; a directory that a bundle has
//! itself stays as the bundle has it.
//!
//! A path is marked for export as mixer does: below `/bin`, `/usr/bin` and `/usr/local/bin`, unless `un-export` has it.

mod config;
mod folder;
mod merge;
mod os_content;
mod owners;

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use clearwell_format::{BundleName, EntryPath};

use super::SourceError;
use super::problems::Problems;
use crate::inputs::{BundleInput, Inputs, PathList, Release};
use crate::progress::Progress;
use crate::tree::Tree;
use crate::tree::known::KnownHashes;
use crate::tree::scan::ScanError;
use folder::Folder;
use merge::Merge;

pub use config::{BundleConfig, TreesConfig};
pub use os_content::OsContent;

/// A folder of trees.
#[derive(Clone, Debug)]
pub struct Trees {
    dir: PathBuf,
}

impl Trees {
    /// Opens the folder of trees `dir`.
    ///
    /// # Errors
    /// [`SourceError::Read`], or [`SourceError::NoOsCore`] if it is not a folder of trees. [`Trees::inputs`] reports all
    /// other problems.
    pub fn open(dir: &Path) -> Result<Self, SourceError> {
        let failed = |source: io::Error| match source.kind() {
            io::ErrorKind::NotFound => ScanError::NoRoot(dir.to_owned()).into(),
            _ => SourceError::Read { path: dir.to_owned(), source },
        };
        fs::read_dir(dir).map_err(failed)?;
        // Paths in the sources of nodes must not depend on the working directory of the process.
        let trees = Self { dir: std::path::absolute(dir).map_err(failed)? };
        let mut problems = Problems::default();
        let folder = Folder::read(&trees.dir, &mut Vec::new(), &mut problems)?;
        if !folder.has_os_core() {
            problems.into_result()?;
        }
        Ok(trees)
    }

    /// The folder, absolute.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Reads and hashes what a release is planned from.
    ///
    /// # Errors
    /// Everything that is wrong: with the folder, with `bundles.toml`, with what cannot be released in each tree, and
    /// with paths about which two bundles disagree.
    pub fn inputs(
        &self,
        release: Release,
        content: &OsContent,
        known: &KnownHashes,
        progress: &dyn Progress,
    ) -> Result<Inputs, SourceError> {
        let (mut warnings, mut problems) = (Vec::new(), Problems::default());
        let folder = Folder::read(&self.dir, &mut warnings, &mut problems)?;
        let mut merge = Merge::default();
        let mut lists = folder.scan(&mut merge, &mut warnings, &mut problems, known, progress);
        let mtime = u64::try_from(release.timestamp).unwrap_or(0);
        let os_core = BundleName::os_core();
        let mut in_the_way = BTreeSet::new();
        // After what the bundles have, of which directories count.
        for bundle in folder.bundles() {
            let list = lists.entry(bundle.clone()).or_default();
            let mut files = match bundle == os_core {
                true => {
                    problems.of(os_files(&folder.config, &merge, list, content, release.timestamp)).unwrap_or_default()
                }
                false => Vec::new(),
            };
            let tracking = format!("/usr/share/clear/bundles/{bundle}");
            files.push((tracking.parse().expect("a bundle name is a safe component"), Vec::new()));
            for (path, content) in files {
                match merge.put(&path, content, mtime, &bundle) {
                    // Told once, whatever else is needed there.
                    Err(SourceError::InTheWay { path, .. }) if !in_the_way.insert(path.clone()) => {}
                    result => drop(problems.of(result)),
                }
                add_with_ancestors(list, path);
            }
        }
        problems.into_result()?;
        warnings.extend(merge.warning());
        let tree = Tree::new(merge.into_nodes())?;
        let index = tree.index();
        let mut bundles = Vec::with_capacity(lists.len());
        for (name, paths) in lists {
            let config = folder.config.bundles.get(&name).cloned().unwrap_or_default();
            let mut list = PathList::default();
            for path in paths {
                list.add(path.as_bytes(), exported(&path, &config));
            }
            let files = list.resolve(&index, &name, &mut warnings);
            bundles.push(BundleInput {
                name,
                status: config.status,
                includes: config.includes,
                also_add: config.also_add,
                files,
            });
        }
        drop(index);
        let debuginfo = folder.config.debuginfo.clone();
        Ok(Inputs { release, tree, bundles, stamps: os_content::stamps(), debuginfo, upstream: None, warnings })
    }
}

/// The files of [`OsContent`] that os-core must contain in addition to its `own`.
fn os_files(
    config: &TreesConfig,
    merge: &Merge,
    own: &BTreeSet<EntryPath>,
    content: &OsContent,
    timestamp: i64,
) -> Result<Vec<(EntryPath, Vec<u8>)>, SourceError> {
    let path = |text: &str| -> EntryPath { text.parse().expect("a constant path is legal") };
    let release_path = path("/usr/lib/os-release");
    let release = match merge.find(&release_path).filter(|_| own.contains(&release_path)) {
        Some(node) => {
            let path = || node.location().into_owned();
            Some(node.read().map_err(|error| SourceError::Read { path: path(), source: error.into() })?)
        }
        None => None,
    };
    let stamp = content.stamp.clone().unwrap_or_else(|| timestamp.to_string().into_bytes());
    let mut files = vec![
        (release_path, os_content::os_release(release.as_deref(), content.version)),
        (path("/usr/share/clear/version"), content.version.to_string().into_bytes()),
        (path("/usr/share/clear/versionstamp"), stamp),
        (path("/usr/share/defaults/swupd/format"), content.format.to_string().into_bytes()),
    ];
    let content_path = path("/usr/share/defaults/swupd/contenturl");
    let version_path = path("/usr/share/defaults/swupd/versionurl");
    let content_url = content.content_url.as_ref().or(config.content_url.as_ref());
    let version_url = content.version_url.as_ref().or(config.version_url.as_ref());
    // A client that has only one of the two fails.
    let version_url = version_url.or_else(|| content_url.filter(|_| merge.find(&version_path).is_none()));
    for (path, url) in [(content_path, content_url), (version_path, version_url)] {
        files.extend(url.map(|url| (path, url.clone().into_bytes())));
    }
    let certificate_path = path("/usr/share/clear/update-ca/Swupd_Root.pem");
    let next_path = path("/usr/share/clear/update-ca/Swupd_Root.pem.alt");
    for (path, certificate) in [(certificate_path, &content.certificate), (next_path, &content.next_certificate)] {
        let certificate = certificate.as_ref().filter(|_| !own.contains(&path));
        files.extend(certificate.map(|certificate| (path, certificate.clone())));
    }
    Ok(files)
}

fn add_with_ancestors(list: &mut BTreeSet<EntryPath>, path: EntryPath) {
    let mut next = Some(path);
    while let Some(path) = next {
        next = path.parent();
        list.insert(path);
    }
}

/// Mixer's rule (mixer workspace §5.1): also folders below these get the mark.
fn exported(path: &EntryPath, config: &BundleConfig) -> bool {
    let below = ["/bin/", "/usr/bin/", "/usr/local/bin/"];
    below.iter().any(|folder| path.as_bytes().starts_with(folder.as_bytes()))
        && !config.un_export.iter().any(|kept| kept.as_bytes() == path.as_bytes())
}

#[cfg(test)]
mod tests;
