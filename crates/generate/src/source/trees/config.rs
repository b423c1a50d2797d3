//! `bundles.toml`: settings of a folder of trees. Every key is optional, and so is the file.
//!
//! ```toml
//! owner = "disk"                     # or "root": all files belong to root, independent of the disk
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
use std::ops::Range;

use clearwell_format::BundleName;
use serde::Deserialize;
use serde::de::{DeserializeOwned, IntoDeserializer as _};
use toml::Spanned;
use toml::de::{DeString, DeTable, DeValue};

use crate::inputs::{BundleStatus, DebuginfoBan};
use crate::source::TextError;
use crate::source::error::line_of;
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

/// The settings of one bundle in `bundles.toml`.
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
    /// Paths below `/usr/bin` and similar folders that get no wrapper.
    pub un_export: Vec<String>,
}

impl TreesConfig {
    /// Reads the file as far as it can be understood, and everything that is wrong with it, by line: broken TOML,
    /// unknown keys, invalid bundle names.
    pub fn parse(text: &str) -> (Self, Vec<TextError>) {
        let (table, errors) = DeTable::parse_recoverable(text);
        let errors = errors.iter().map(|error| TextError::of_toml(error, text)).collect();
        let mut reader = Reader { text, errors };
        let mut config = Self::default();
        for (key, value) in table.into_inner() {
            match key.as_ref().as_ref() {
                // Of an owner that is not understood no two bundles should seem to differ.
                "owner" => config.ownership = reader.value(value).map_or(Ownership::Root, OwnerKey::into),
                "content-url" => config.content_url = reader.value(value),
                "version-url" => config.version_url = reader.value(value),
                "debuginfo" => config.debuginfo = reader.debuginfo(value),
                "bundles" => {
                    for (name, value) in reader.table(value) {
                        let bundle = reader.bundle(value);
                        config.bundles.extend(reader.name(name.span(), name.as_ref()).map(|name| (name, bundle)));
                    }
                }
                _ => reader.unknown(&key, "owner, content-url, version-url, debuginfo or bundles"),
            }
        }
        reader.errors.sort_by_key(|error| error.line);
        (config, reader.errors)
    }
}

/// Takes values out of the file's tables, and notes those that are wrong.
struct Reader<'t> {
    text: &'t str,
    errors: Vec<TextError>,
}

impl Reader<'_> {
    fn value<T: DeserializeOwned>(&mut self, value: Spanned<DeValue<'_>>) -> Option<T> {
        let read = T::deserialize(value.into_deserializer());
        read.map_err(|error| self.errors.push(TextError::of_toml(&error, self.text))).ok()
    }

    fn table<'v>(&mut self, value: Spanned<DeValue<'v>>) -> DeTable<'v> {
        let span = value.span();
        match value.into_inner() {
            DeValue::Table(table) => table,
            _ => {
                self.error(span, "use a table here".to_owned());
                DeTable::default()
            }
        }
    }

    fn debuginfo(&mut self, value: Spanned<DeValue<'_>>) -> DebuginfoBan {
        let mut banned = false;
        let mut ban = DebuginfoBan::usual();
        for (key, value) in self.table(value) {
            match key.as_ref().as_ref() {
                "banned" => banned = self.value(value).unwrap_or_default(),
                "prefixes" => {
                    let prefixes: Vec<String> = self.value(value).unwrap_or_default();
                    ban.prefixes = prefixes.into_iter().map(String::into_bytes).collect();
                }
                _ => self.unknown(&key, "banned or prefixes"),
            }
        }
        if banned { ban } else { DebuginfoBan::default() }
    }

    fn bundle(&mut self, value: Spanned<DeValue<'_>>) -> BundleConfig {
        let mut bundle = BundleConfig::default();
        for (key, value) in self.table(value) {
            match key.as_ref().as_ref() {
                "title" => bundle.title = self.value(value).unwrap_or_default(),
                "description" => bundle.description = self.value(value).unwrap_or_default(),
                "status" => bundle.status = self.value(value).map_or(BundleStatus::Active, StatusKey::into),
                "includes" => bundle.includes = self.names(value),
                "also-add" => bundle.also_add = self.names(value),
                "un-export" => bundle.un_export = self.value(value).unwrap_or_default(),
                _ => self.unknown(&key, "title, description, status, includes, also-add or un-export"),
            }
        }
        bundle
    }

    fn names(&mut self, value: Spanned<DeValue<'_>>) -> Vec<BundleName> {
        let names: Vec<Spanned<String>> = self.value(value).unwrap_or_default();
        names.iter().filter_map(|name| self.name(name.span(), name.as_ref())).collect()
    }

    fn name(&mut self, span: Range<usize>, name: &str) -> Option<BundleName> {
        name.parse().map_err(|error| self.error(span, format!("{error}"))).ok()
    }

    fn unknown(&mut self, key: &Spanned<DeString<'_>>, known: &str) {
        self.error(key.span(), format!("unknown key \"{}\"; use {known}", key.as_ref()));
    }

    fn error(&mut self, span: Range<usize>, what: String) {
        self.errors.push(TextError { line: line_of(self.text, span.start), what });
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
enum OwnerKey {
    Disk,
    Root,
}

impl From<OwnerKey> for Ownership {
    fn from(key: OwnerKey) -> Self {
        match key {
            OwnerKey::Disk => Self::OnDisk,
            OwnerKey::Root => Self::Root,
        }
    }
}

#[derive(Deserialize)]
enum StatusKey {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_file_is_the_default() {
        assert_eq!(TreesConfig::parse(""), (TreesConfig::default(), Vec::new()));
        assert!(TreesConfig::default().debuginfo.prefixes.is_empty());
    }

    #[test]
    fn every_key_is_read() {
        let (config, errors) = TreesConfig::parse(
            "owner = \"root\"\ncontent-url = \"http://a/\"\nversion-url = \"http://b/\"\n[debuginfo]\nbanned = true\n\
             [bundles.editors]\ntitle = \"T\"\ndescription = \"D\"\nstatus = \"Experimental\"\nincludes = [\"libs\"]\n\
             also-add = [\"docs\"]\nun-export = [\"/usr/bin/x\"]\n",
        );
        assert_eq!(errors, []);
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
            ("x = 1\n", 1, "unknown key \"x\"; use owner"),
            ("owner = \"me\"\n", 1, "unknown variant"),
            ("\n[bundles.a]\nincludes = \"b\"\n", 3, "invalid type"),
            ("[bundles.a]\nstatus = \"active\"\n", 2, "unknown variant"),
            ("[bundles.a]\n\nincludes = [\n\"b c\"]\n", 4, "not a bundle name"),
            ("[bundles.MoM]\n", 1, "not a bundle name"),
            ("bundles = 3\n", 1, "use a table"),
            ("[bundles]\na = \"b\"\n", 2, "use a table"),
            ("[bundles.a]\nTitle = \"A\"\n", 2, "unknown key \"Title\""),
            ("[debuginfo]\nbaned = true\n", 2, "unknown key \"baned\""),
            ("[bundles.a]\n[bundles.a]\n", 2, "duplicate key"),
            ("[bundles", 1, ""),
        ] {
            let (_, errors) = TreesConfig::parse(text);
            assert_eq!(errors.len(), 1, "{text:?}: {errors:?}");
            assert!(errors[0].what.contains(what), "{text:?}: {}", errors[0]);
            assert_eq!(errors[0].line, line, "{text:?}: {}", errors[0]);
        }
    }

    #[test]
    fn everything_that_is_wrong_is_told_and_the_rest_is_read() {
        let (config, errors) = TreesConfig::parse(
            "owner = \"me\"\nowner = \"you\"\ncolour = 1\n[bundles.\"b c\"]\n[bundles.a]\ntitle = 1\nincludes = [\"b\", \"x/y\"]\n\
             status = \"Old\"\ntitel = \"T\"\n[bundles.d]\ntitle = \"D\"\ndescription =\n",
        );
        let lines: Vec<usize> = errors.iter().map(|error| error.line).collect();
        assert_eq!(lines, [1, 2, 3, 4, 6, 7, 8, 9, 12], "{errors:?}");
        assert_eq!(config.bundles[&"a".parse().unwrap()].includes, ["b".parse().unwrap()]);
        assert_eq!(config.bundles[&"d".parse().unwrap()].title, "D");
    }
}
