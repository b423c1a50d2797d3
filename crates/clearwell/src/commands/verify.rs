//! `clearwell verify`.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use clap::ArgGroup;
use clearwell_endpoint::source::{HttpOptions, HttpSource, Source, StoreSource, TreeSource};
use clearwell_endpoint::{EndpointOptions, Retry, VerifyOptions, VerifyReport, verify};
use clearwell_format::{BundleName, FormatNumber, Version};
use clearwell_sign::TrustAnchor;
use clearwell_store::Store;

use crate::commands::serve::runtime;
use crate::error::CliError;
use crate::exit::Exit;
use crate::signing;
use crate::ui::{Ui, bytes_text};

/// Do what an endpoint does, and say whether it would be content.
///
/// Installs every bundle in a scratch root, updates from earlier releases, checks signatures and compares every hash, as
/// swupd would; says what a client would have had to fetch file by file. Works on a store, a server, or any www tree.
#[derive(Debug, clap::Args)]
#[command(group = ArgGroup::new("from-where").required(true).args(["store", "url", "www"]))]
pub(crate) struct Verify {
    /// A store.
    #[arg(long, value_name = "DIR")]
    store: Option<PathBuf>,
    /// A server: the base of the content tree.
    #[arg(long, value_name = "URL")]
    url: Option<String>,
    /// A www tree.
    #[arg(long, value_name = "DIR")]
    www: Option<PathBuf>,
    /// The base of version/ where it differs from --url.
    #[arg(long, value_name = "URL", requires = "url")]
    version_url: Option<String>,
    /// The releases to verify. Default: the newest.
    #[arg(long, value_name = "N,…", value_delimiter = ',')]
    version: Vec<Version>,
    /// Earlier releases to update from.
    #[arg(long, value_name = "N,…", value_delimiter = ',')]
    from: Vec<Version>,
    /// The bundles. Default: all.
    #[arg(long, value_name = "NAME,…", value_delimiter = ',')]
    bundles: Vec<BundleName>,
    /// The format of the pointers. Default: for a store the newest one, else 30.
    #[arg(long, value_name = "F")]
    format: Option<FormatNumber>,
    /// The certificate that endpoints trust. Without it signatures are not checked.
    #[arg(long, env = "CLEARWELL_CERTIFICATE", value_name = "PEM")]
    cert: Option<PathBuf>,
    /// Authorities for TLS, PEM. Default: those of the system.
    #[arg(long, value_name = "PEM", requires = "url")]
    ca: Option<PathBuf>,
    /// A client certificate with its key, PEM.
    #[arg(long, value_name = "PEM", requires = "url")]
    client_cert: Option<PathBuf>,
    /// Do not fetch every fullfile.
    #[arg(long)]
    skip_fullfiles: bool,
    /// Where scratch roots are made. Default: the system's folder for temporary files.
    #[arg(long, value_name = "DIR")]
    scratch: Option<PathBuf>,
    /// Wait between retries.
    #[arg(long, value_name = "SECONDS", default_value_t = 1)]
    retry_seconds: u64,
}

impl Verify {
    pub(crate) fn run(self, ui: &Ui) -> Result<Exit, CliError> {
        let (source, newest_format) = self.source()?;
        let format = self.format.or(newest_format).unwrap_or(FormatNumber::new(30).expect("not zero"));
        let mut endpoint = EndpointOptions::new(format);
        endpoint.retry = Retry { delay: Duration::from_secs(self.retry_seconds), ..endpoint.retry };
        endpoint.trust = match &self.cert {
            Some(path) => {
                Some(TrustAnchor::from_pem(&signing::read(path)?).map_err(|error| CliError::signing(path, error))?)
            }
            None => {
                ui.warn("signatures are not checked: give --cert with the certificate that endpoints trust");
                None
            }
        };
        let options = VerifyOptions {
            versions: self.version,
            from: self.from,
            bundles: self.bundles,
            fullfiles: !self.skip_fullfiles,
            scratch: self.scratch,
            endpoint,
        };
        let report = runtime()?.block_on(verify(source, &options, &|check| ui.note(&format!("checking: {check}"))))?;
        ui.result(&report, &text(&report))?;
        Ok(if report.is_clean() { Exit::Done } else { Exit::Findings })
    }

    fn source(&self) -> Result<(Arc<dyn Source>, Option<FormatNumber>), CliError> {
        if let Some(path) = &self.store {
            let store = Store::open(path)?;
            let newest = store.latest_version()?;
            let format = newest.map(|version| store.record(version)).transpose()?.map(|record| record.format);
            return Ok((Arc::new(StoreSource::new(store)), format));
        }
        if let Some(www) = &self.www {
            return Ok((Arc::new(TreeSource::new(www)), None));
        }
        let url = self.url.clone().ok_or_else(|| CliError::usage("verify what? give --store, --url or --www"))?;
        let mut http = HttpOptions::new(url);
        if let Some(version_url) = &self.version_url {
            http.version_url.clone_from(version_url);
        }
        http.ca_pem = self.ca.as_deref().map(signing::read).transpose()?;
        http.client_pem = self.client_cert.as_deref().map(signing::read).transpose()?;
        Ok((Arc::new(HttpSource::new(&http)?), None))
    }
}

fn text(report: &VerifyReport) -> String {
    let mut text = String::new();
    for outcome in &report.checks {
        let done = &outcome.report;
        let _ = writeln!(
            text,
            "{:34} {}  {} requests, {}, {} packs, {} deltas, {} files one by one",
            outcome.check.to_string(),
            if done.is_clean() { "ok    " } else { "FAILED" },
            done.traffic.requests(),
            bytes_text(done.traffic.total_bytes()),
            done.packs_used,
            done.deltas_applied,
            done.fetched_one_by_one.len(),
        );
    }
    for (check, file) in report.fetched_one_by_one().take(SHOWN) {
        let _ = writeln!(text, "  one by one in {check}: {} of bundle {}", file.path, file.bundle);
    }
    let left = report.fetched_one_by_one().count().saturating_sub(SHOWN);
    if left > 0 {
        let _ = writeln!(text, "  and {left} more; --json lists all");
    }
    for outcome in report.checks.iter().filter(|outcome| !outcome.report.left_alone.is_empty()) {
        let paths = &outcome.report.left_alone;
        let named: Vec<String> = paths.iter().take(SHOWN).map(ToString::to_string).collect();
        let more = if paths.len() > SHOWN { ", … --json lists all" } else { "" };
        let (check, count, named) = (&outcome.check, paths.len(), named.join(", "));
        let _ = writeln!(text, "  WARNING {check}: {count} paths that updates do not touch: {named}{more}");
    }
    for problem in report.problems() {
        let _ = writeln!(text, "  PROBLEM {problem}");
    }
    let _ = writeln!(
        text,
        "{}",
        if report.is_clean() { "an endpoint would be content" } else { "an endpoint would NOT be content" }
    );
    text
}

/// How many files or paths of a kind a person is shown.
const SHOWN: usize = 20;
