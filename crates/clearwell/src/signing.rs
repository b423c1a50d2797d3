//! Options of commands that sign or check signatures.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use clap::Args;
use clearwell_sign::{PrivateKey, Severity, SignError, Signer, SigningCommand, Trust, TrustAnchor, fitness};
use clearwell_store::regular;

use crate::cli::is_of_environment;
use crate::config::MixConfig;
use crate::error::CliError;
use crate::exit::Exit;

/// The certificate that signatures are checked with.
#[derive(Debug, Default, Clone, Args)]
pub(crate) struct TrustArgs {
    /// The certificate that endpoints trust, PEM; as in swupd, a file with the same name plus .alt is tried second. Default:
    /// that of clearwell.toml.
    #[arg(long = "cert", alias = "certificate", env = "CLEARWELL_CERTIFICATE", value_name = "PEM")]
    pub(crate) certificate: Option<PathBuf>,
}

impl TrustArgs {
    /// The certificate of the command line, or that of the configuration.
    ///
    /// # Errors
    /// [`Exit::Signing`] if it cannot be used.
    pub(crate) fn trust(&self, config: &MixConfig) -> Result<Option<Trust>, CliError> {
        first(&[self.certificate.as_deref(), config.certificate.as_deref()]).map(trust).transpose()
    }

    /// Only the certificate of the command line.
    ///
    /// # Errors
    /// As [`Self::trust`].
    pub(crate) fn typed(&self) -> Result<Option<Trust>, CliError> {
        self.certificate.as_deref().map(trust).transpose()
    }
}

/// The warning without a certificate.
pub(crate) const UNCHECKED: &str =
    "signatures are not checked; give the certificate that endpoints trust, with --cert or in clearwell.toml";

/// Reads a certificate that endpoints trust, and the `.alt` file next to it that they try second, as `swupd -C` does.
fn trust(path: &Path) -> Result<Trust, CliError> {
    let mut second = path.as_os_str().to_owned();
    second.push(".alt");
    let second = Path::new(&second);
    let alternative = second.exists().then(|| anchor(second)).transpose()?;
    Ok(Trust { main: anchor(path)?, alternative })
}

/// Reads a certificate that endpoints trust.
///
/// # Errors
/// [`Exit::Signing`] if it cannot be used.
pub(crate) fn anchor(path: &Path) -> Result<TrustAnchor, CliError> {
    TrustAnchor::from_pem(&read(path)?).map_err(|error| CliError::signing(path, error))
}

/// Reads the next signing certificate.
///
/// # Errors
/// [`Exit::Signing`] if it cannot be used, or endpoints would refuse it.
pub(crate) fn usable_anchor(path: &Path) -> Result<TrustAnchor, CliError> {
    let anchor = anchor(path)?;
    let mut problems = fitness(&anchor, unix_now());
    problems.retain(|problem| problem.severity() == Severity::Refusal);
    if problems.is_empty() {
        return Ok(anchor);
    }
    let subject = anchor.first().subject();
    Err(CliError::signing(path, SignError::CertificateUnusable { subject, problems }))
}

/// How releases and pointers are signed.
#[derive(Debug, Default, Clone, Args)]
#[command(next_help_heading = "Signing")]
pub(crate) struct SigningArgs {
    /// The signing certificate, which endpoints trust, PEM. Default: that of clearwell.toml, or of the workspace.
    #[arg(long = "cert", alias = "certificate", env = "CLEARWELL_CERTIFICATE", value_name = "PEM")]
    pub(crate) certificate: Option<PathBuf>,
    /// Its private key, PEM. Default: that of clearwell.toml, or private.pem next to the certificate.
    #[arg(long, env = "CLEARWELL_KEY", value_name = "PEM")]
    pub(crate) key: Option<PathBuf>,
    /// A file whose first line is the passphrase of the key. CLEARWELL_KEY_PASSPHRASE may contain the passphrase itself.
    #[arg(long, env = "CLEARWELL_KEY_PASSPHRASE_FILE", value_name = "FILE")]
    pub(crate) key_passphrase_file: Option<PathBuf>,
    /// A program that signs instead of a key: bytes on stdin, detached PKCS#7 in DER on stdout. Split at spaces.
    #[arg(long, env = "CLEARWELL_SIGNING_COMMAND", value_name = "COMMAND")]
    pub(crate) signing_command: Option<String>,
    /// Do not sign. Stock endpoints then need --nosigcheck.
    #[arg(long)]
    pub(crate) no_signing: bool,
}

impl SigningArgs {
    /// The signer of these options, the configuration or the workspace; `None` with `--no-signing`.
    ///
    /// # Errors
    /// [`Exit::Usage`] if there is no certificate, [`Exit::Signing`] if certificate or key cannot be used.
    pub(crate) fn signer(&self, config: &MixConfig, workspace: Option<&Path>) -> Result<Option<Signer>, CliError> {
        let key = self.key.as_deref().filter(|key| !is_of_environment("CLEARWELL_KEY", key));
        let command = self.signing_command.as_deref();
        let command = command.filter(|command| !is_of_environment("CLEARWELL_SIGNING_COMMAND", command));
        match (self.no_signing, key, command) {
            (true, Some(_), _) | (true, _, Some(_)) => {
                return Err(CliError::usage("--no-signing excludes --key and --signing-command"));
            }
            (false, Some(_), Some(_)) => {
                return Err(CliError::usage("--key and --signing-command exclude each other; give one of them"));
            }
            (true, None, None) => return Ok(None),
            _ => {}
        }
        let certificate =
            first(&[self.certificate.as_deref(), config.certificate.as_deref(), workspace]).ok_or_else(|| {
                CliError::usage(
                    "no signing certificate given; use --cert, create one with \"clearwell init\", or use --no-signing",
                )
            })?;
        let anchor = anchor(certificate)?;
        let now = unix_now();
        let signer = match self.command(config) {
            Some(command) => Signer::with_command(anchor, command, now),
            None => {
                if anchor.first().needs_openssl() {
                    let key = self.key_path(certificate, config);
                    read(&key)?;
                    let passphrase = self.openssl_passphrase(config);
                    Signer::with_command(anchor, SigningCommand::openssl(certificate, &key, &passphrase), now)
                } else {
                    let key = self.private_key(certificate, config)?;
                    Signer::new(anchor, key, now)
                }
            }
        }
        .map_err(|error| CliError::signing(certificate, error))?;
        Ok(Some(signer))
    }

    fn command(&self, config: &MixConfig) -> Option<SigningCommand> {
        let key_is_typed = self.key.as_ref().is_some_and(|key| !is_of_environment("CLEARWELL_KEY", key));
        let words: Vec<String> = match &self.signing_command {
            Some(line) if !key_is_typed => line.split_whitespace().map(str::to_owned).collect(),
            None if self.key.is_none() => config.signing_command.clone(),
            _ => Vec::new(),
        };
        let (program, args) = words.split_first()?;
        Some(SigningCommand::new(program, args))
    }

    /// The passphrase argument of OpenSSL. Without a passphrase, OpenSSL must not ask for one on the terminal.
    fn openssl_passphrase(&self, config: &MixConfig) -> OsString {
        if std::env::var_os("CLEARWELL_KEY_PASSPHRASE").is_some() {
            return "env:CLEARWELL_KEY_PASSPHRASE".into();
        }
        match first(&[self.key_passphrase_file.as_deref(), config.key_passphrase_file.as_deref()]) {
            Some(file) => {
                let mut source = OsString::from("file:");
                source.push(file);
                source
            }
            None => "pass:".into(),
        }
    }

    /// The private key of a certificate.
    ///
    /// # Errors
    /// [`Exit::Signing`] if it cannot be used.
    pub(crate) fn private_key(&self, certificate: &Path, config: &MixConfig) -> Result<PrivateKey, CliError> {
        let key = self.key_path(certificate, config);
        let passphrase = self.passphrase(config)?;
        PrivateKey::from_pem(&read(&key)?, passphrase.as_deref()).map_err(|error| CliError::signing(&key, error))
    }

    fn key_path(&self, certificate: &Path, config: &MixConfig) -> PathBuf {
        // Mixer keeps the key next to the certificate under this name (mixer workspace §7).
        let default = certificate.with_file_name("private.pem");
        first(&[self.key.as_deref(), config.key.as_deref()]).unwrap_or(&default).to_path_buf()
    }

    fn passphrase(&self, config: &MixConfig) -> Result<Option<String>, CliError> {
        if let Ok(passphrase) = std::env::var("CLEARWELL_KEY_PASSPHRASE") {
            return Ok(Some(passphrase));
        }
        let Some(file) = first(&[self.key_passphrase_file.as_deref(), config.key_passphrase_file.as_deref()]) else {
            return Ok(None);
        };
        let text = String::from_utf8_lossy(&read(file)?).into_owned();
        Ok(Some(text.lines().next().unwrap_or_default().to_owned()))
    }
}

pub(crate) use clearwell_store::clock::unix_seconds as unix_now;

/// Reads a certificate, a key or a passphrase.
pub(crate) fn read(path: &Path) -> Result<Vec<u8>, CliError> {
    regular::read_named(path, PEM_BYTES)
        .map_err(|error| CliError::new(Exit::Signing, format!("failed to read {}", path.display()), error))
}

impl CliError {
    /// A key or certificate that cannot be used.
    pub(crate) fn signing(path: &Path, error: SignError) -> Self {
        Self::new(Exit::Signing, path.display().to_string(), error)
    }
}

/// Four times the size of a system's file with all authorities.
const PEM_BYTES: u64 = 1 << 20;

fn first<'p>(paths: &[Option<&'p Path>]) -> Option<&'p Path> {
    paths.iter().copied().flatten().next()
}
