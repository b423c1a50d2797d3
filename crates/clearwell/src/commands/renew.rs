//! `clearwell renew`.

use std::path::PathBuf;

use clearwell_sign::{Certificate, DEFAULT_VALIDITY_DAYS, Utc, renew};
use schemars::JsonSchema;
use serde::Serialize;

use crate::config::ConfigArgs;
use crate::error::CliError;
use crate::exit::Exit;
use crate::fresh::Fresh;
use crate::page::Page;
use crate::signing::{SigningArgs, anchor, unix_now};
use crate::ui::Ui;
use crate::values::whole_number;

/// Renew the signing certificate: a later end of validity, the same key, name and serial number.
///
/// Endpoints that trust the old or the new certificate accept signatures of both, on old and new releases, so all
/// endpoints can update. Sign with the new file from then on; new releases carry it. Endpoints refuse every command
/// once their certificate has expired, so renew and release in time. docs/keys.md explains the steps, also for a
/// new key.
#[derive(Debug, clap::Args)]
pub(crate) struct Renew {
    /// The file to write; the old certificate is not changed.
    #[arg(value_name = "PEM")]
    out: PathBuf,
    /// Validity of the renewed certificate, in days from now.
    #[arg(long, value_name = "DAYS", default_value_t = DEFAULT_VALIDITY_DAYS, value_parser = whole_number::<u32>)]
    validity_days: u32,
    #[command(flatten)]
    config: ConfigArgs,
    #[command(flatten)]
    signing: SigningArgs,
}

/// A renewed certificate.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Renewed {
    /// Path of the renewed certificate.
    certificate: PathBuf,
    /// End of its validity, in seconds since the epoch.
    valid_until: i64,
}

impl Renew {
    pub(crate) fn run(self, ui: &Ui) -> Result<Exit, CliError> {
        let config = self.config.load()?;
        let path = self.signing.certificate.as_deref().or(config.certificate.as_deref());
        let path =
            path.ok_or_else(|| CliError::usage("no certificate given; use --cert and --key, or run in a mix folder"))?;
        let old = anchor(path)?;
        let key = self.signing.private_key(path, &config)?;
        let pem =
            renew(old.first(), &key, self.validity_days, unix_now()).map_err(|error| CliError::signing(path, error))?;
        let certificate = Certificate::from_pem(&pem).map_err(|error| CliError::signing(&self.out, error))?;
        let others: String = old.certificates()[1..].iter().map(Certificate::pem).collect();
        let mut fresh = Fresh::default();
        fresh.file(&self.out, (pem + &others).as_bytes(), 0o644)?;
        fresh.keep();
        let valid_until = certificate.not_after();
        let text = format!(
            "wrote {}, valid until {}; sign with it and the same key instead of {}",
            self.out.display(),
            Utc(valid_until),
            path.display()
        );
        ui.result(&Renewed { certificate: self.out, valid_until }, &Page::of(text))?;
        Ok(Exit::Done)
    }
}
