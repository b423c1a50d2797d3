//! `scenario.json`, as the README of the fixtures describes it.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde::Deserialize;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Scenario {
    pub(super) name: String,
    #[serde(rename = "about")]
    _about: String,
    pub(super) quirks: Vec<String>,
    pub(super) versions: Vec<VersionInput>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct VersionInput {
    pub(super) version: u32,
    pub(super) previous: u32,
    pub(super) format: u16,
    /// Repeated in the command, whose value counts.
    #[serde(rename = "min_version")]
    _min_version: u32,
    pub(super) timestamp: i64,
    pub(super) commands: Vec<Command>,
    pub(super) bundles: Vec<Bundle>,
    pub(super) groups: Option<Vec<String>>,
    pub(super) debuginfo: Option<Debuginfo>,
    pub(super) tree: Vec<TreeEntry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Command {
    pub(super) argv: Vec<String>,
    #[serde(default)]
    pub(super) exit: i32,
    #[serde(default)]
    pub(super) why: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Bundle {
    pub(super) name: String,
    #[serde(default)]
    pub(super) status: String,
    #[serde(default)]
    pub(super) includes: Vec<String>,
    #[serde(default)]
    pub(super) also_add: Vec<String>,
    #[serde(default)]
    pub(super) files: BTreeMap<String, bool>,
    #[serde(default)]
    pub(super) extra_files: Vec<String>,
    /// An empty folder takes the place of the bundle's info file: a bundle with an empty list.
    #[serde(default)]
    pub(super) no_info: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Debuginfo {
    pub(super) banned: bool,
    #[serde(default)]
    pub(super) lib: String,
    #[serde(default)]
    pub(super) src: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TreeEntry {
    pub(super) path: String,
    pub(super) r#type: Type,
    pub(super) mode: String,
    pub(super) uid: u32,
    pub(super) gid: u32,
    pub(super) target: Option<String>,
    pub(super) content: Option<String>,
    pub(super) content_gen: Option<super::content::Generator>,
}

#[derive(Deserialize, PartialEq, Eq, Clone, Copy)]
#[serde(rename_all = "lowercase")]
pub(super) enum Type {
    File,
    Dir,
    Symlink,
    Fifo,
}

impl Scenario {
    pub(super) fn read(folder: &Path) -> Self {
        let path = folder.join("scenario.json");
        let text = fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        serde_json::from_slice(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    }
}
