//! `server.ini`: paths of a mix and its ban on debug information (workspace 5).

use std::path::PathBuf;

use super::ini;
use crate::inputs::DebuginfoBan;
use crate::source::TextError;

/// What `server.ini` says. What it leaves out, `builder.conf` decides.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServerIni {
    /// `imagebase`, the folder with a folder for each version.
    pub images: Option<PathBuf>,
    /// `outputdir`, the public tree.
    pub output: Option<PathBuf>,
    /// The section `[Debuginfo]`, if there is one.
    pub debuginfo: Option<DebuginfoBan>,
}

impl ServerIni {
    /// Reads the file. Names of sections and keys may be in any case; unknown ones mean nothing.
    ///
    /// # Errors
    /// For a broken line.
    pub fn parse(text: &str) -> Result<Self, TextError> {
        let mut server = Self::default();
        for section in ini::parse(text)? {
            let path = |key| section.value(key).filter(|value| !value.is_empty()).map(PathBuf::from);
            if section.name.eq_ignore_ascii_case("Server") {
                server.images = path("imagebase").or(server.images);
                server.output = path("outputdir").or(server.output);
            } else if section.name.eq_ignore_ascii_case("Debuginfo") {
                let prefix = |key| section.value(key).unwrap_or_default();
                server.debuginfo = Some(ban(section.value("banned").unwrap_or_default(), prefix("lib"), prefix("src")));
            }
        }
        Ok(server)
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
        let server = ServerIni::parse(text).unwrap();
        assert_eq!(server.images, Some("/s/image/".into()));
        assert_eq!(server.output, Some("/s/www/".into()));
        assert_eq!(server.debuginfo, Some(DebuginfoBan::usual()));
        assert_eq!(ServerIni::parse("").unwrap(), ServerIni::default());
        let off = ServerIni::parse("[Debuginfo]\nbanned=True\nlib=/x\n").unwrap();
        assert_eq!(off.debuginfo, Some(DebuginfoBan::default()));
    }
}
