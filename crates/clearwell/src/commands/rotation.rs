//! `clearwell rotation`.

use std::path::PathBuf;

use clearwell_generate::rotation::{Rotation, RotationOptions, Standing, rotation};
use clearwell_sign::Utc;

use crate::config::StoreArgs;
use crate::error::CliError;
use crate::exit::Exit;
use crate::page::Page;
use crate::signing::{anchor, unix_now};
use crate::ui::Ui;

/// Show where the fleet stands while the signing key changes.
///
/// For each release that endpoints may be on: which certificates it makes them trust, who signed it, and whether they can
/// verify what the pointers name now. Says the next step. Ends with 0 if no release is stranded, with 1 otherwise.
/// docs/rotation.md has the steps.
#[derive(Debug, clap::Args)]
pub(crate) struct RotationCommand {
    #[command(flatten)]
    store: StoreArgs,
    /// The certificate that is to sign next, PEM. Default: that of clearwell.toml, else one that the newest release
    /// carries and that does not sign.
    #[arg(long = "next-cert", visible_alias = "cert", env = "CLEARWELL_NEXT_CERTIFICATE", value_name = "PEM")]
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
    let _ =
        writeln!(text, "{:>10} {:>6}  {:10} {:6}  endpoints that update now", "release", "format", "trusts", "signer");
    for release in &report.releases {
        let trusts = if release.trusts.is_empty() { "-".to_owned() } else { release.trusts.join(" ") };
        let signer = release.signed_by.as_deref().unwrap_or("-");
        let endpoints = match &release.endpoints {
            Standing::Newest => "are on the newest release".to_owned(),
            Standing::Update { to } => format!("get {to}"),
            Standing::Unknown => "trust what they were given; this release carries no certificate".to_owned(),
            Standing::Stranded { reason, .. } => format!("ARE STRANDED: {reason}"),
        };
        let _ = writeln!(text, "{:>10} {:>6}  {trusts:10} {signer:6}  {endpoints}", release.version, release.format);
        if let Standing::Stranded { remedy, .. } = &release.endpoints {
            let _ = writeln!(text, "{:38}help: {remedy}", "");
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
        let releases: Vec<String> = report.check_update_fails.iter().map(u32::to_string).collect();
        text.gap();
        let _ =
            writeln!(text, "\"swupd check-update\" fails on {}: it asks for latest_version only", releases.join(", "));
    }
    text.gap();
    let _ = writeln!(text, "next: {}", report.step);
    text
}
