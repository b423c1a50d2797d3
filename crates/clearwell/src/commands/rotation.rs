//! `clearwell rotation`.

use std::path::PathBuf;

use clearwell_generate::rotation::{Rotation, RotationOptions, Standing, rotation};
use clearwell_sign::Utc;

use crate::config::StoreArgs;
use crate::error::CliError;
use crate::exit::Exit;
use crate::page::Page;
use crate::signing::{anchor, unix_now};
use crate::ui::{Ui, list};

/// Show the progress of a change of the signing key.
///
/// For each release that endpoints may be on: the certificates that it makes them trust, its signer, and whether they can
/// verify the release that the pointers name. Prints the next step. Exit code 0 if all endpoints can update, else 1.
/// docs/keys.md explains the steps.
#[derive(Debug, clap::Args)]
pub(crate) struct RotationCommand {
    #[command(flatten)]
    store: StoreArgs,
    /// The next signing certificate, PEM. Default: that of clearwell.toml, else the one that the newest release carries in
    /// addition to the signer's.
    #[arg(long = "next-cert", aliases = ["next-certificate", "cert"], env = "CLEARWELL_NEXT_CERTIFICATE", value_name = "PEM")]
    next_certificate: Option<PathBuf>,
}

impl RotationCommand {
    pub(crate) fn run(self, ui: &Ui) -> Result<Exit, CliError> {
        let (config, store) = self.store.open()?;
        let next = self.next_certificate.as_deref().or(config.next_certificate.as_deref()).map(anchor).transpose()?;
        let report = rotation(&store, &RotationOptions { next, now: unix_now() })?;
        ui.result(&report, &text(&report))?;
        Ok(if report.stranded.is_empty() { Exit::Done } else { Exit::Findings })
    }
}

fn text(report: &Rotation) -> Page {
    let mut text = Page::default();
    let _ = writeln!(text, "{:>10} {:>6}  {:10} {:6}  endpoints", "release", "format", "trusts", "signer");
    for release in &report.releases {
        let trusts = if release.trusts.is_empty() { "-".to_owned() } else { release.trusts.join(" ") };
        let signer = release.signed_by.as_deref().unwrap_or("-");
        let endpoints = match &release.endpoints {
            Standing::Newest => "on the newest release".to_owned(),
            Standing::Update { to } => format!("can update to {to}"),
            Standing::Unknown => "unknown: the release carries no certificate".to_owned(),
            Standing::Stranded { reason, .. } => format!("CANNOT UPDATE: {reason}"),
        };
        let _ = writeln!(text, "{:>10} {:>6}  {trusts:10} {signer:6}  {endpoints}", release.version, release.format);
        if let Standing::Stranded { remedy, .. } = &release.endpoints {
            let _ = writeln!(text, "{:38}remedy: {remedy}", "");
        }
    }
    text.gap();
    for certificate in &report.certificates {
        let role = match &certificate.name {
            name if report.signer.as_ref() == Some(name) => "signs",
            name if report.next.as_ref() == Some(name) => "next",
            _ => "",
        };
        let _ = writeln!(
            text,
            "  {:3} {:5}  \"{}\", {}, until {}, SHA-256 {}…",
            certificate.name,
            role,
            certificate.subject,
            certificate.key,
            Utc(certificate.not_after),
            &certificate.fingerprint[..16],
        );
    }
    if !report.check_update_fails.is_empty() {
        text.gap();
        let releases = list(&report.check_update_fails);
        let _ = writeln!(text, "\"swupd check-update\" fails on {releases}, because it reads only latest_version");
    }
    text.gap();
    let _ = writeln!(text, "next: {}", report.step);
    text
}
