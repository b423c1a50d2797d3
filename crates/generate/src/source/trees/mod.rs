//! A folder for each bundle: what packages or a person leave behind, without mixer.
//!
//! ```text
//! trees/bundles.toml          includes, titles and a few settings; may be missing
//!       os-core/usr/bin/…     the root of os-core
//!       editors/usr/bin/…     the root of another bundle
//! ```
//!
//! A folder is a bundle; its name is the bundle's. A bundle of `bundles.toml` without a folder only includes others.
//! Bundles may hold the same path as long as it is the same in all of them. What a system needs to update itself is
//! added: the files of [`OsContent`], and for each bundle the empty file `/usr/share/clear/bundles/<bundle>` by which
//! clients know that it is installed.
//!
//! A path is marked for export as mixer does: below `/bin`, `/usr/bin` and `/usr/local/bin`, unless `un-export` has it.

mod config;
mod merge;
mod os_content;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use clearwell_format::{BundleName, EntryPath};

use super::error::IncludeList;
use super::{SourceError, read_text};
use crate::inputs::{BundleInput, Inputs, PathList, Release, Warning};
use crate::progress::Progress;
use crate::tree::Tree;
use crate::tree::known::KnownHashes;
use crate::tree::scan::{ScanError, scan};
use merge::Merge;

pub use config::{BundleConfig, TreesConfig};
pub use os_content::OsContent;

/// An opened folder of trees.
#[derive(Clone, Debug)]
pub struct Trees {
    dir: PathBuf,
    /// `bundles.toml`.
    pub config: TreesConfig,
    /// The bundles that have a folder.
    folders: BTreeSet<BundleName>,
    warnings: Vec<Warning>,
}

impl Trees {
    /// Opens the folder of trees `dir`.
    ///
    /// # Errors
    /// If there is no os-core, `bundles.toml` is broken or names bundles that do not exist, or a folder has a name that
    /// no bundle can have.
    pub fn open(dir: &Path) -> Result<Self, SourceError> {
        let failed = |source: io::Error| match source.kind() {
            io::ErrorKind::NotFound => ScanError::NoRoot(dir.to_owned()).into(),
            _ => SourceError::Read { path: dir.to_owned(), source },
        };
        // Paths in the sources of nodes must not depend on where the process stands later.
        let dir = std::path::absolute(dir).map_err(failed)?;
        let mut folders = BTreeSet::new();
        let mut warnings = Vec::new();
        for entry in fs::read_dir(&dir).map_err(failed)? {
            let path = entry.map_err(failed)?.path();
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            if name == CONFIG || name.starts_with('.') {
                continue;
            }
            if !path.is_dir() {
                warnings.push(Warning::Source { what: format!("{} is no folder: it is not used", path.display()) });
                continue;
            }
            match name.parse() {
                Ok(bundle) => folders.insert(bundle),
                Err(source) => return Err(SourceError::BundleFolder { path, source }),
            };
        }
        if !folders.contains(&BundleName::os_core()) {
            return Err(SourceError::NoOsCore(dir.join(BundleName::os_core().as_str())));
        }
        let path = dir.join(CONFIG);
        let config = match read_text(&path)? {
            Some(text) => TreesConfig::parse(&text).map_err(|error| error.of(&path))?,
            None => TreesConfig::default(),
        };
        warnings.sort_by_key(ToString::to_string);
        let trees = Self { dir, config, folders, warnings };
        trees.check_includes(&path)?;
        Ok(trees)
    }

    /// The folder, absolute.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Reads and hashes what a release is planned from.
    ///
    /// # Errors
    /// If a tree cannot be read, or two bundles disagree about a path.
    pub fn inputs(
        &self,
        release: Release,
        content: &OsContent,
        known: &KnownHashes,
        progress: &dyn Progress,
    ) -> Result<Inputs, SourceError> {
        let mtime = u64::try_from(release.timestamp).unwrap_or(0);
        let mut warnings = self.warnings.clone();
        let mut merge = Merge::default();
        let mut lists: BTreeMap<BundleName, BTreeSet<EntryPath>> = BTreeMap::new();
        for bundle in self.bundles() {
            let mut list = BTreeSet::new();
            if self.folders.contains(&bundle) {
                let mut scan = scan(&self.dir.join(bundle.as_str()), self.config.ownership, known, progress)?;
                warnings.append(&mut scan.warnings);
                let mut nodes = scan.nodes;
                nodes.sort_unstable_by(|a, b| a.path.cmp(&b.path));
                for node in nodes {
                    list.insert(node.path.clone());
                    merge.add(node, &bundle)?;
                }
            }
            if bundle == BundleName::os_core() {
                for (path, content) in self.os_files(&merge, content, release.timestamp)? {
                    merge.put(&path, content, mtime, &bundle)?;
                    add_with_ancestors(&mut list, path);
                }
            }
            let tracking: EntryPath =
                format!("/usr/share/clear/bundles/{bundle}").parse().expect("a bundle name is a safe component");
            if !list.contains(&tracking) {
                merge.put(&tracking, Vec::new(), mtime, &bundle)?;
                add_with_ancestors(&mut list, tracking);
            }
            lists.insert(bundle, list);
        }
        let tree = Tree::new(merge.into_nodes())?;
        let index = tree.index();
        let mut bundles = Vec::with_capacity(lists.len());
        for (name, paths) in lists {
            let config = self.config.bundles.get(&name).cloned().unwrap_or_default();
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
        let debuginfo = self.config.debuginfo.clone();
        Ok(Inputs { release, tree, bundles, stamps: os_content::stamps(), debuginfo, upstream: None, warnings })
    }

    /// All bundles, os-core first: what it brings, the others have to agree with.
    fn bundles(&self) -> Vec<BundleName> {
        let mut bundles: BTreeSet<BundleName> =
            self.folders.iter().chain(self.config.bundles.keys()).cloned().collect();
        let os_core = BundleName::os_core();
        bundles.remove(&os_core);
        [os_core].into_iter().chain(bundles).collect()
    }

    fn check_includes(&self, config: &Path) -> Result<(), SourceError> {
        for (bundle, table) in &self.config.bundles {
            if !self.folders.contains(bundle) && table.includes.is_empty() && table.also_add.is_empty() {
                return Err(SourceError::NoTree {
                    bundle: bundle.clone(),
                    config: config.to_owned(),
                    folder: self.dir.join(bundle.as_str()),
                });
            }
            let includes = table.includes.iter().map(|include| (IncludeList::Includes, include));
            for (list, include) in includes.chain(table.also_add.iter().map(|add| (IncludeList::AlsoAdd, add))) {
                if include == bundle {
                    return Err(SourceError::SelfInclude { bundle: bundle.clone(), list, config: config.to_owned() });
                }
                if !self.folders.contains(include) && !self.config.bundles.contains_key(include) {
                    return Err(SourceError::MissingInclude {
                        bundle: bundle.clone(),
                        list,
                        include: include.clone(),
                        config: config.to_owned(),
                    });
                }
            }
        }
        Ok(())
    }

    /// The files of [`OsContent`] that os-core has to hold.
    fn os_files(
        &self,
        merge: &Merge,
        content: &OsContent,
        timestamp: i64,
    ) -> Result<Vec<(EntryPath, Vec<u8>)>, SourceError> {
        let path = |text: &str| -> EntryPath { text.parse().expect("a constant path is legal") };
        let release_path = path("/usr/lib/os-release");
        let own = match merge.find(&release_path) {
            Some(node) => {
                let mut own = Vec::new();
                let read = node.open().and_then(|mut reader| reader.read_to_end(&mut own));
                read.map_err(|source| SourceError::Read { path: node.location().into_owned(), source })?;
                Some(own)
            }
            None => None,
        };
        let stamp = content.stamp.clone().unwrap_or_else(|| timestamp.to_string().into_bytes());
        let mut files = vec![
            (release_path, os_content::os_release(own.as_deref(), content.version)),
            (path("/usr/share/clear/version"), content.version.to_string().into_bytes()),
            (path("/usr/share/clear/versionstamp"), stamp),
            (path("/usr/share/defaults/swupd/format"), content.format.to_string().into_bytes()),
        ];
        let content_path = path("/usr/share/defaults/swupd/contenturl");
        let version_path = path("/usr/share/defaults/swupd/versionurl");
        let content_url = content.content_url.as_ref().or(self.config.content_url.as_ref());
        let version_url = content.version_url.as_ref().or(self.config.version_url.as_ref());
        // A client that knows only one of the two gives up.
        let version_url = version_url.or_else(|| content_url.filter(|_| merge.find(&version_path).is_none()));
        for (path, url) in [(content_path, content_url), (version_path, version_url)] {
            files.extend(url.map(|url| (path, url.clone().into_bytes())));
        }
        let certificate_path = path("/usr/share/clear/update-ca/Swupd_Root.pem");
        if let Some(certificate) = &content.certificate
            && merge.find(&certificate_path).is_none()
        {
            files.push((certificate_path, certificate.clone()));
        }
        Ok(files)
    }
}

fn add_with_ancestors(list: &mut BTreeSet<EntryPath>, path: EntryPath) {
    let mut next = Some(path);
    while let Some(path) = next {
        next = path.parent();
        list.insert(path);
    }
}

/// Mixer's rule (workspace 5.1): also folders below these get the mark.
fn exported(path: &EntryPath, config: &BundleConfig) -> bool {
    let below = ["/bin/", "/usr/bin/", "/usr/local/bin/"];
    below.iter().any(|folder| path.as_bytes().starts_with(folder.as_bytes()))
        && !config.un_export.iter().any(|kept| kept.as_bytes() == path.as_bytes())
}

const CONFIG: &str = "bundles.toml";

#[cfg(test)]
mod tests;
