//! A mixer workspace, as `mixer build bundles` leaves it (mixer workspace §5).
//!
//! ```text
//! builder.conf  mixer.state  mixversion  upstreamversion  upstreamurl
//! update/groups.ini                 the bundles
//!        server.ini                 paths, and the ban on debug information
//!        <bundle>-extra-files       more paths of a bundle, one per line
//!        image/<version>/full/      the merged root
//!                        <bundle>-info           paths and includes of a bundle
//!                        <bundle>/               where there is no -info: the bundle's own root
//!                        noship/<bundle>-includes
//!        www/                       what was published before
//! ```
//!
//! Nothing is written but what a release leaves behind: see `edit`.
//!
//! Decided otherwise than mixer (manifest §6): without `server.ini` the paths are those of the workspace, not
//! `/var/lib/swupd`; bundles that have their own root are merged in memory, and the image stays as it is.

mod builder_conf;
mod edit;
mod groups;
mod info;
mod ini;
mod server_ini;
mod state;
mod toml_file;
mod www;

use std::collections::BTreeSet;
use std::env;
use std::fs;
use std::path::{Path, PathBuf};

use clearwell_format::{BundleName, FormatNumber, Version, pointer};
use rayon::prelude::*;

use super::problems::Problems;
use super::{SourceError, TextError, TextNote, read_commented, read_text, required_commented};
use crate::bump::FormatBump;
use crate::inputs::{BundleInput, BundleStatus, DebuginfoBan, Inputs, PathList, Release, Upstream, Warning, following};
use crate::progress::Progress;
use crate::tree::attributes::Attributes;
use crate::tree::known::KnownHashes;
use crate::tree::root_folder::RootFolder;
use crate::tree::scan::{Ownership, Root, scan};
use crate::tree::{Node, PathIndex, Tree};

pub use builder_conf::BuilderConf;
pub use groups::parse as parse_groups;
pub use info::{Info, InfoHeader};
pub use server_ini::ServerIni;
pub use state::MixerState;
pub use www::Www;

/// An opened workspace.
#[derive(Clone, Debug)]
pub struct Workspace {
    dir: PathBuf,
    /// `builder.conf`.
    pub conf: BuilderConf,
    /// `FORMAT` of `mixer.state`, or of `builder.conf` where old workspaces have it.
    pub format: Option<FormatNumber>,
    /// The version before.
    pub previous: PreviousVersion,
    /// `mixversion`: the version to build.
    pub version: Version,
    /// Where the content was mixed from, if a URL is set.
    pub upstream: Option<Upstream>,
    /// The file that `version` is from.
    version_file: PathBuf,
    images: PathBuf,
    www: PathBuf,
    debuginfo: DebuginfoBan,
    warnings: Vec<Warning>,
}

/// The version before the one to build, as mixer takes it: `PREVIOUS_MIX_VERSION`, or the version that was built last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PreviousVersion {
    /// `None` for 0.
    pub version: Option<Version>,
    /// The file it comes from: `mixer.state`, or `image/LAST_VER`, which need not exist.
    pub file: PathBuf,
}

impl Workspace {
    /// Opens the workspace in `dir`. Its configuration is `builder.conf` there unless `conf` names another file.
    ///
    /// # Errors
    /// [`SourceError::NotAWorkspace`], or the first of its files that is broken.
    pub fn open(dir: &Path, conf: Option<&Path>) -> Result<Self, SourceError> {
        // Paths in the sources of nodes must not depend on the working directory of the process.
        let dir = std::path::absolute(dir).map_err(|source| SourceError::Read { path: dir.to_owned(), source })?;
        let conf_path = conf.map_or_else(|| dir.join("builder.conf"), Path::to_owned);
        let Some(text) = read_commented(&conf_path)? else {
            return Err(SourceError::NotAWorkspace { dir, missing: "builder.conf" });
        };
        let environment = |name: &str| env::var(name).ok();
        let (mut warnings, mut notes) = (Vec::new(), Vec::new());
        let conf = BuilderConf::parse(&text, &dir, &environment, &mut notes).map_err(|error| error.of(&conf_path))?;
        tell(&conf_path, &mut notes, &mut warnings);
        let state_path = dir.join("mixer.state");
        let state = match read_text(&state_path)? {
            Some(text) => MixerState::parse(&text, &mut notes).map_err(|error| error.of(&state_path))?,
            None => MixerState::default(),
        };
        tell(&state_path, &mut notes, &mut warnings);
        let previous = match state.previous {
            Some(number) => PreviousVersion { version: Version::new(number), file: state_path },
            None => PreviousVersion { version: last_built(&conf.state)?, file: conf.state.join(LAST_VER) },
        };
        let format = match (state.format, &conf.format) {
            (None, Some(text)) => Some(text.parse().map_err(|error| {
                let what = format!("FORMAT: {error}");
                TextError { line: 0, what }.of(&conf_path)
            })?),
            (format, _) => format,
        };
        let (version_file, version) = mix_version(&dir, &conf.versions, &mut warnings)?;
        let upstream = upstream(&conf.versions, &mut warnings)?;
        let server_path = conf.state.join("server.ini");
        let server = match read_commented(&server_path)? {
            Some(text) => Some(ServerIni::parse(&text, &mut notes).map_err(|error| error.of(&server_path))?),
            None => None,
        };
        tell(&server_path, &mut notes, &mut warnings);
        let (images, www, debuginfo) = match server {
            Some(ServerIni { images, output, debuginfo }) => (images, output, debuginfo),
            None => (None, None, conf.debuginfo.clone()),
        };
        let images = existing(images.map(|path| dir.join(path)), conf.state.join("image"), &mut warnings);
        let www = existing(www.map(|path| dir.join(path)), conf.state.join("www"), &mut warnings);
        Ok(Self { dir, conf, format, previous, version, upstream, version_file, images, www, debuginfo, warnings })
    }

    /// The folder, absolute.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The private key that belongs to the certificate.
    pub fn private_key(&self) -> PathBuf {
        self.conf.certificate.with_file_name("private.pem")
    }

    /// The public tree of releases before, to be adopted or read through [`Www`].
    pub fn www(&self) -> &Path {
        &self.www
    }

    /// Reads and hashes what a release is planned from.
    ///
    /// For the first half of a format bump, whose content is that of the second, the image of ten versions later is
    /// taken if it has none (manifest §5.12).
    ///
    /// # Errors
    /// If the image cannot be used; each names the file and, in text files, the line.
    pub fn inputs(
        &self,
        release: Release,
        bump: Option<FormatBump>,
        known: &KnownHashes,
        progress: &dyn Progress,
    ) -> Result<Inputs, SourceError> {
        let image = self.image(release.version, bump)?;
        let groups_path = self.conf.state.join("groups.ini");
        let mut notes = Vec::new();
        let groups =
            parse_groups(&required_commented(&groups_path)?, &mut notes).map_err(|error| error.of(&groups_path))?;
        let definitions: Vec<Result<Definition, SourceError>> =
            groups.par_iter().map(|bundle| self.definition(&image, bundle)).collect();
        let mut problems = Problems::default();
        let definitions: Vec<Definition> =
            definitions.into_iter().filter_map(|definition| problems.of(definition)).collect();

        let mut told = self.warnings.clone();
        tell(&groups_path, &mut notes, &mut told);
        self.tell_of_strangers(&image, &groups, &mut told)?;
        let mut roots = Roots { known, progress, problems, warnings: told, attributes: Attributes::default() };
        let mut nodes = roots.scan(&image.join("full"));
        let own_roots = own_roots(&definitions, &mut nodes, &mut roots);
        let Roots { problems, mut warnings, attributes, .. } = roots;
        problems.into_result()?;
        warnings.extend(attributes.warnings());
        let tree = Tree::new(nodes)?;
        let index = tree.index();
        let resolve =
            |(definition, own_root): (Definition, Option<Vec<Vec<u8>>>)| definition.into_input(own_root, &index);
        let bundles: Vec<(BundleInput, Vec<Warning>)> =
            definitions.into_par_iter().zip(own_roots).map(resolve).collect();
        drop(index);
        let mut inputs = Inputs {
            release,
            tree,
            bundles: Vec::with_capacity(bundles.len()),
            // The image contains its version; mixer counts that as a change, and so does this program.
            stamps: Vec::new(),
            debuginfo: self.debuginfo.clone(),
            upstream: self.upstream.clone(),
            warnings,
        };
        for (mut bundle, mut told) in bundles {
            // Mixer replaces a deprecated bundle by an empty folder before the first half.
            if bump == Some(FormatBump::New) && bundle.files.is_empty() && image.join(bundle.name.as_str()).is_dir() {
                bundle.status = BundleStatus::Deprecated;
            }
            inputs.bundles.push(bundle);
            inputs.warnings.append(&mut told);
        }
        Ok(inputs)
    }

    /// The newest version before `version` that the workspace released, by `image/LAST_VER` and by its public tree.
    ///
    /// # Errors
    /// If a file cannot be read, or `image/LAST_VER` does not contain a version.
    pub fn released_before(&self, version: Version) -> Result<Option<Version>, SourceError> {
        let published = read_text(&self.www.join("version/latest_version"))?;
        let published = published.and_then(|text| pointer::parse(text.as_bytes()));
        Ok([last_built(&self.conf.state)?, published].into_iter().flatten().filter(|before| *before < version).max())
    }

    fn image(&self, version: Version, bump: Option<FormatBump>) -> Result<PathBuf, SourceError> {
        let own = self.images.join(version.to_string());
        if own.join("full").is_dir() {
            return Ok(own);
        }
        if bump == Some(FormatBump::Old)
            && let Some(later) = following(version).map(|later| self.images.join(later.to_string()))
            && later.join("full").is_dir()
        {
            return Ok(later);
        }
        Err(SourceError::NoImage { version, path: own.join("full") })
    }

    fn definition(&self, image: &Path, bundle: &BundleName) -> Result<Definition, SourceError> {
        let path = image.join(format!("{bundle}-info"));
        let own_root = image.join(bundle.as_str());
        let mut odd_keys = Vec::new();
        let (info, own_root) = match read_text(&path)? {
            Some(text) => (Info::parse(&text).map_err(|error| error.of(&path))?, None),
            None if own_root.is_dir() => {
                let includes = image.join("noship").join(format!("{bundle}-includes"));
                let direct_includes = parse_includes(&read_text(&includes)?.unwrap_or_default());
                (Info { direct_includes, ..Info::default() }, Some(own_root))
            }
            None => return Err(SourceError::NoBundle { bundle: bundle.clone(), info: path }),
        };
        for key in &info.odd_keys {
            let what = format!("the key {key} is set twice, or mixer does not know it");
            odd_keys.push(TextNote::new(0, what).of(&path));
        }
        let path = self.conf.state.join(format!("{bundle}-extra-files"));
        let extra_files = match read_text(&path)? {
            Some(text) => parse_extra_files(&text).map_err(|error| error.of(&path))?,
            None => Vec::new(),
        };
        Ok(Definition { bundle: bundle.clone(), info, odd_keys, own_root, extra_files })
    }

    /// Warns of files that describe a bundle which is not in the mix.
    fn tell_of_strangers(
        &self,
        image: &Path,
        groups: &[BundleName],
        warnings: &mut Vec<Warning>,
    ) -> Result<(), SourceError> {
        for (folder, ending) in [(image, "-info"), (self.conf.state.as_path(), "-extra-files")] {
            let failed = |source| SourceError::Read { path: folder.to_owned(), source };
            let names = fs::read_dir(folder).map_err(failed)?.map(|entry| Ok(entry.map_err(failed)?.file_name()));
            let mut names = names.collect::<Result<Vec<_>, SourceError>>()?;
            names.sort();
            for name in names.iter().filter_map(|name| name.to_str()) {
                let bundle = name.strip_suffix(ending);
                if bundle.is_some_and(|bundle| groups.iter().all(|group| group.as_str() != bundle)) {
                    let what = format!("{}: the bundle is not in groups.ini: ignored", folder.join(name).display());
                    warnings.push(Warning::Source { what });
                }
            }
        }
        Ok(())
    }
}

/// Scans roots, and gathers what is noticed.
struct Roots<'a> {
    known: &'a KnownHashes,
    progress: &'a dyn Progress,
    problems: Problems,
    warnings: Vec<Warning>,
    attributes: Attributes,
}

impl Roots<'_> {
    fn scan(&mut self, dir: &Path) -> Vec<Node> {
        let folder = match RootFolder::find(dir) {
            Ok(folder) => folder,
            Err(problem) => {
                self.problems.extend([problem]);
                return Vec::new();
            }
        };
        let mut scan = scan(&Root { folder, ownership: Ownership::OnDisk, except: &[] }, self.known, self.progress);
        self.warnings.append(&mut scan.warnings);
        self.problems.extend(scan.problems);
        self.attributes.extend(scan.attributes);
        scan.nodes
    }
}

/// Scans the roots of bundles that have their own, and adds what the merged root does not have: of a path that both
/// have, the merged root's counts (manifest §5.1). Returns the paths of each such bundle.
fn own_roots(definitions: &[Definition], nodes: &mut Vec<Node>, roots: &mut Roots<'_>) -> Vec<Option<Vec<Vec<u8>>>> {
    let own: Vec<Option<Vec<Node>>> =
        definitions.iter().map(|definition| definition.own_root.as_deref().map(|dir| roots.scan(dir))).collect();
    let paths = own
        .iter()
        .map(|root| root.as_ref().map(|nodes| nodes.iter().map(|node| node.path.as_bytes().to_vec()).collect()));
    let paths = paths.collect();
    if own.iter().any(Option::is_some) {
        let mut taken: BTreeSet<_> = nodes.iter().map(|node| node.path.clone()).collect();
        for node in own.into_iter().flatten().flatten() {
            if taken.insert(node.path.clone()) {
                nodes.push(node);
            }
        }
    }
    paths
}

/// The definition of a bundle in the files of a workspace.
struct Definition {
    bundle: BundleName,
    info: Info,
    odd_keys: Vec<Warning>,
    own_root: Option<PathBuf>,
    extra_files: Vec<String>,
}

impl Definition {
    fn into_input(self, own_root: Option<Vec<Vec<u8>>>, tree: &PathIndex<'_>) -> (BundleInput, Vec<Warning>) {
        let mut warnings: Vec<Warning> = self.odd_keys;
        let mut list = PathList::default();
        for (path, exported) in self.info.files {
            list.add(path, exported);
        }
        for path in own_root.into_iter().flatten() {
            list.add(path, false);
        }
        for path in self.extra_files {
            list.add(path, false);
        }
        // The plan warns about names that are not in the mix; here only about invalid names.
        let mut names = |names: Vec<String>, warning: fn(BundleName, String) -> Warning| -> Vec<BundleName> {
            let mut parsed = Vec::new();
            for name in names {
                match name.parse() {
                    Ok(name) => parsed.push(name),
                    Err(_) => warnings.push(warning(self.bundle.clone(), name)),
                }
            }
            parsed
        };
        let includes = names(self.info.direct_includes, |bundle, include| Warning::UnknownInclude { bundle, include });
        let also_add =
            names(self.info.optional_includes, |bundle, also_add| Warning::UnknownAlsoAdd { bundle, also_add });
        let status = BundleStatus::from_text(&self.info.header.status);
        let files = list.resolve(tree, &self.bundle, &mut warnings);
        (BundleInput { name: self.bundle, status, includes, also_add, files }, warnings)
    }
}

/// Reads `<bundle>-extra-files`: one absolute path in each line.
///
/// # Errors
/// For a line that does not begin with a slash (manifest §5.1).
pub fn parse_extra_files(text: &str) -> Result<Vec<String>, TextError> {
    let lines = text.lines().enumerate().filter(|(_, line)| !line.is_empty());
    lines
        .map(|(number, line)| match line.starts_with('/') {
            true => Ok(line.to_owned()),
            false => Err(TextError { line: number + 1, what: format!("\"{line}\" does not begin with a slash") }),
        })
        .collect()
}

/// Reads `<bundle>-includes`: one bundle in each line.
fn parse_includes(text: &str) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
        if !names.iter().any(|name| name == line) {
            names.push(line.to_owned());
        }
    }
    names
}

/// `mixversion`, or `.mixversion` in its place.
fn mix_version(dir: &Path, versions: &Path, warnings: &mut Vec<Warning>) -> Result<(PathBuf, Version), SourceError> {
    let (path, text) = match hidden_or_plain(versions, "mixversion", warnings)? {
        Some(found) => found,
        None => return Err(SourceError::NotAWorkspace { dir: dir.to_owned(), missing: "mixversion" }),
    };
    match text.trim().parse() {
        Ok(version) => Ok((path, version)),
        Err(error) => Err(TextError { line: 1, what: format!("{error}") }.of(&path)),
    }
}

/// `image/LAST_VER`, whose place does not depend on `server.ini` (mixer workspace §5); `None` for 0, and where
/// it is missing or empty.
fn last_built(state: &Path) -> Result<Option<Version>, SourceError> {
    let path = state.join(LAST_VER);
    match read_text(&path)? {
        Some(text) if !text.is_empty() => {
            let number = state::version_or_zero(&text);
            let number = number.map_err(|error| TextError { line: 1, what: format!("{error}") }.of(&path))?;
            Ok(Version::new(number))
        }
        _ => Ok(None),
    }
}

fn upstream(versions: &Path, warnings: &mut Vec<Warning>) -> Result<Option<Upstream>, SourceError> {
    let text = |name: &str, hidden: &str, warnings: &mut Vec<Warning>| -> Result<String, SourceError> {
        let (path, found) = match read_text(&versions.join(hidden))? {
            Some(text) => {
                warnings.push(used_hidden(hidden, name));
                (versions.join(hidden), Some(text))
            }
            None => (versions.join(name), read_text(&versions.join(name))?),
        };
        let text = found.unwrap_or_default().trim().to_owned();
        if text.contains('\n') {
            let what = "the file has more than one line; mixer would join them".into();
            return Err(TextError { line: 2, what }.of(&path));
        }
        Ok(text)
    };
    let url = text("upstreamurl", ".clearurl", warnings)?;
    let version = text("upstreamversion", ".clearversion", warnings)?;
    Ok((!url.is_empty()).then_some(Upstream { url, version }))
}

fn hidden_or_plain(
    versions: &Path,
    name: &str,
    warnings: &mut Vec<Warning>,
) -> Result<Option<(PathBuf, String)>, SourceError> {
    let hidden = format!(".{name}");
    if let Some(text) = read_text(&versions.join(&hidden))? {
        warnings.push(used_hidden(&hidden, name));
        return Ok(Some((versions.join(hidden), text)));
    }
    let path = versions.join(name);
    Ok(read_text(&path)?.map(|text| (path, text)))
}

/// Moves what was noted of a file to the warnings, by line.
fn tell(path: &Path, notes: &mut Vec<TextNote>, warnings: &mut Vec<Warning>) {
    notes.sort_by_key(|note| note.line);
    warnings.extend(notes.drain(..).map(|note| note.of(path)));
}

fn used_hidden(hidden: &str, name: &str) -> Warning {
    Warning::Source { what: format!("{hidden} is used instead of {name}; rename it") }
}

/// The folder that `server.ini` names, or the workspace's own if that one does not exist: a workspace may have moved.
fn existing(named: Option<PathBuf>, own: PathBuf, warnings: &mut Vec<Warning>) -> PathBuf {
    match named {
        Some(named) if named.is_dir() => named,
        Some(named) if own.is_dir() => {
            let what = format!("server.ini names {}, which does not exist: {} is used", named.display(), own.display());
            warnings.push(Warning::Source { what });
            own
        }
        Some(named) => named,
        None => own,
    }
}

/// The version that was built last, in the folder of images.
const LAST_VER: &str = "image/LAST_VER";

#[cfg(test)]
mod dialect;
#[cfg(test)]
mod tests;
