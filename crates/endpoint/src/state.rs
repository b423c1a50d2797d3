//! The state of an endpoint between operations.
//!
//! ```text
//! state/endpoint.json     {"version": 30, "format": 30, "installed": […], "asked_for": […], "owners": [["/usr", 493, 0, 0], …]}
//! ```
//!
//! Paths that are not UTF-8 are written as `hex:` and their bytes.

use std::collections::BTreeSet;
use std::fs;
use std::io::Write;
use std::path::Path;

use clearwell_format::{BundleName, EntryPath, FormatNumber, Owner, Version};
use serde::{Deserialize, Serialize};

use crate::EndpointError;
use crate::disk::Ledger;

/// The installed version and bundles.
#[derive(Clone, Debug)]
pub(crate) struct State {
    pub version: Option<Version>,
    pub format: FormatNumber,
    pub installed: BTreeSet<BundleName>,
    /// Bundles that were installed by name.
    pub asked_for: BTreeSet<BundleName>,
}

impl State {
    pub(crate) const fn new(format: FormatNumber) -> Self {
        Self { version: None, format, installed: BTreeSet::new(), asked_for: BTreeSet::new() }
    }

    /// Reads the state, or creates a new one.
    pub(crate) fn load(folder: &Path, format: FormatNumber) -> Result<(Self, Ledger), EndpointError> {
        let path = folder.join(FILE);
        let text = match fs::read(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Ok((Self::new(format), Ledger::new()));
            }
            Err(error) => return Err(EndpointError::folder("read", path)(error)),
        };
        let damaged = |reason: String| EndpointError::State { path: path.clone(), reason };
        let saved: Saved = serde_json::from_slice(&text).map_err(|error| damaged(error.to_string()))?;
        saved.into_state().ok_or_else(|| damaged("a name, path or number in it is not valid".into()))
    }

    /// Replaces the state atomically.
    pub(crate) fn save(&self, folder: &Path, ledger: &Ledger) -> Result<(), EndpointError> {
        let path = folder.join(FILE);
        let names = |names: &BTreeSet<BundleName>| names.iter().map(ToString::to_string).collect();
        let saved = Saved {
            version: self.version.map(Version::number),
            format: self.format.number(),
            installed: names(&self.installed),
            asked_for: names(&self.asked_for),
            owners: ledger.iter().map(|(path, owner)| (spell(path), owner.permissions, owner.uid, owner.gid)).collect(),
        };
        let mut scratch = tempfile::NamedTempFile::new_in(folder).map_err(EndpointError::folder("write", &path))?;
        serde_json::to_writer(&mut scratch, &saved)
            .map_err(|error| EndpointError::folder("write", &path)(error.into()))?;
        scratch.flush().map_err(EndpointError::folder("write", &path))?;
        scratch.persist(&path).map_err(|error| EndpointError::folder("write", &path)(error.error))?;
        Ok(())
    }
}

#[derive(Serialize, Deserialize)]
struct Saved {
    version: Option<u32>,
    format: u16,
    installed: Vec<String>,
    asked_for: Vec<String>,
    owners: Vec<(String, u32, u32, u32)>,
}

impl Saved {
    fn into_state(self) -> Option<(State, Ledger)> {
        let names = |names: Vec<String>| names.into_iter().map(|name| name.parse().ok()).collect::<Option<_>>();
        let version = match self.version {
            Some(number) => Some(Version::new(number)?),
            None => None,
        };
        let state = State {
            version,
            format: FormatNumber::new(self.format)?,
            installed: names(self.installed)?,
            asked_for: names(self.asked_for)?,
        };
        let owners = self.owners.into_iter();
        let ledger = owners.map(|(path, permissions, uid, gid)| Some((read(&path)?, Owner { permissions, uid, gid })));
        Some((state, ledger.collect::<Option<_>>()?))
    }
}

fn spell(path: &EntryPath) -> String {
    match std::str::from_utf8(path.as_bytes()) {
        Ok(text) => text.to_owned(),
        Err(_) => path.as_bytes().iter().fold("hex:".to_owned(), |text, byte| format!("{text}{byte:02x}")),
    }
}

fn read(text: &str) -> Option<EntryPath> {
    let Some(digits) = text.strip_prefix("hex:") else {
        return EntryPath::parse(text.as_bytes()).ok();
    };
    let pairs = digits.as_bytes().chunks(2).map(|pair| std::str::from_utf8(pair).ok());
    let bytes: Option<Vec<u8>> = pairs.map(|pair| u8::from_str_radix(pair?, 16).ok()).collect();
    EntryPath::parse(&bytes?).ok()
}

const FILE: &str = "endpoint.json";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn state_comes_back_with_paths_of_any_bytes() {
        let folder = tempfile::tempdir().unwrap();
        let format = FormatNumber::new(30).unwrap();
        let mut state = State::new(format);
        state.version = Version::new(10);
        state.installed = [BundleName::os_core()].into();
        let owner = Owner { permissions: 0o4755, uid: 1, gid: 2 };
        let ledger: Ledger = [b"/a b" as &[u8], b"/caf\xe9", "/é".as_bytes()]
            .into_iter()
            .map(|path| (EntryPath::parse(path).unwrap(), owner))
            .collect();
        state.save(folder.path(), &ledger).unwrap();
        let (read, owners) = State::load(folder.path(), format).unwrap();
        assert_eq!((read.version, read.installed, owners), (state.version, state.installed, ledger));
        fs::write(folder.path().join(FILE), "{}").unwrap();
        assert!(matches!(State::load(folder.path(), format), Err(EndpointError::State { .. })));
    }
}
