//! The entries of a folder of trees: bundles and others.
//!
//! | Entry | Effect |
//! |---|---|
//! | a folder, or a link to one | a bundle; its name has to be one |
//! | `lost+found`, and folders whose names begin with a dot | a bundle if `bundles.toml` has a table for it, else left out |
//! | a file | left out |
//! | a link to nothing; `bundles.toml` in other case; a store | an error: probably a mistake |
//!
//! Everything that is left out is reported.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clearwell_format::{BundleName, EntryPath};

use super::merge::Merge;
use super::{TreesConfig, owners};
use crate::inputs::Warning;
use crate::progress::Progress;
use crate::source::error::IncludeList;
use crate::source::problems::Problems;
use crate::source::{SourceError, read_text};
use crate::tree::attributes::Attributes;
use crate::tree::known::KnownHashes;
use crate::tree::root_folder::RootFolder;
use crate::tree::scan::{Root, scan};

/// A folder of trees, read.
pub(super) struct Folder {
    dir: PathBuf,
    /// `bundles.toml`.
    pub(super) config: TreesConfig,
    /// The folders of bundles, as they were found: what takes the name of one later is not read.
    folders: BTreeMap<BundleName, Arc<RootFolder>>,
}

impl Folder {
    /// Reads `bundles.toml`, and which bundles there are.
    ///
    /// # Errors
    /// If `dir` cannot be read. What else is wrong becomes a problem.
    pub(super) fn read(dir: &Path, warnings: &mut Vec<Warning>, problems: &mut Problems) -> Result<Self, SourceError> {
        let path = dir.join(CONFIG);
        let text = problems.of(read_text(&path)).flatten().unwrap_or_default();
        let (config, errors) = TreesConfig::parse(&text);
        problems.extend(errors.into_iter().map(|error| error.of(&path)));
        let failed = |source| SourceError::Read { path: dir.to_owned(), source };
        let folders = with_folder(dir, &config, warnings, problems).map_err(failed)?;
        let folder = Self { dir: dir.to_owned(), config, folders };
        if !folder.has_os_core() {
            problems.add(SourceError::NoOsCore(dir.join(BundleName::os_core().as_str())));
        }
        folder.check_bundles(&path, problems);
        Ok(folder)
    }

    pub(super) fn has_os_core(&self) -> bool {
        self.folders.contains_key(&BundleName::os_core())
    }

    /// Reads the trees of all bundles into one, and returns the paths of each bundle.
    pub(super) fn scan(
        &self,
        merge: &mut Merge,
        warnings: &mut Vec<Warning>,
        problems: &mut Problems,
        known: &KnownHashes,
        progress: &dyn Progress,
    ) -> BTreeMap<BundleName, BTreeSet<EntryPath>> {
        let mut lists = BTreeMap::new();
        let mut attributes = Attributes::default();
        for bundle in self.bundles() {
            let mut list = BTreeSet::new();
            if let Some(folder) = self.folders.get(&bundle) {
                let folder = Arc::clone(folder);
                let root = Root { folder, ownership: self.config.ownership, except: OF_MACHINE };
                let mut scan = scan(&root, known, progress);
                warnings.append(&mut scan.warnings);
                problems.extend(scan.problems);
                attributes.extend(scan.attributes);
                let mut nodes = scan.nodes;
                nodes.sort_unstable_by(|a, b| a.path.cmp(&b.path));
                for node in nodes {
                    list.insert(node.path.clone());
                    problems.of(merge.add(node, &bundle));
                }
            }
            lists.insert(bundle, list);
        }
        for (bundle, table) in &self.config.bundles {
            let lists = |path: &&String| lists.get(bundle).is_some_and(|list| list.contains(path.as_bytes()));
            for path in table.un_export.iter().filter(|path| !lists(path)) {
                let what = format!("bundle {bundle} un-exports {path}, which it does not have: ignored");
                warnings.push(Warning::Source { what });
            }
        }
        warnings.extend(owners::warning(merge.nodes()));
        warnings.extend(attributes.warnings());
        lists
    }

    /// All bundles, os-core first: the others must agree with its files.
    pub(super) fn bundles(&self) -> Vec<BundleName> {
        let mut bundles: BTreeSet<BundleName> =
            self.folders.keys().chain(self.config.bundles.keys()).cloned().collect();
        let os_core = BundleName::os_core();
        bundles.remove(&os_core);
        [os_core].into_iter().chain(bundles).collect()
    }

    fn check_bundles(&self, config: &Path, problems: &mut Problems) {
        for (bundle, table) in &self.config.bundles {
            let other_case = |folder: &&BundleName| folder.as_str().eq_ignore_ascii_case(bundle.as_str());
            let (bundle, config) = (|| bundle.clone(), || config.to_owned());
            let folder = |name: &BundleName| self.dir.join(name.as_str());
            let problem = match self.folders.keys().find(other_case) {
                _ if self.folders.contains_key(&bundle()) => None,
                Some(other) => {
                    Some(SourceError::OtherCase { bundle: bundle(), config: config(), folder: folder(other) })
                }
                None if table.includes.is_empty() && table.also_add.is_empty() => {
                    Some(SourceError::NoTree { bundle: bundle(), config: config(), folder: folder(&bundle()) })
                }
                None => None,
            };
            problems.extend(problem);
            let includes = table.includes.iter().map(|include| (IncludeList::Includes, include));
            for (list, include) in includes.chain(table.also_add.iter().map(|add| (IncludeList::AlsoAdd, add))) {
                if *include == bundle() {
                    problems.add(SourceError::SelfInclude { bundle: bundle(), list, config: config() });
                } else if !self.folders.contains_key(include) && !self.config.bundles.contains_key(include) {
                    problems.add(SourceError::MissingInclude {
                        bundle: bundle(),
                        list,
                        include: include.clone(),
                        config: config(),
                    });
                }
            }
        }
    }
}

/// The bundles that have a folder in `dir`.
///
/// # Errors
/// If `dir` cannot be read. What is wrong with single entries becomes a problem.
fn with_folder(
    dir: &Path,
    config: &TreesConfig,
    warnings: &mut Vec<Warning>,
    problems: &mut Problems,
) -> io::Result<BTreeMap<BundleName, Arc<RootFolder>>> {
    let entries = fs::read_dir(dir)?.map(|entry| entry.map(|entry| entry.file_name()));
    let mut names = entries.collect::<io::Result<Vec<OsString>>>()?;
    names.sort();
    let has_config = names.iter().any(|name| name == CONFIG);
    let mut bundles = BTreeMap::new();
    let mut of_machine = Vec::new();
    let mut files = Vec::new();
    for name in names.into_iter().filter(|name| name != CONFIG) {
        let path = dir.join(&name);
        let name = name.to_string_lossy().into_owned();
        let bundle = name.parse::<BundleName>();
        let is_described = bundle.as_ref().is_ok_and(|bundle| config.bundles.contains_key(bundle));
        if !is_described && (name.starts_with('.') || name == LOST_FOUND) {
            of_machine.push(name);
            continue;
        }
        match (fs::metadata(&path), bundle) {
            (Ok(metadata), _) if metadata.is_dir() && path.join("meta/layout").is_file() => {
                problems.add(SourceError::StoreInTrees(path));
            }
            (Ok(metadata), Ok(bundle)) if metadata.is_dir() => {
                let folder = problems.of(RootFolder::find(path).map_err(SourceError::from));
                bundles.extend(folder.map(|folder| (bundle, folder)));
            }
            (Ok(metadata), Err(source)) if metadata.is_dir() => {
                problems.add(SourceError::BundleFolder { path, source });
            }
            (Ok(_), _) if !has_config && name.eq_ignore_ascii_case(CONFIG) => {
                problems.add(SourceError::ConfigName { path, wanted: CONFIG });
            }
            (Ok(_), _) => files.push(name),
            (Err(error), _) if error.kind() == io::ErrorKind::NotFound => {
                problems.add(SourceError::DanglingLink(path));
            }
            (Err(source), _) => problems.add(SourceError::Read { path, source }),
        }
    }
    for (names, reason) in [
        (
            of_machine,
            "endpoints ignore bundles whose name begins with a dot; lost+found is one only if bundles.toml describes it",
        ),
        (files, "only folders are bundles"),
    ] {
        if !names.is_empty() {
            let what = format!("left out of {}: {} ({reason})", dir.display(), listed(&names));
            warnings.push(Warning::Source { what });
        }
    }
    Ok(bundles)
}

fn listed(names: &[String]) -> String {
    let shown = names[..names.len().min(SHOWN)].join(", ");
    match names.len().saturating_sub(SHOWN) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

const CONFIG: &str = "bundles.toml";
/// What file systems and version control put into the root of a tree.
const OF_MACHINE: &[&str] = &[LOST_FOUND, ".snapshots", ".git", ".hg", ".svn", ".bzr"];
/// What mkfs puts into each file system.
const LOST_FOUND: &str = "lost+found";
/// Names that one warning shows.
const SHOWN: usize = 20;
