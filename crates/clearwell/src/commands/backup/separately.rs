//! What a store does not contain, and the next build or server needs.

use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::Serialize;

use crate::config::MixConfig;

/// Something to save apart from the store.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Separate {
    /// What it is.
    pub(crate) what: &'static str,
    /// Its path; null if it is not known.
    pub(crate) path: Option<PathBuf>,
}

impl Separate {
    pub(crate) fn all(config: &MixConfig, file: &Path) -> Vec<Self> {
        let key = match &config.signing_command[..] {
            [] => Self { what: "signing key, in another place than the backup", path: config.key.clone() },
            [program, ..] => Self { what: "key of the signing command", path: Some(program.into()) },
        };
        let given = |what, path: &Option<PathBuf>| path.is_some().then(|| Self { what, path: path.clone() });
        let always = |what, path| Some(Self { what, path });
        [
            Some(key),
            given("passphrase of the key", &config.key_passphrase_file),
            always("certificate", config.certificate.clone()),
            given("next certificate", &config.next_certificate),
            given("bundle trees", &config.trees),
            given("mixer workspace", &config.mix),
            always("configuration of builds", file.exists().then(|| file.to_owned())),
            always("configuration of the server, and its TLS keys", None),
        ]
        .into_iter()
        .flatten()
        .collect()
    }
}
