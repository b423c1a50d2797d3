//! `clearwell init`.

use std::path::{Path, PathBuf};

use clearwell_sign::{Certificate, DEFAULT_VALIDITY_DAYS, GenerateOptions, generate};
use schemars::JsonSchema;
use serde::Serialize;

use crate::config::FILE_NAME;
use crate::error::CliError;
use crate::exit::Exit;
use crate::fresh::Fresh;
use crate::page::Page;
use crate::signing::{self, unix_now};
use crate::ui::{Ui, count};
use crate::values::{base_url, whole_number};

/// Create a mix: configuration, signing key and certificate, an empty store, and a first bundle to fill.
///
/// Existing files are not overwritten, and a failure leaves nothing behind. Keep private.pem secret: endpoints trust
/// everything that it signs.
#[derive(Debug, clap::Args)]
pub(crate) struct Init {
    /// The folder of the mix; created if it is missing.
    dir: PathBuf,
    /// URL from which endpoints fetch content. Default: asked for on a terminal, else left as a comment in clearwell.toml.
    #[arg(long, env = "CLEARWELL_CONTENT_URL", value_name = "URL", value_parser = base_url)]
    content_url: Option<String>,
    /// URL from which endpoints fetch pointers. Default: that of --content-url.
    #[arg(long, env = "CLEARWELL_VERSION_URL", value_name = "URL", value_parser = base_url)]
    version_url: Option<String>,
    /// Name of the organisation in the certificate.
    #[arg(long, default_value = "Clearwell mix")]
    organisation: String,
    /// Validity of the certificate, in days. Endpoints refuse every command once it has expired.
    #[arg(long, value_name = "DAYS", default_value_t = DEFAULT_VALIDITY_DAYS, value_parser = whole_number::<u32>)]
    validity_days: u32,
    /// Encrypt the key; the first line of this file is the passphrase.
    #[arg(long, alias = "passphrase-file", value_name = "FILE")]
    key_passphrase_file: Option<PathBuf>,
}

/// A new mix.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Made {
    /// Path of the configuration.
    config: PathBuf,
    /// Path of the signing certificate.
    certificate: PathBuf,
    /// Path of the private key.
    key: PathBuf,
    /// Path of the store.
    store: PathBuf,
    /// Path of the folder for bundle trees.
    trees: PathBuf,
    /// End of validity of the certificate, in seconds since the epoch.
    valid_until: i64,
}

impl Init {
    pub(crate) fn run(mut self, ui: &Ui) -> Result<Exit, CliError> {
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
                    "{} exists; choose another folder for the new mix",
                    taken.display()
                )));
            }
        }
        let passphrase = self.key_passphrase_file.as_deref().map(first_line).transpose()?;
        if self.content_url.is_none() {
            self.content_url = ask_for_url(ui);
        }
        let mut fresh = Fresh::default();
        fresh.folder(&self.dir)?;
        make_key(&self.organisation, self.validity_days, passphrase, &made.key, &made.certificate, &mut fresh)?;
        fresh.create_store(&made.store)?;
        fresh.content_folder(&made.trees.join("os-core/usr/bin"))?;
        fresh.file(&made.trees.join("bundles.toml"), bundles().as_bytes(), 0o644)?;
        fresh.file(&made.config, self.config().as_bytes(), 0o644)?;
        fresh.keep();
        let dir = self.dir.display();
        let mut text = Page::of(format_args!("created a mix in {dir}"));
        let days = count(self.validity_days.into(), "day");
        for (name, what) in [
            (FILE_NAME, "configuration"),
            ("Swupd_Root.pem", &format!("signing certificate, valid for {days}; endpoints trust it")),
            ("private.pem", "signing key; keep it secret"),
            ("trees/os-core/", "put the files of the base system here"),
            ("store/", "releases"),
        ] {
            let _ = writeln!(text, "  {name:16}  {what}");
        }
        text.gap();
        let _ = writeln!(text, "next: fill trees/, then run");
        let _ = writeln!(text, "  cd {dir} && clearwell build && clearwell serve");
        ui.result(&made, &text)?;
        Ok(Exit::Done)
    }

    /// `clearwell.toml` of the new mix.
    fn config(&self) -> String {
        let quoted = |text: &str| toml::Value::from(text).to_string();
        let mut text = String::from(
            "# Configuration of clearwell in this folder. All keys: man clearwell.toml.\n\
             store = \"store\"\ntrees = \"trees\"\ncertificate = \"Swupd_Root.pem\"\nkey = \"private.pem\"\n",
        );
        if let Some(file) = &self.key_passphrase_file {
            let absolute = std::path::absolute(file).unwrap_or_else(|_| file.clone());
            text.push_str(&format!("key-passphrase-file = {}\n", quoted(&absolute.display().to_string())));
        }
        text.push_str(
            "\n# URL from which endpoints fetch content; becomes part of os-core. Without it each swupd command needs -u URL.\n\
             # Endpoints fetch pointers from version-url, or from content-url if it is not set.\n",
        );
        for (key, url) in [("content-url", &self.content_url), ("version-url", &self.version_url)] {
            text.push_str(&match url {
                Some(url) => format!("{key} = {}\n", quoted(url)),
                None => format!("# {key} = \"https://updates.example.org\"\n"),
            });
        }
        text
    }
}

/// Asks on the terminal, if there is one, until the answer is a URL or empty.
fn ask_for_url(ui: &Ui) -> Option<String> {
    if !ui.is_interactive() {
        return None;
    }
    loop {
        let answer = ui.ask("URL from which endpoints will fetch content (https://…, or empty to decide later): ")?;
        match base_url(&answer) {
            Ok(url) => return Some(url),
            Err(problem) => ui.warn(&problem),
        }
    }
}

/// Creates a key (0600) and its certificate.
pub(crate) fn make_key(
    organisation: &str,
    validity_days: u32,
    passphrase: Option<String>,
    key: &Path,
    certificate: &Path,
    fresh: &mut Fresh,
) -> Result<Certificate, CliError> {
    let options =
        GenerateOptions { validity_days, passphrase: passphrase.map(Into::into), ..GenerateOptions::new(organisation) };
    let generated = generate(&options, unix_now())
        .map_err(|error| CliError::new(Exit::Signing, "failed to make a certificate", error))?;
    fresh.file(key, generated.key_pem.as_bytes(), 0o600)?;
    fresh.file(certificate, generated.certificate_pem.as_bytes(), 0o644)?;
    Certificate::from_pem(generated.certificate_pem.as_bytes()).map_err(|error| CliError::signing(certificate, error))
}

fn first_line(path: &Path) -> Result<String, CliError> {
    let text = String::from_utf8_lossy(&signing::read(path)?).into_owned();
    match text.lines().next() {
        Some(line) if !line.is_empty() => Ok(line.to_owned()),
        _ => Err(CliError::usage(format!("the first line of {} is empty; write the passphrase there", path.display()))),
    }
}

/// `bundles.toml` of a new mix. Who is not root makes files that are not root's, and does not mean that for endpoints.
fn bundles() -> String {
    let mark = if rustix::process::geteuid().is_root() { "# " } else { "" };
    format!("{OWNER}{mark}owner = \"root\"\n\n{BUNDLES}")
}

const OWNER: &str = "\
# Owner of all files on endpoints. Without this line, files keep the owners that they have here.
";

const BUNDLES: &str = "\
# One table for each bundle: a folder here. Every bundle includes os-core automatically.
[bundles.os-core]
title = \"The base system\"

# [bundles.editor]
# title = \"A text editor\"
# includes = [\"libs\"]
# also-add = [\"docs\"]
# status = \"Experimental\"
";
