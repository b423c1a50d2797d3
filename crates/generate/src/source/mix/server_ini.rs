//! `server.ini`: paths of a mix and its ban on debug information (mixer workspace §5).

use std::path::PathBuf;

use super::ini::{self, Section};
use crate::inputs::DebuginfoBan;
use crate::source::{TextError, TextNote};

/// The settings of `server.ini`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerIni {
    /// `imagebase`, the folder with a folder for each version.
    pub images: Option<PathBuf>,
    /// `outputdir`, the public tree.
    pub output: Option<PathBuf>,
    /// The section `[Debuginfo]`. It replaces the section of `builder.conf`.
    pub debuginfo: DebuginfoBan,
}

impl ServerIni {
    /// Reads the file. Names of sections and keys may be in any case.
    ///
    /// # Errors
    /// For a broken line, and for an empty value where mixer would take the current folder, or ban every file.
    pub fn parse(text: &str, notes: &mut Vec<TextNote>) -> Result<Self, TextError> {
        let sections = ini::parse(text, notes)?;
        for section in &sections {
            let known: &[&str] = match section.name.to_lowercase().as_str() {
                "server" => &["emptydir", "imagebase", "outputdir"],
                "debuginfo" => &["banned", "lib", "src"],
                _ => {
                    if section.line > 0 {
                        notes.push(TextNote::new(section.line, format!("unknown section {}: ignored", section.name)));
                    }
                    &[]
                }
            };
            for key in section.keys.iter().filter(|key| !known.contains(&key.name.to_lowercase().as_str())) {
                notes.push(TextNote::new(key.line, format!("unknown key {}: ignored", key.name)));
            }
        }
        // Sections may occur more than once, in different case; the last value counts.
        let value = |section: &str, key: &str| {
            let is_named = |has: &&Section| has.name.to_lowercase() == section;
            sections.iter().filter(is_named).filter_map(|section| section.value(key)).max_by_key(|key| key.line)
        };
        let path = |key: &str| match value("server", key) {
            Some(empty) if empty.value.is_empty() => {
                Err(TextError { line: empty.line, what: format!("{key} is empty; set a folder or remove the line") })
            }
            other => Ok(other.map(|key| PathBuf::from(&key.value))),
        };
        let is_banned = value("debuginfo", "banned").is_none_or(|key| key.value == "true");
        let usual = ["/usr/lib/debug", "/usr/src/debug"];
        let mut prefixes = Vec::new();
        for (key, usual) in ["lib", "src"].into_iter().zip(usual) {
            match value("debuginfo", key) {
                Some(empty) if empty.value.is_empty() && is_banned => {
                    let what = format!("an empty {key} bans every file; set a folder or remove the line");
                    return Err(TextError { line: empty.line, what });
                }
                key => prefixes.push(key.map_or(usual, |key| &key.value).as_bytes().to_vec()),
            }
        }
        let debuginfo = if is_banned { DebuginfoBan { prefixes } } else { DebuginfoBan::default() };
        Ok(Self { images: path("imagebase")?, output: path("outputdir")?, debuginfo })
    }
}

/// The ban as mixer understands it: only the exact text `true` bans.
pub(super) fn ban(banned: &str, lib: &str, src: &str) -> DebuginfoBan {
    if banned == "true" {
        DebuginfoBan { prefixes: vec![lib.as_bytes().to_vec(), src.as_bytes().to_vec()] }
    } else {
        DebuginfoBan::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_and_ban_are_read() {
        let text = "[server]\nemptydir=/s/empty\nIMAGEBASE=/s/image/\noutputdir=/s/www/\n\n[Debuginfo]\nbanned=true\n\
                    lib=/usr/lib/debug\nsrc=/usr/src/debug\n";
        let mut notes = Vec::new();
        let server = ServerIni::parse(text, &mut notes).unwrap();
        assert_eq!(server.images, Some("/s/image/".into()));
        assert_eq!(server.output, Some("/s/www/".into()));
        assert_eq!(server.debuginfo, DebuginfoBan::usual());
        assert_eq!(notes, []);
        let off = ServerIni::parse("[Debuginfo]\nbanned=True\nlib=/x\n", &mut notes).unwrap();
        assert_eq!(off.debuginfo, DebuginfoBan::default());
    }

    #[test]
    fn what_is_ignored_is_told() {
        let mut notes = Vec::new();
        let text = "a=b\n[Server]\nimagebase=/s/#1\ncontenturl=http://x\n[Other]\nb=c\n";
        assert_eq!(ServerIni::parse(text, &mut notes).unwrap().images, Some("/s/".into()));
        let told: Vec<String> = notes.iter().map(ToString::to_string).collect();
        assert_eq!(
            told,
            [
                "line 3: the value of imagebase ends before #: what follows is a comment; put it in back quotes",
                "line 1: unknown key a: ignored",
                "line 4: unknown key contenturl: ignored",
                "line 5: unknown section Other: ignored",
                "line 6: unknown key b: ignored",
            ]
        );
    }
}
