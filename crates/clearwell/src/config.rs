//! `clearwell.toml`: defaults for the options of a mix maintainer.
//!
//! Found in the working directory, or named with `--config`. Every key is also an option of the command line, which
//! wins. Paths are relative to the file. `config/clearwell.toml` shows every key at its default.
//!
//! | Key | Used by |
//! |---|---|
//! | `store` | every command on a store; by `verify` unless `--url` or `--www` is given; by `serve` |
//! | `certificate` | every command that signs or checks signatures; by `serve` for the metric of its expiry |
//! | `content-url`, `version-url` | `build`; `verify --url` without a value |
//! | `jobs`, `memory` | `build`, `check`, `deltas` |
//! | the others | `build`; those for signing also `publish` and `retract` |

use std::fmt::Display;
use std::io;
use std::num::NonZeroUsize;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use clap::Args;
use clearwell_generate::build::Profile;
use clearwell_generate::inputs::AttributePolicy;
use clearwell_serve::config::{ByteSize, line_and_column};
use clearwell_store::{Store, regular};
use serde::Deserialize;
use serde::de::{Deserializer, Error as _, IntoDeserializer as _};
use toml::de::DeTable;
use toml::{Table, Value};

use crate::error::CliError;
use crate::values::{MOST_JOBS, NO_MEMORY, base_url};

/// The file's name.
pub(crate) const FILE_NAME: &str = "clearwell.toml";

/// The keys of the file.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct MixConfig {
    /// The store that releases go to.
    #[serde(deserialize_with = "path")]
    pub(crate) store: Option<PathBuf>,
    /// Bundle trees to build from.
    #[serde(deserialize_with = "path")]
    pub(crate) trees: Option<PathBuf>,
    /// A mixer workspace to build from.
    #[serde(deserialize_with = "path")]
    pub(crate) mix: Option<PathBuf>,
    /// The certificate that endpoints trust, PEM.
    #[serde(deserialize_with = "path")]
    pub(crate) certificate: Option<PathBuf>,
    /// Its private key, PEM.
    #[serde(deserialize_with = "path")]
    pub(crate) key: Option<PathBuf>,
    /// The certificate that signs next, PEM; becomes part of os-core together with the first.
    #[serde(deserialize_with = "path")]
    pub(crate) next_certificate: Option<PathBuf>,
    /// A file whose first line is the passphrase of the key.
    #[serde(deserialize_with = "path")]
    pub(crate) key_passphrase_file: Option<PathBuf>,
    /// A program that signs instead of a key, with its arguments.
    #[serde(deserialize_with = "strings")]
    pub(crate) signing_command: Vec<String>,
    /// The format of new releases.
    #[serde(deserialize_with = "format_number")]
    pub(crate) format: Option<u16>,
    /// Number of earlier releases to make delta packs from.
    #[serde(deserialize_with = "whole_number")]
    pub(crate) deltas: Option<usize>,
    /// Compression effort: "small", "balanced" or "fast".
    #[serde(deserialize_with = "parsed")]
    pub(crate) profile: Option<Profile>,
    /// What to do about extended attributes: "warn", "refuse" or "ignore".
    #[serde(deserialize_with = "parsed")]
    pub(crate) xattrs: Option<AttributePolicy>,
    /// Threads; 0 for one on each processor.
    #[serde(deserialize_with = "threads")]
    pub(crate) jobs: Option<usize>,
    /// Memory for data that grows with file sizes, for example "2GiB".
    #[serde(deserialize_with = "memory")]
    pub(crate) memory: Option<ByteSize>,
    /// URL from which endpoints fetch content; becomes part of os-core.
    #[serde(deserialize_with = "url")]
    pub(crate) content_url: Option<String>,
    /// URL from which endpoints fetch pointers; becomes part of os-core.
    #[serde(deserialize_with = "url")]
    pub(crate) version_url: Option<String>,
}

/// The options that name a configuration file and a store.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct StoreArgs {
    /// The store. Default: that of clearwell.toml.
    #[arg(long, global = true, env = "CLEARWELL_STORE", value_name = "DIR")]
    pub(crate) store: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) config: ConfigArgs,
}

/// The option that names a configuration file.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct ConfigArgs {
    /// The configuration file. Default: clearwell.toml in this folder.
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
}

impl ConfigArgs {
    /// The file that is read, if it exists.
    pub(crate) fn path(&self) -> &Path {
        self.config.as_deref().unwrap_or(Path::new(FILE_NAME))
    }

    /// Reads the configuration.
    ///
    /// # Errors
    /// As [`MixConfig::load`].
    pub(crate) fn load(&self) -> Result<MixConfig, CliError> {
        MixConfig::load(self.config.as_deref())
    }
}

impl StoreArgs {
    /// Reads the configuration and opens the store.
    ///
    /// # Errors
    /// As [`MixConfig::load`], [`MixConfig::store`] and [`Store::open`].
    pub(crate) fn open(&self) -> Result<(MixConfig, Store), CliError> {
        let config = self.config.load()?;
        let store = Store::open(config.store(self.store.as_deref())?)?;
        Ok((config, store))
    }
}

impl MixConfig {
    /// The folder of the store: the one of the command line, or that of the file.
    ///
    /// # Errors
    /// [`Exit::Usage`](crate::exit::Exit::Usage) if neither names one.
    pub(crate) fn store<'p>(&'p self, typed: Option<&'p Path>) -> Result<&'p Path, CliError> {
        typed
            .or(self.store.as_deref())
            .ok_or_else(|| CliError::usage("no store given; use --store DIR, or run in a mix folder"))
    }

    /// The number of threads: the one of the command line, or that of the file. `None` is one on each processor.
    pub(crate) fn jobs(&self, typed: Option<usize>) -> Option<NonZeroUsize> {
        typed.or(self.jobs).and_then(NonZeroUsize::new)
    }

    /// Bytes of memory: those of the command line, or of the file.
    pub(crate) fn memory_bytes(&self, typed: Option<ByteSize>) -> Option<u64> {
        typed.or(self.memory).map(ByteSize::bytes)
    }

    /// Reads `explicit`, or the file of the working directory if there is one.
    ///
    /// # Errors
    /// If the file cannot be read, has an unknown key or a bad value.
    pub(crate) fn load(explicit: Option<&Path>) -> Result<Self, CliError> {
        let path = explicit.map_or_else(|| PathBuf::from(FILE_NAME), Path::to_path_buf);
        let text = match read_text(&path) {
            Ok(text) => text,
            Err(error) if explicit.is_none() && is_absent(&path, &error) => return Ok(Self::default()),
            Err(error) => return Err(CliError::usage_from(format!("failed to read {}", path.display()), error)),
        };
        let folder = path.parent().unwrap_or(Path::new(""));
        Self::parse(&text, folder).map_err(|error| CliError::usage(format!("{}:{error}", path.display())))
    }

    /// # Errors
    /// Line and column, the key, and what is wrong with it.
    pub(crate) fn parse(text: &str, folder: &Path) -> Result<Self, String> {
        let at = |offset: usize, message: &str| {
            let (line, column) = line_and_column(text, offset);
            format!("{line}:{column}: {message}")
        };
        let file = DeTable::parse(text)
            .map_err(|error| at(error.span().unwrap_or_default().start, error.message()))?
            .into_inner();
        // In the order of the text: the first error is the one to report.
        let mut entries: Vec<_> = file.into_iter().collect();
        entries.sort_by_key(|(name, _)| name.span().start);
        let mut values = Table::new();
        for (name, value) in entries {
            let key = name.get_ref().to_string();
            let start = value.span().start;
            let value = Value::deserialize(value.into_deserializer())
                .map_err(|error| at(start, &format!("{key}: {}", error.message())))?;
            // Each key alone first: the error is then about this one.
            let alone = Table::from_iter([(key.clone(), value.clone())]);
            alone.try_into::<Self>().map_err(|error| {
                let is_unknown = error.message().starts_with("unknown field");
                let offset = if is_unknown { name.span().start } else { start };
                at(
                    offset,
                    &if is_unknown { format!("{key}: unknown key") } else { format!("{key}: {}", error.message()) },
                )
            })?;
            values.insert(key, value);
        }
        let mut config: Self = values.try_into().map_err(|error: toml::de::Error| error.message().to_owned())?;
        for path in [
            &mut config.store,
            &mut config.trees,
            &mut config.mix,
            &mut config.certificate,
            &mut config.next_certificate,
            &mut config.key,
            &mut config.key_passphrase_file,
        ]
        .into_iter()
        .flatten()
        {
            *path = folder.join(&*path);
        }
        Ok(config)
    }
}

/// The text of a configuration file.
pub(crate) fn read_text(path: &Path) -> io::Result<String> {
    let bytes = regular::read_named(path, CONFIG_BYTES)?;
    String::from_utf8(bytes).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
}

/// Far more than a configuration file needs.
const CONFIG_BYTES: u64 = 16 << 20;

fn parsed<'de, D: Deserializer<'de>, T: FromStr<Err: Display>>(deserializer: D) -> Result<Option<T>, D::Error> {
    text(deserializer, "a text in quotes")?.parse().map(Some).map_err(D::Error::custom)
}

fn path<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<PathBuf>, D::Error> {
    text(deserializer, "a path in quotes").map(|path| Some(path.into()))
}

fn url<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    let url = text(deserializer, "a URL in quotes")?;
    base_url(&url).map_err(D::Error::custom)?;
    Ok(Some(url))
}

fn text<'de, D: Deserializer<'de>>(deserializer: D, expected: &str) -> Result<String, D::Error> {
    match Value::deserialize(deserializer)? {
        Value::String(text) => Ok(text),
        other => Err(D::Error::custom(format!("expected {expected}, found {other}"))),
    }
}

fn strings<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    let value = Value::deserialize(deserializer)?;
    let expected = || D::Error::custom(format!("expected a list such as [\"program\", \"argument\"], found {value}"));
    let words = value.as_array().ok_or_else(expected)?;
    words.iter().map(|word| word.as_str().map(str::to_owned).ok_or_else(expected)).collect()
}

fn whole_number<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<usize>, D::Error> {
    number(deserializer, "a whole number, 0 or above", 0..=i64::MAX)
}

fn threads<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<usize>, D::Error> {
    let expected = format!("a number of threads up to {MOST_JOBS}, or 0 for one per processor");
    number(deserializer, &expected, 0..=MOST_JOBS as i64)
}

fn format_number<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u16>, D::Error> {
    number(deserializer, "a whole number from 1 to 65535", 1..=u16::MAX.into())
}

fn number<'de, D: Deserializer<'de>, T: TryFrom<i64>>(
    deserializer: D,
    expected: &str,
    range: RangeInclusive<i64>,
) -> Result<Option<T>, D::Error> {
    let value = Value::deserialize(deserializer)?;
    let number = value.as_integer().filter(|number| range.contains(number)).and_then(|number| T::try_from(number).ok());
    number.map(Some).ok_or_else(|| D::Error::custom(format!("expected {expected}, found {value}")))
}

fn memory<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<ByteSize>, D::Error> {
    match ByteSize::deserialize(deserializer)? {
        size if size.bytes() == 0 => Err(D::Error::custom(NO_MEMORY)),
        size => Ok(Some(size)),
    }
}

/// Also where the user may not enter the working directory, such as the home of root with `runuser -u clearwell`.
fn is_absent(path: &Path, error: &io::Error) -> bool {
    let is_closed = || path.symlink_metadata().is_err_and(|error| error.kind() == io::ErrorKind::PermissionDenied);
    match error.kind() {
        io::ErrorKind::NotFound => true,
        io::ErrorKind::PermissionDenied => is_closed(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_file_and_the_shipped_one_are_the_default() {
        let shipped = include_str!("../../../config/clearwell.toml");
        for text in ["", shipped] {
            assert_eq!(MixConfig::parse(text, Path::new("")).unwrap(), MixConfig::default());
        }
    }

    #[test]
    fn the_shipped_file_shows_every_key() {
        let shipped = include_str!("../../../config/clearwell.toml");
        let uncommented: String = shipped
            .lines()
            .filter_map(|line| line.strip_prefix("#= "))
            .fold(String::new(), |text, line| text + line + "\n");
        let config = MixConfig::parse(&uncommented, Path::new("/mix")).unwrap();
        let shown = format!("{config:?}");
        assert!(!shown.contains("None") && !config.signing_command.is_empty(), "{shown}");
        assert_eq!(config.store, Some(PathBuf::from("/mix/store")));
    }

    #[test]
    fn a_bad_value_names_its_place_and_key() {
        let path = "expected a path in quotes, found 1";
        let url = "expected a URL in quotes, found 1";
        for (text, expected) in [
            ("formt = 30", "1:1: formt: unknown key"),
            ("\nformat = 0", "2:10: format: expected a whole number from 1 to 65535, found 0"),
            ("format = 65536", "1:10: format: expected a whole number from 1 to 65535, found 65536"),
            ("deltas = \"three\"", "1:10: deltas: expected a whole number, 0 or above, found \"three\""),
            ("jobs = -1", "1:8: jobs: expected a number of threads up to 1024"),
            ("jobs = 100000", "1:8: jobs: expected a number of threads up to 1024"),
            ("profile = \"tiny\"", "1:11: profile: "),
            ("profile = 1", "1:11: profile: expected a text in quotes, found 1"),
            ("xattrs = \"keep\"", "1:10: xattrs: "),
            ("memory = \"much\"", "1:10: memory: \"much\" is not a size"),
            ("memory = \"99999999999GiB\"", "1:10: memory: \"99999999999GiB\" is too large"),
            ("memory = 0", "1:10: memory: "),
            ("memory = -1", "1:10: memory: "),
            ("content-url = \"updates.example.org\"", "1:15: content-url: "),
            ("version-url = \"ftp://updates.example.org\"", "1:15: version-url: "),
            ("version-url = 1", &format!("1:15: version-url: {url}")),
            ("store = 1", &format!("1:9: store: {path}")),
            ("trees = 1", &format!("1:9: trees: {path}")),
            ("mix = 1", &format!("1:7: mix: {path}")),
            ("certificate = 1", &format!("1:15: certificate: {path}")),
            ("key = 1", &format!("1:7: key: {path}")),
            ("next-certificate = 1", &format!("1:20: next-certificate: {path}")),
            ("key-passphrase-file = 1", &format!("1:23: key-passphrase-file: {path}")),
            ("signing-command = \"sign\"", "1:19: signing-command: expected a list such as"),
            ("signing-command = [1]", "1:19: signing-command: expected a list such as"),
            ("store = \"store\"\njobs =", "2:7: "),
        ] {
            let error = MixConfig::parse(text, Path::new("")).unwrap_err();
            assert!(error.starts_with(expected), "{text}: {error}");
        }
    }
}
