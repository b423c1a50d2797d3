//! `clearwell renew`.

use std::path::PathBuf;

use clearwell_sign::{Certificate, DEFAULT_VALIDITY_DAYS, Utc, renew};
use serde::Serialize;

use crate::config::ConfigArgs;
use crate::error::CliError;
use crate::exit::Exit;
use crate::fresh::Fresh;
use crate::page::Page;
use crate::signing::{SigningArgs, anchor, unix_now};
use crate::ui::Ui;

/// Give the signing certificate a later end: same key, same name, same serial number.
///
/// Endpoints that trust the one take what the other signs, old releases and new ones, so no endpoint is stranded: sign with
/// the new file from then on, which is also what releases carry. Endpoints refuse to start once the certificate that they
/// have has ended, so renew and release in time. docs/rotation.md has the steps, also for changing the key.
#[derive(Debug, clap::Args)]
pub(crate) struct Renew {
    /// The file to write; the certificate itself is left as it is.
    #[arg(value_name = "PEM")]
    out: PathBuf,
    /// Days from now until the new end.
    #[arg(long, value_name = "DAYS", default_value_t = DEFAULT_VALIDITY_DAYS)]
    validity_days: u32,
    #[command(flatten)]
    config: ConfigArgs,
    #[command(flatten)]
    signing: SigningArgs,
}

#[derive(Serialize)]
struct Renewed {
    certificate: PathBuf,
    valid_until: i64,
}

impl Renew {
    pub(crate) fn run(self, ui: &Ui) -> Result<Exit, CliError> {
        let config = self.config.load()?;
        let path = self.signing.certificate.as_deref().or(config.certificate.as_deref());
        let path = path.ok_or_else(|| CliError::usage("no certificate to renew: give --cert, and its --key"))?;
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
            "made {}, valid until {}: sign with it, and with the same key, in place of {}",
            self.out.display(),
            Utc(valid_until),
            path.display()
        );
        ui.result(&Renewed { certificate: self.out, valid_until }, &Page::of(text))?;
        Ok(Exit::Done)
    }
}
