//! `bundles.toml`: what a folder of trees says beside its files. Every key may be left out, and so may the file.
//!
//! ```toml
//! owner = "disk"                     # or "root": all files belong to root, whatever the disk says
//! content-url = "https://…/"         # where clients fetch; written into os-core
//! version-url = "https://…/"
//!
//! [debuginfo]                        # paths that are left out, by prefix of their text
//! banned = true
//! prefixes = ["/usr/lib/debug", "/usr/src/debug"]
//!
//! [bundles.editors]
//! title = "Editors"                  # for people; no manifest has them
//! description = "…"
//! status = "Active"                  # or "Experimental", "Deprecated"
//! includes = ["libs"]                # installed along and kept; os-core always is
//! also-add = ["docs"]                # installed along unless a user declines
//! un-export = ["/usr/bin/helper"]    # no wrapper in third-party installations
//! ```

use std::collections::BTreeMap;

use clearwell_format::BundleName;
use serde::Deserialize;

use crate::inputs::{BundleStatus, DebuginfoBan};
use crate::source::TextError;
use crate::tree::scan::Ownership;

/// `bundles.toml`, parsed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TreesConfig {
    /// `owner`.
    pub ownership: Ownership,
    /// `content-url`.
    pub content_url: Option<String>,
    /// `version-url`.
    pub version_url: Option<String>,
    /// `[debuginfo]`.
    pub debuginfo: DebuginfoBan,
    /// `[bundles.<name>]`.
    pub bundles: BTreeMap<BundleName, BundleConfig>,
}

/// What `bundles.toml` says about one bundle.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BundleConfig {
    /// One line for people.
    pub title: String,
    /// Some lines for people.
    pub description: String,
    /// Its state.
    pub status: BundleStatus,
    /// Bundles that are installed along.
    pub includes: Vec<BundleName>,
    /// Bundles that are installed along unless declined.
    pub also_add: Vec<BundleName>,
    /// Paths below `/usr/bin` and its kin that get no wrapper.
    pub un_export: Vec<String>,
}

impl TreesConfig {
    /// Reads the file.
    ///
    /// # Errors
    /// For broken TOML, unknown keys and names that are no bundle's.
    pub fn parse(text: &str) -> Result<Self, TextError> {
        let file: File = toml::from_str(text).map_err(|error| TextError::of_toml(&error, text))?;
        let name = |name: &str| -> Result<BundleName, TextError> {
            name.parse().map_err(|error| TextError { line: line_of(text, name), what: format!("{error}") })
        };
        let names = |list: Vec<String>| list.iter().map(|text| name(text)).collect::<Result<Vec<_>, _>>();
        let mut bundles = BTreeMap::new();
        for (bundle, table) in file.bundles {
            let config = BundleConfig {
                title: table.title,
                description: table.description,
                status: table.status.into(),
                includes: names(table.includes)?,
                also_add: names(table.also_add)?,
                un_export: table.un_export,
            };
            bundles.insert(name(&bundle)?, config);
        }
        Ok(Self {
            ownership: match file.owner {
                OwnerKey::Disk => Ownership::OnDisk,
                OwnerKey::Root => Ownership::Root,
            },
            content_url: file.content_url,
            version_url: file.version_url,
            debuginfo: if file.debuginfo.banned {
                DebuginfoBan { prefixes: file.debuginfo.prefixes.into_iter().map(String::into_bytes).collect() }
            } else {
                DebuginfoBan::default()
            },
            bundles,
        })
    }
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
struct File {
    owner: OwnerKey,
    content_url: Option<String>,
    version_url: Option<String>,
    debuginfo: DebuginfoTable,
    bundles: BTreeMap<String, BundleTable>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum OwnerKey {
    #[default]
    Disk,
    Root,
}

#[derive(Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
struct DebuginfoTable {
    banned: bool,
    prefixes: Vec<String>,
}

impl Default for DebuginfoTable {
    fn default() -> Self {
        Self { banned: false, prefixes: vec!["/usr/lib/debug".into(), "/usr/src/debug".into()] }
    }
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
struct BundleTable {
    title: String,
    description: String,
    status: StatusKey,
    includes: Vec<String>,
    also_add: Vec<String>,
    un_export: Vec<String>,
}

#[derive(Default, Deserialize)]
enum StatusKey {
    #[default]
    Active,
    Experimental,
    Deprecated,
}

impl From<StatusKey> for BundleStatus {
    fn from(key: StatusKey) -> Self {
        match key {
            StatusKey::Active => Self::Active,
            StatusKey::Experimental => Self::Experimental,
            StatusKey::Deprecated => Self::Deprecated,
        }
    }
}

fn line_of(text: &str, name: &str) -> usize {
    text.lines().position(|line| line.contains(name)).map_or(0, |line| line + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_file_is_the_default() {
        assert_eq!(TreesConfig::parse(""), Ok(TreesConfig::default()));
        assert!(TreesConfig::default().debuginfo.prefixes.is_empty());
    }

    #[test]
    fn every_key_is_read() {
        let config = TreesConfig::parse(
            "owner = \"root\"\ncontent-url = \"http://a/\"\nversion-url = \"http://b/\"\n[debuginfo]\nbanned = true\n\
             [bundles.editors]\ntitle = \"T\"\ndescription = \"D\"\nstatus = \"Experimental\"\nincludes = [\"libs\"]\n\
             also-add = [\"docs\"]\nun-export = [\"/usr/bin/x\"]\n",
        )
        .unwrap();
        assert_eq!(config.ownership, Ownership::Root);
        assert_eq!(config.content_url.as_deref(), Some("http://a/"));
        assert_eq!(config.debuginfo, DebuginfoBan::usual());
        let editors = &config.bundles[&"editors".parse().unwrap()];
        assert_eq!(editors.status, BundleStatus::Experimental);
        assert_eq!(editors.includes, ["libs".parse().unwrap()]);
        assert_eq!(editors.also_add, ["docs".parse().unwrap()]);
        assert_eq!(editors.un_export, ["/usr/bin/x"]);
    }

    #[test]
    fn what_is_wrong_is_told_with_its_line() {
        for (text, line, what) in [
            ("x = 1\n", 1, "unknown field"),
            ("owner = \"me\"\n", 1, "unknown variant"),
            ("\n[bundles.a]\nincludes = \"b\"\n", 3, "invalid type"),
            ("[bundles.a]\nstatus = \"active\"\n", 2, "unknown variant"),
            ("[bundles.a]\n\nincludes = [\"b c\"]\n", 3, "not a bundle name"),
            ("[bundles.MoM]\n", 1, "not a bundle name"),
            ("[bundles", 1, ""),
        ] {
            let error = TreesConfig::parse(text).unwrap_err();
            assert!(error.what.contains(what), "{error}");
            assert_eq!(error.line, line, "{text:?}: {error}");
        }
    }
}
