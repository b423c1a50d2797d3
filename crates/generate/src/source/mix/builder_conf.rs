//! `builder.conf`: the configuration of a workspace (mixer workspace §2).
//!
//! TOML with `$NAME` and `${NAME}` in strings, taken from the environment. Workspaces of mixer before version 5 have
//! the same keys without quotes, in any section; mixer rewrites such a file, and here it is only read:
//!
//! ```text
//! #VERSION 1.2                            [Builder]
//! [Builder]                               CERT = /mix/Swupd_Root.pem      from the first column to the end of the line
//!   CERT = "/mix/Swupd_Root.pem"          debuginfo_banned = true
//! ```

use std::path::{Path, PathBuf};

use super::server_ini::ban;
use super::toml_file::{Known, Located, TomlFile};
use crate::inputs::DebuginfoBan;
use crate::source::{TextError, TextNote};

/// What a release takes from `builder.conf`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BuilderConf {
    /// `CERT`: the certificate that signs; its key is `private.pem` in the same folder.
    pub certificate: PathBuf,
    /// `SERVER_STATE_DIR`: images, groups and the public tree.
    pub state: PathBuf,
    /// `VERSIONS_PATH`: the folder of `mixversion` and similar files.
    pub versions: PathBuf,
    /// `COMPRESSION`: methods for fullfiles, by mixer's names.
    pub compression: Vec<String>,
    /// `DEBUG_INFO_*`: what is banned where there is no `server.ini`.
    pub debuginfo: DebuginfoBan,
    /// `FORMAT`, where old workspaces kept it.
    pub format: Option<String>,
}

impl BuilderConf {
    /// Reads the file. Relative paths and defaults are below `dir`, the workspace.
    ///
    /// # Errors
    /// If it is neither TOML nor of the old style, for a variable that `environment` does not have, and for what mixer
    /// would leave out of a value without a word.
    pub fn parse(
        text: &str,
        dir: &Path,
        environment: &dyn Fn(&str) -> Option<String>,
        notes: &mut Vec<TextNote>,
    ) -> Result<Self, TextError> {
        let mut of_toml = Vec::new();
        let values = match Values::of_toml(text, &mut of_toml) {
            Ok(values) => {
                notes.append(&mut of_toml);
                values
            }
            Err(error) if text.starts_with("#VERSION ") || TomlFile::is_toml(text) => return Err(error),
            Err(error) => Values::of_old_style(text, &error, notes)?.ok_or(error)?,
        };
        let expand = |value: Option<Located>, default: &str| match value {
            Some(value) => expand(&value, environment),
            None => Ok(default.to_owned()),
        };
        let path = |value: Option<Located>, key: &str, default| {
            let line = value.as_ref().map_or(0, |value| value.line);
            match expand(value, default)? {
                empty if empty.is_empty() && line > 0 => {
                    Err(TextError { line, what: format!("{key} is empty; set a path or remove the line") })
                }
                value => Ok(dir.join(value)),
            }
        };
        Ok(Self {
            certificate: path(values.certificate, "CERT", "Swupd_Root.pem")?,
            state: path(values.state, "SERVER_STATE_DIR", "update")?,
            versions: path(values.versions, "VERSIONS_PATH", "")?,
            compression: values.compression.unwrap_or_else(|| vec!["external-xz".to_owned()]),
            debuginfo: ban(
                &expand(values.banned, "true")?,
                &expand(values.lib, "/usr/lib/debug")?,
                &expand(values.src, "/usr/src/debug")?,
            ),
            format: values.format.map(|format| format.value),
        })
    }
}

/// The values of the keys that a release depends on, as written.
#[derive(Default)]
struct Values {
    certificate: Option<Located>,
    state: Option<Located>,
    versions: Option<Located>,
    compression: Option<Vec<String>>,
    banned: Option<Located>,
    lib: Option<Located>,
    src: Option<Located>,
    format: Option<Located>,
}

impl Values {
    fn of_toml(text: &str, notes: &mut Vec<TextNote>) -> Result<Self, TextError> {
        let file = TomlFile::parse(text, KNOWN, notes)?;
        Ok(Self {
            certificate: file.string("Builder", "CERT")?,
            state: file.string("Builder", "SERVER_STATE_DIR")?,
            versions: file.string("Builder", "VERSIONS_PATH")?,
            compression: file.strings("Swupd", "COMPRESSION")?,
            banned: file.string("Server", "DEBUG_INFO_BANNED")?,
            lib: file.string("Server", "DEBUG_INFO_LIB")?,
            src: file.string("Server", "DEBUG_INFO_SRC")?,
            format: file.string_or_integer("Swupd", "FORMAT")?,
        })
    }

    /// `None` if no line sets a key that mixer knows: then the file is none of this style.
    fn of_old_style(text: &str, toml: &TextError, notes: &mut Vec<TextNote>) -> Result<Option<Self>, TextError> {
        let mut values = Self::default();
        let mut told =
            vec![TextNote::new(1, "the file has the syntax of mixer before version 5; mixer will convert it".into())];
        let mut is_of_style = false;
        for (number, line) in text.lines().enumerate() {
            let (line, number) = (line.trim_end(), number + 1);
            if line.is_empty() || line.starts_with(['#', ';', '[']) {
                continue;
            }
            let (key, value) = line.split_once('=').unwrap_or((line, ""));
            let (key, value) = (key.trim_end(), value.trim_start());
            let field = match key {
                _ if !line.contains('=') => None,
                "CERT" => Some(&mut values.certificate),
                "SERVER_STATE_DIR" => Some(&mut values.state),
                "VERSIONS_PATH" => Some(&mut values.versions),
                "FORMAT" => Some(&mut values.format),
                "debuginfo_banned" => Some(&mut values.banned),
                "debuginfo_lib" => Some(&mut values.lib),
                "debuginfo_src" => Some(&mut values.src),
                _ => None,
            };
            let is_known = field.is_some() || (line.contains('=') && OTHER_OLD_KEYS.contains(&key));
            is_of_style |= is_known;
            if !is_known {
                told.push(TextNote::new(
                    number,
                    format!("\"{line}\" sets no key that mixer knows in this syntax: ignored"),
                ));
                continue;
            }
            if value.starts_with(['"', '\'']) || value.contains(char::REPLACEMENT_CHARACTER) {
                let what = format!("the value of {key} cannot be read; take off its quotes, or mend the TOML ({toml})");
                return Err(TextError { line: number, what });
            }
            if let Some(field) = field
                && field.replace(Located { value: value.to_owned(), line: number }).is_some()
            {
                told.push(TextNote::new(number, format!("{key} is set twice: the line before is ignored")));
            }
        }
        if !is_of_style {
            return Ok(None);
        }
        notes.append(&mut told);
        Ok(Some(values))
    }
}

/// What mixer reads, and `FORMAT`, which it once did.
const KNOWN: &Known = &[
    ("Builder", &["CERT", "SERVER_STATE_DIR", "VERSIONS_PATH", "YUM_CONF"]),
    ("Swupd", &["BUNDLE", "CONTENTURL", "VERSIONURL", "COMPRESSION", "UPSTREAM_BUNDLES_URL", "FORMAT"]),
    ("Server", &["DEBUG_INFO_BANNED", "DEBUG_INFO_LIB", "DEBUG_INFO_SRC"]),
    ("Mixer", &["LOCAL_BUNDLE_DIR", "LOCAL_REPO_DIR", "LOCAL_RPM_DIR", "OS_RELEASE_PATH", "LOG"]),
];

/// Keys of the old style that a release does not depend on.
const OTHER_OLD_KEYS: [&str; 7] =
    ["YUM_CONF", "BUNDLE", "CONTENTURL", "VERSIONURL", "LOCAL_BUNDLE_DIR", "LOCAL_REPO_DIR", "LOCAL_RPM_DIR"];

/// Replaces `$NAME` and `${NAME}`. A dollar sign before anything that is neither a name nor special to a shell stays.
fn expand(from: &Located, environment: &dyn Fn(&str) -> Option<String>) -> Result<String, TextError> {
    let error = |what: String| TextError { line: from.line, what: format!("\"{}\" {what}", from.value) };
    let mut expanded = String::new();
    let mut rest = from.value.as_str();
    while let Some((before, after)) = rest.split_once('$') {
        expanded.push_str(before);
        let in_name = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
        let (name, behind) = match after.strip_prefix('{') {
            Some(braced) => braced.split_once('}').unwrap_or((after, "")),
            None => after.split_at(after.find(|letter| !in_name(letter)).unwrap_or(after.len())),
        };
        let is_name = name.chars().all(in_name) && !name.starts_with(|letter: char| letter.is_ascii_digit());
        if name.is_empty() && !after.starts_with(SPECIAL) {
            expanded.push('$');
        } else if name.is_empty() || !is_name {
            let shown: String = after.chars().take(10).collect();
            return Err(error(format!("has ${shown}, of which mixer drops a part; write the value out")));
        } else {
            let value = environment(name);
            expanded.push_str(&value.ok_or_else(|| {
                error(format!("names the variable {name}, which is not set; set it or write the value"))
            })?);
        }
        rest = behind;
    }
    expanded.push_str(rest);
    Ok(expanded)
}

/// What makes a dollar sign special without a name.
const SPECIAL: [char; 8] = ['{', '*', '#', '$', '@', '!', '?', '-'];

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<BuilderConf, TextError> {
        noted(text).map(|(conf, _)| conf)
    }

    fn noted(text: &str) -> Result<(BuilderConf, Vec<String>), TextError> {
        let environment = |name: &str| (name == "HOME").then(|| "/home/mix".to_owned());
        let mut notes = Vec::new();
        let conf = BuilderConf::parse(text, Path::new("/mix"), &environment, &mut notes)?;
        Ok((conf, notes.iter().map(ToString::to_string).collect()))
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
        let (conf, notes) = noted(
            "#VERSION 1.2\n\n[Builder]\n  CERT = \"$HOME/cert.pem\"\n  SERVER_STATE_DIR = \"${HOME}x/state\"\n\
             [Swupd]\n  BUNDLE = \"os-core\"\n  FORMAT = \"3\"\n  NEW = 1\n[server]\n  Debug_Info_Banned = \"false\"\n\
             [New]\nX = 1\n",
        )
        .unwrap();
        assert_eq!(conf.certificate, Path::new("/home/mix/cert.pem"));
        assert_eq!(conf.state, Path::new("/home/mixx/state"));
        assert_eq!(conf.format.as_deref(), Some("3"));
        assert_eq!(conf.debuginfo, DebuginfoBan::default());
        assert_eq!(notes, ["line 12: unknown name New: ignored", "line 9: unknown key NEW in Swupd: ignored"]);
    }

    #[test]
    fn the_old_style_is_read_and_told() {
        let (conf, notes) = noted(
            "[Builder]\nSERVER_STATE_DIR = /s/update\nBUNDLE_DIR = /s/bundles\nYUM_CONF =\nCERT = $HOME/c.pem\n\n[swupd]\n\
             FORMAT=3\n  VERSIONS_PATH = /v\n[Server]\ndebuginfo_banned=false\n",
        )
        .unwrap();
        assert_eq!(conf.certificate, Path::new("/home/mix/c.pem"));
        assert_eq!((conf.state, conf.versions), ("/s/update".into(), "/mix/".into()));
        assert_eq!((conf.format.as_deref(), conf.debuginfo), (Some("3"), DebuginfoBan::default()));
        assert_eq!(
            notes,
            [
                "line 1: the file has the syntax of mixer before version 5; mixer will convert it",
                "line 3: \"BUNDLE_DIR = /s/bundles\" sets no key that mixer knows in this syntax: ignored",
                "line 9: \"  VERSIONS_PATH = /v\" sets no key that mixer knows in this syntax: ignored",
            ]
        );
    }

    #[test]
    fn what_is_wrong_is_told() {
        for (text, line, says) in [
            ("[Builder]\nCERT = 1\n", 2, "the value of CERT is of type integer"),
            ("[Builder\n", 1, ""),
            ("[Builder]\nCERT = \"$NONE/x\"\n", 2, "the variable NONE"),
            ("[Builder]\nCERT = \"/a$-x\"\n", 2, "has $-x, of which mixer drops a part"),
            ("[Builder]\nCERT = \"/a${HOME\"\n", 2, "has ${HOME, of which"),
            ("[Builder]\nCERT = \"\"\n", 2, "CERT is empty"),
            ("[Builder]\nCERT = \"/a\"\ncert = \"/b\"\n", 3, "CERT is set twice, in different case"),
            ("CERT = \"/a\"x\n", 1, "the value of CERT cannot be read"),
            ("#VERSION 1.2\nCERT = /a\n", 2, ""),
            ("Builder = 1\n", 1, "Builder is not a section"),
        ] {
            let error = parse(text).unwrap_err();
            assert_eq!(error.line, line, "{text}{error}");
            assert!(error.what.contains(says), "{text}{error}");
        }
        assert_eq!(parse("[Builder]\nCERT = \"a$/x$\"\n").unwrap().certificate, Path::new("/mix/a$/x$"));
    }
}
