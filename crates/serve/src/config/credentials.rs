//! `${CREDENTIALS_DIRECTORY}` at the beginning of a path: the folder in which systemd puts what `LoadCredential=` names.
//! It differs between units, so that a file for several of them cannot name it.

use std::ffi::OsStr;
use std::path::Path;

use toml::{Table, Value};

use super::InvalidConfig;
use super::keys::KEYS;
use super::kind::ValueKind;

const VARIABLE: &str = "${CREDENTIALS_DIRECTORY}";

/// Replaces the variable in every path of `values`. `folder` is its value in the environment.
///
/// # Errors
/// [`InvalidConfig::Setting`] if a path needs the variable and it is not set.
pub(super) fn expand(values: &mut Table, folder: Option<&OsStr>) -> Result<(), InvalidConfig> {
    for key in KEYS.iter().filter(|key| key.kind == ValueKind::Path) {
        let Some(Value::String(path)) = values.get_mut(key.name) else { continue };
        let Some(rest) = path.strip_prefix(VARIABLE) else { continue };
        let invalid = |message: String| InvalidConfig::Setting { key: key.name.to_owned(), message };
        let folder = folder.filter(|folder| !folder.is_empty()).ok_or_else(|| {
            invalid(format!("{VARIABLE} is not set; start the server as a unit of systemd with LoadCredential=, or set CREDENTIALS_DIRECTORY"))
        })?;
        let expanded = Path::new(folder).join(rest.trim_start_matches('/'));
        *path = expanded
            .into_os_string()
            .into_string()
            .map_err(|path| invalid(format!("{} is not UTF-8", Path::new(&path).display())))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(text: &str) -> Table {
        text.parse().unwrap()
    }

    #[test]
    fn paths_begin_in_the_folder_of_credentials() {
        let mut values = table(
            "tls-key = \"${CREDENTIALS_DIRECTORY}/tls.key\"\nclient-ca = \"/etc/ca.pem\"\n\
             base-path = \"/${CREDENTIALS_DIRECTORY}\"",
        );
        expand(&mut values, Some(OsStr::new("/run/credentials/clearwell@a.service"))).unwrap();
        let expected = "tls-key = \"/run/credentials/clearwell@a.service/tls.key\"\nclient-ca = \"/etc/ca.pem\"\n\
                        base-path = \"/${CREDENTIALS_DIRECTORY}\"";
        assert_eq!(values, table(expected));
    }

    #[test]
    fn without_the_variable_the_key_is_named() {
        for key in KEYS.iter().filter(|key| key.kind == ValueKind::Path) {
            for folder in [None, Some(OsStr::new(""))] {
                let mut values = table(&format!("{} = \"${{CREDENTIALS_DIRECTORY}}/x\"", key.name));
                let error = expand(&mut values, folder).unwrap_err().to_string();
                assert!(error.starts_with(key.name) && error.contains("LoadCredential="), "{error}");
            }
        }
        expand(&mut table("tls-key = \"/etc/tls.key\""), None).unwrap();
    }
}
