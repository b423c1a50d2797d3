//! `clearwell init`.

use std::fs;
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use clearwell_sign::{Certificate, DEFAULT_VALIDITY_DAYS, GenerateOptions, generate};
use clearwell_store::Store;
use serde::Serialize;

use crate::config::FILE_NAME;
use crate::error::CliError;
use crate::exit::Exit;
use crate::signing::unix_now;
use crate::ui::Ui;

/// Make a new mix: configuration, signing key and certificate, an empty store, and a first bundle to fill.
///
/// Nothing that exists is overwritten. Keep private.pem safe: endpoints trust what it signs, and only that.
#[derive(Debug, clap::Args)]
pub(crate) struct Init {
    /// The new mix's folder; made if it is missing.
    dir: PathBuf,
    /// Who signs: the organisation in the certificate.
    #[arg(long, default_value = "Clearwell mix")]
    organisation: String,
    /// How long the certificate is valid. Endpoints refuse everything once it has expired.
    #[arg(long, value_name = "DAYS", default_value_t = DEFAULT_VALIDITY_DAYS)]
    validity_days: u32,
    /// Encrypt the key with the first line of this file.
    #[arg(long, value_name = "FILE")]
    passphrase_file: Option<PathBuf>,
}

#[derive(Serialize)]
struct Made {
    config: PathBuf,
    certificate: PathBuf,
    key: PathBuf,
    store: PathBuf,
    trees: PathBuf,
    valid_until: i64,
}

impl Init {
    pub(crate) fn run(self, ui: &Ui) -> Result<Exit, CliError> {
        let at = |name: &str| self.dir.join(name);
        let made = Made {
            config: at(FILE_NAME),
            certificate: at("Swupd_Root.pem"),
            key: at("private.pem"),
            store: at("store"),
            trees: at("trees"),
            valid_until: unix_now() + i64::from(self.validity_days) * 86_400,
        };
        for taken in [&made.config, &made.certificate, &made.key, &made.store, &made.trees] {
            if taken.symlink_metadata().is_ok() {
                return Err(CliError::usage(format!(
                    "{} exists: init makes a new mix; choose another folder",
                    taken.display()
                )));
            }
        }
        let passphrase = self.passphrase_file.as_deref().map(first_line).transpose()?;
        fs::create_dir_all(&self.dir)
            .map_err(|error| CliError::disk(format!("failed to make {}", self.dir.display()), error))?;
        make_key(&self.organisation, self.validity_days, passphrase, &made.key, &made.certificate)?;
        Store::create(&made.store)?;
        let bundle = made.trees.join("os-core/usr/bin");
        fs::create_dir_all(&bundle)
            .map_err(|error| CliError::disk(format!("failed to make {}", bundle.display()), error))?;
        write_new(&made.trees.join("bundles.toml"), BUNDLES.as_bytes(), 0o644)?;
        write_new(&made.config, config(self.passphrase_file.as_deref()).as_bytes(), 0o644)?;
        let text = format!(
            "made {dir}\n  {FILE_NAME}        what \"clearwell build\" uses\n  Swupd_Root.pem, private.pem   valid for {days} days\n  \
             trees/os-core/        put the files of the base system here\n  store/                releases\n\n\
             next: fill trees/, then  cd {dir} && clearwell build --version 10 && clearwell serve --store store",
            dir = self.dir.display(),
            days = self.validity_days,
        );
        ui.result(&made, &text)?;
        Ok(Exit::Done)
    }
}

/// Makes a key (0600) and its certificate in new files.
pub(crate) fn make_key(
    organisation: &str,
    validity_days: u32,
    passphrase: Option<String>,
    key: &Path,
    certificate: &Path,
) -> Result<Certificate, CliError> {
    let options =
        GenerateOptions { validity_days, passphrase: passphrase.map(Into::into), ..GenerateOptions::new(organisation) };
    let generated = generate(&options, unix_now())
        .map_err(|error| CliError::new(Exit::Signing, "no certificate was made", error))?;
    write_new(key, generated.key_pem.as_bytes(), 0o600)?;
    write_new(certificate, generated.certificate_pem.as_bytes(), 0o644)?;
    Certificate::from_pem(generated.certificate_pem.as_bytes()).map_err(|error| CliError::signing(certificate, error))
}

fn write_new(path: &Path, bytes: &[u8], mode: u32) -> Result<(), CliError> {
    let write = || -> io::Result<()> {
        let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(mode).open(path)?;
        file.write_all(bytes)?;
        file.sync_all()
    };
    write().map_err(|error| CliError::disk(format!("failed to write {}", path.display()), error))
}

fn first_line(path: &Path) -> Result<String, CliError> {
    let text = fs::read_to_string(path)
        .map_err(|error| CliError::disk(format!("failed to read {}", path.display()), error))?;
    match text.lines().next() {
        Some(line) if !line.is_empty() => Ok(line.to_owned()),
        _ => Err(CliError::usage(format!("the first line of {} is empty: write the passphrase there", path.display()))),
    }
}

fn config(passphrase_file: Option<&Path>) -> String {
    let mut text = String::from(
        "# What \"clearwell build\" uses in this folder. All keys: config/clearwell.toml of the source.\n\
         store = \"store\"\ntrees = \"trees\"\ncertificate = \"Swupd_Root.pem\"\nkey = \"private.pem\"\n",
    );
    if let Some(file) = passphrase_file {
        let absolute = std::path::absolute(file).unwrap_or_else(|_| file.to_path_buf());
        text.push_str(&format!("key-passphrase-file = {:?}\n", absolute.display().to_string()));
    }
    text
}

const BUNDLES: &str = "\
# One table for each folder here that is a bundle. Every bundle includes os-core by itself.
[bundles.os-core]
title = \"The base system\"

# [bundles.editor]
# title = \"A text editor\"
# includes = [\"libs\"]
# also-add = [\"docs\"]
# status = \"Experimental\"
";
