//! `clearwell.toml`: what a mix maintainer would otherwise type at each build.
//!
//! Found in the working directory, or named with `--config`. Every key is also an option of the command line, which
//! wins. Paths are relative to the file. `config/clearwell.toml` shows every key at its default.

use std::path::{Path, PathBuf};

use clearwell_format::FormatNumber;
use serde::Deserialize;

use crate::cli::MOST_JOBS;
use crate::error::CliError;

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
    /// A file whose first line opens the key.
    pub(crate) key_passphrase_file: Option<PathBuf>,
    /// A program that signs in place of a key, with its arguments.
    pub(crate) signing_command: Vec<String>,
    /// The format of new releases.
    pub(crate) format: Option<u16>,
    /// How many earlier releases get packs to a new one.
    pub(crate) deltas: Option<usize>,
    /// Time against bytes: "small", "balanced" or "fast".
    pub(crate) profile: Option<String>,
    /// Threads; 0 for one on each processor.
    pub(crate) jobs: Option<usize>,
    /// Memory that grows with files, for example "2GiB".
    pub(crate) memory: Option<String>,
    /// Address that endpoints fetch content from; becomes part of os-core.
    pub(crate) content_url: Option<String>,
    /// Address that endpoints fetch pointers from; becomes part of os-core.
    pub(crate) version_url: Option<String>,
}

impl MixConfig {
    /// The folder of the store: the one that was typed, or that of the file.
    ///
    /// # Errors
    /// [`Exit::Usage`](crate::exit::Exit::Usage) if neither names one.
    pub(crate) fn store(&self, typed: Option<PathBuf>) -> Result<PathBuf, CliError> {
        typed.or_else(|| self.store.clone()).ok_or_else(|| CliError::usage("which store? give --store DIR"))
    }

    /// Reads `explicit`, or the file of the working directory if there is one.
    ///
    /// # Errors
    /// If the file cannot be read, has an unknown key or a bad value.
    pub(crate) fn load(explicit: Option<&Path>) -> Result<Self, CliError> {
        let path = explicit.map_or_else(|| PathBuf::from(FILE_NAME), Path::to_path_buf);
        let text = match std::fs::read_to_string(&path) {
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
        let mut config: Self = toml::from_str(text)?;
        if let Some(format) = config.format
            && FormatNumber::new(format).is_none()
        {
            return Err(ConfigError::Format);
        }
        if config.jobs.is_some_and(|jobs| jobs > MOST_JOBS) {
            return Err(ConfigError::Jobs);
        }
        for path in [
            &mut config.store,
            &mut config.trees,
            &mut config.mix,
            &mut config.certificate,
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

#[derive(Debug, thiserror::Error)]
enum ConfigError {
    #[error(transparent)]
    Toml(#[from] toml::de::Error),
    #[error("format: use a number from 1 to 65535")]
    Format,
    #[error("jobs: use a number of threads up to {MOST_JOBS}, or 0 for one on each processor")]
    Jobs,
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
        ] {
            let error = crate::ui::chain(&MixConfig::parse(text, Path::new("")).unwrap_err());
            assert!(error.contains(key), "{text}: {error}");
        }
    }
}
