//! `builder.conf`: the configuration of a workspace (workspace 2).
//!
//! TOML with `$NAME` and `${NAME}` in strings, taken from the environment. Unknown keys mean nothing; the keys read here
//! are those that a release depends on.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::server_ini::ban;
use crate::inputs::DebuginfoBan;
use crate::source::TextError;

/// What a release takes from `builder.conf`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BuilderConf {
    /// `CERT`: the certificate that signs; its key is `private.pem` beside it.
    pub certificate: PathBuf,
    /// `SERVER_STATE_DIR`: images, groups and the public tree.
    pub state: PathBuf,
    /// `VERSIONS_PATH`: the folder of `mixversion` and its kin.
    pub versions: PathBuf,
    /// `COMPRESSION`: methods for fullfiles, by mixer's names.
    pub compression: Vec<String>,
    /// `DEBUG_INFO_*`: what is banned unless `server.ini` says otherwise.
    pub debuginfo: DebuginfoBan,
    /// `FORMAT`, where old workspaces kept it.
    pub format: Option<String>,
}

impl BuilderConf {
    /// Reads the file. Relative paths and defaults are below `dir`, the workspace.
    ///
    /// # Errors
    /// For broken TOML, and for a variable that `environment` does not have.
    pub fn parse(text: &str, dir: &Path, environment: &dyn Fn(&str) -> Option<String>) -> Result<Self, TextError> {
        let file: File = toml::from_str(text).map_err(|error| TextError::of_toml(&error, text))?;
        let expand = |value: Option<String>, default: &str| match value {
            Some(value) => expand(&value, environment),
            None => Ok(default.to_owned()),
        };
        let path = |value, default| expand(value, default).map(|value| dir.join(value));
        Ok(Self {
            certificate: path(file.builder.cert, "Swupd_Root.pem")?,
            state: path(file.builder.server_state_dir, "update")?,
            versions: path(file.builder.versions_path, "")?,
            compression: file.swupd.compression.unwrap_or_else(|| vec!["external-xz".to_owned()]),
            debuginfo: ban(
                &expand(file.server.debug_info_banned, "true")?,
                &expand(file.server.debug_info_lib, "/usr/lib/debug")?,
                &expand(file.server.debug_info_src, "/usr/src/debug")?,
            ),
            format: file.swupd.format,
        })
    }
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct File {
    builder: Builder,
    swupd: Swupd,
    server: Server,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE", default)]
struct Builder {
    cert: Option<String>,
    server_state_dir: Option<String>,
    versions_path: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE", default)]
struct Swupd {
    compression: Option<Vec<String>>,
    format: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE", default)]
struct Server {
    debug_info_banned: Option<String>,
    debug_info_lib: Option<String>,
    debug_info_src: Option<String>,
}

/// Replaces `$NAME` and `${NAME}`.
fn expand(value: &str, environment: &dyn Fn(&str) -> Option<String>) -> Result<String, TextError> {
    let mut expanded = String::new();
    let mut rest = value;
    while let Some((before, after)) = rest.split_once('$') {
        expanded.push_str(before);
        let in_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let (name, behind) = match after.strip_prefix('{').and_then(|braced| braced.split_once('}')) {
            Some(parts) => parts,
            None => after.split_at(after.find(|c| !in_name(c)).unwrap_or(after.len())),
        };
        if name.is_empty() {
            expanded.push('$');
        } else {
            let value = environment(name).ok_or_else(|| TextError {
                line: 0,
                what: format!("\"{value}\" names the variable {name}, which is not set; set it or write the value"),
            })?;
            expanded.push_str(&value);
        }
        rest = behind;
    }
    expanded.push_str(rest);
    Ok(expanded)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<BuilderConf, TextError> {
        let environment = |name: &str| (name == "HOME").then(|| "/home/mix".to_owned());
        BuilderConf::parse(text, Path::new("/mix"), &environment)
    }

    #[test]
    fn an_empty_file_has_mixers_defaults() {
        let conf = parse("").unwrap();
        assert_eq!(conf.certificate, Path::new("/mix/Swupd_Root.pem"));
        assert_eq!(conf.state, Path::new("/mix/update"));
        assert_eq!(conf.versions, Path::new("/mix/"));
        assert_eq!(conf.compression, ["external-xz"]);
        assert_eq!(conf.debuginfo, DebuginfoBan::usual());
    }

    #[test]
    fn values_and_variables_are_read() {
        let conf = parse(
            "#VERSION 1.2\n\n[Builder]\n  CERT = \"$HOME/cert.pem\"\n  SERVER_STATE_DIR = \"${HOME}x/state\"\n\
             [Swupd]\n  BUNDLE = \"os-core\"\n  FORMAT = \"3\"\n[Server]\n  DEBUG_INFO_BANNED = \"false\"\n[New]\nX = 1\n",
        )
        .unwrap();
        assert_eq!(conf.certificate, Path::new("/home/mix/cert.pem"));
        assert_eq!(conf.state, Path::new("/home/mixx/state"));
        assert_eq!(conf.format.as_deref(), Some("3"));
        assert_eq!(conf.debuginfo, DebuginfoBan::default());
    }

    #[test]
    fn what_is_wrong_is_told() {
        assert_eq!(parse("[Builder]\nCERT = 1\n").unwrap_err().line, 2);
        assert_eq!(parse("[Builder\n").unwrap_err().line, 1);
        let error = parse("[Builder]\nCERT = \"$NONE/x\"\n").unwrap_err();
        assert!(error.what.contains("the variable NONE"), "{error}");
        assert_eq!(parse("[Builder]\nCERT = \"a$/x$\"\n").unwrap().certificate, Path::new("/mix/a$/x$"));
    }
}
