//! `clearwell.toml`: what a mix maintainer would otherwise type at each command.
//!
//! Found in the working directory, or named with `--config`. Every key is also an option of the command line, which
//! wins. Paths are relative to the file. `config/clearwell.toml` shows every key at its default.
//!
//! | Key | Used by |
//! |---|---|
//! | `store` | every command on a store; by `verify` unless `--url` or `--www` is given; by `serve` |
//! | `certificate` | every command that signs or checks signatures; by `serve` for the metric of its end |
//! | `content-url`, `version-url` | `build`; `verify --url` without a value |
//! | `jobs`, `memory` | `build`, `check`, `deltas` |
//! | the others | `build`; those for signing also `publish` and `retract` |

use std::fmt::Display;
use std::io;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use clap::Args;
use clearwell_format::FormatNumber;
use clearwell_generate::build::Profile;
use clearwell_generate::inputs::AttributePolicy;
use clearwell_serve::config::{ByteSize, toml_text};
use clearwell_store::{Store, regular};
use serde::Deserialize;
use serde::de::{Deserializer, Error as _};

use crate::error::CliError;
use crate::values::{MOST_JOBS, NO_MEMORY, base_url};

/// The file's name.
pub(crate) const FILE_NAME: &str = "clearwell.toml";

/// The keys of the file.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct MixConfig {
    /// The store that releases go to.
    pub(crate) store: Option<PathBuf>,
    /// Bundle trees to build from.
    pub(crate) trees: Option<PathBuf>,
    /// A mixer workspace to build from.
    pub(crate) mix: Option<PathBuf>,
    /// The certificate that endpoints trust, PEM.
    pub(crate) certificate: Option<PathBuf>,
    /// Its private key, PEM.
    pub(crate) key: Option<PathBuf>,
    /// The certificate that signs next, PEM; becomes part of os-core beside the first.
    pub(crate) next_certificate: Option<PathBuf>,
    /// A file whose first line opens the key.
    pub(crate) key_passphrase_file: Option<PathBuf>,
    /// A program that signs in place of a key, with its arguments.
    pub(crate) signing_command: Vec<String>,
    /// The format of new releases.
    pub(crate) format: Option<u16>,
    /// How many earlier releases get packs to a new one.
    pub(crate) deltas: Option<usize>,
    /// Time against bytes: "small", "balanced" or "fast".
    #[serde(deserialize_with = "parsed")]
    pub(crate) profile: Option<Profile>,
    /// What to do about extended attributes: "warn", "refuse" or "ignore".
    #[serde(deserialize_with = "parsed")]
    pub(crate) xattrs: Option<AttributePolicy>,
    /// Threads; 0 for one on each processor.
    pub(crate) jobs: Option<usize>,
    /// Memory that grows with files, for example "2GiB".
    pub(crate) memory: Option<ByteSize>,
    /// Address that endpoints fetch content from; becomes part of os-core.
    pub(crate) content_url: Option<String>,
    /// Address that endpoints fetch pointers from; becomes part of os-core.
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
            Err(error) if explicit.is_none() && error.kind() == std::io::ErrorKind::NotFound => {
                return Ok(Self::default());
            }
            Err(error) => return Err(CliError::usage_from(format!("failed to read {}", path.display()), error)),
        };
        let folder = path.parent().unwrap_or(Path::new(""));
        Self::parse(&text, folder)
            .map_err(|error| CliError::usage_from(format!("{} is not usable", path.display()), error))
    }

    fn parse(text: &str, folder: &Path) -> Result<Self, ConfigError> {
        let mut config: Self = toml::from_str(text).map_err(ConfigError::Toml)?;
        if let Some(format) = config.format
            && FormatNumber::new(format).is_none()
        {
            return Err(ConfigError::Format);
        }
        if config.jobs.is_some_and(|jobs| jobs > MOST_JOBS) {
            return Err(ConfigError::Jobs);
        }
        if config.memory.is_some_and(|size| size.bytes() == 0) {
            return Err(ConfigError::Memory);
        }
        for (key, url) in [("content-url", &config.content_url), ("version-url", &config.version_url)] {
            if let Some(Err(reason)) = url.as_deref().map(base_url) {
                return Err(ConfigError::Url { key, reason });
            }
        }
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

/// More than anybody writes into a configuration file.
const CONFIG_BYTES: u64 = 16 << 20;

#[derive(Debug, thiserror::Error)]
enum ConfigError {
    #[error("{}", toml_text(.0))]
    Toml(toml::de::Error),
    #[error("format: use a number from 1 to 65535")]
    Format,
    #[error("jobs: use a number of threads up to {MOST_JOBS}, or 0 for one per processor")]
    Jobs,
    #[error("memory: {NO_MEMORY}")]
    Memory,
    #[error("{key}: {reason}")]
    Url { key: &'static str, reason: String },
}

fn parsed<'de, D: Deserializer<'de>, T: FromStr<Err: Display>>(deserializer: D) -> Result<Option<T>, D::Error> {
    String::deserialize(deserializer)?.parse().map(Some).map_err(D::Error::custom)
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
    fn a_bad_value_names_its_key() {
        for (text, key) in [
            ("formt = 30", "formt"),
            ("format = 0", "format"),
            ("deltas = \"three\"", "deltas"),
            ("jobs = -1", "jobs"),
            ("jobs = 100000", "up to 1024"),
            ("profile = \"tiny\"", "profile"),
            ("memory = \"much\"", "memory"),
            ("memory = \"99999999999GiB\"", "memory"),
            ("memory = 0", "memory"),
            ("memory = -1", "memory"),
            ("content-url = \"updates.example.org\"", "content-url"),
            ("version-url = \"ftp://updates.example.org\"", "version-url"),
        ] {
            let error = MixConfig::parse(text, Path::new("")).unwrap_err().to_string();
            assert!(error.contains(key), "{text}: {error}");
        }
    }
}
