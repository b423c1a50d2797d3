//! `clearwell verify`.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use clap::ArgGroup;
use clearwell_endpoint::source::{HttpOptions, HttpSource, Source, StoreSource, TreeSource};
use clearwell_endpoint::{EndpointOptions, Retry, VerifyOptions, VerifyReport, verify};
use clearwell_format::{BundleName, FormatNumber, Version};
use clearwell_store::Store;
use clearwell_store::adopt::versions;

use crate::cli::is_of_environment;
use crate::commands::serve::runtime;
use crate::config::{MixConfig, StoreArgs};
use crate::error::CliError;
use crate::exit::Exit;
use crate::interrupt::interruptible;
use crate::names::{require_format, require_release, unknown};
use crate::page::Page;
use crate::signing::{self, TrustArgs, UNCHECKED};
use crate::ui::{Ui, bytes_text, count};
use crate::values::{positive_number, rate_or_none, whole_number};

/// Install and update as an endpoint does, and report whether it succeeds.
///
/// Installs every bundle in a scratch root, updates from earlier releases, checks signatures and compares every hash, as
/// swupd does; lists the files that no pack contains and that clients must fetch individually. Works on a store, a server or
/// a www tree; by default on the store of clearwell.toml. Exit code 0: success; 1: an endpoint would fail; 10: the server
/// does not respond.
#[derive(Debug, clap::Args)]
#[command(group = ArgGroup::new("from-where").args(["url", "www"]))]
pub(crate) struct Verify {
    #[command(flatten)]
    store: StoreArgs,
    /// Verify a server: the base URL of its content. Without a value: content-url and version-url of clearwell.toml.
    #[arg(long, value_name = "URL", num_args = 0..=1, default_missing_value = "")]
    url: Option<String>,
    /// Verify a www tree.
    #[arg(long, value_name = "DIR")]
    www: Option<PathBuf>,
    /// The base URL of version/, if it differs from --url.
    #[arg(long, value_name = "URL", requires = "url")]
    version_url: Option<String>,
    /// The releases to verify. Default: the newest.
    #[arg(long, value_name = "N,…", value_delimiter = ',')]
    version: Vec<Version>,
    /// Earlier releases to update from.
    #[arg(long, value_name = "N,…", value_delimiter = ',')]
    from: Vec<Version>,
    /// The bundles to install. Default: all.
    #[arg(long, value_name = "NAME,…", value_delimiter = ',')]
    bundles: Vec<BundleName>,
    /// The format whose pointer to follow. Default: the newest of a store, else 30.
    #[arg(long, value_name = "F")]
    format: Option<FormatNumber>,
    #[command(flatten)]
    trust: TrustArgs,
    /// Do not check signatures, as swupd with this option.
    #[arg(long)]
    nosigcheck: bool,
    /// Certificates of TLS authorities to trust, PEM. Default: those of the system.
    #[arg(long, value_name = "PEM", requires = "url")]
    ca: Option<PathBuf>,
    /// A TLS client certificate with its key, PEM.
    #[arg(long, value_name = "PEM", requires = "url")]
    client_cert: Option<PathBuf>,
    /// Do not fetch and check all fullfiles.
    #[arg(long)]
    skip_fullfiles: bool,
    /// The folder for scratch roots. Default: the system's folder for temporary files.
    #[arg(long, value_name = "DIR")]
    scratch: Option<PathBuf>,
    /// Time to wait before a failed request is repeated.
    #[arg(long, value_name = "SECONDS", default_value_t = 1, value_parser = whole_number::<u64>)]
    retry_seconds: u64,
    /// Give up a request after this time without a connection or a byte. Stock swupd waits 30 seconds for the connection and
    /// 120 for a byte.
    #[arg(long, value_name = "SECONDS", default_value_t = 30, value_parser = positive_number)]
    timeout_seconds: u64,
    /// Give up a download that is slower than this over --timeout-seconds; 0 for no limit, as stock swupd.
    #[arg(long, alias = "lowest-rate", value_name = "RATE", default_value = "4KiB/s", value_parser = rate_or_none)]
    min_rate: u64,
    /// Give up after this total time.
    #[arg(long, value_name = "SECONDS", default_value_t = 86_400, value_parser = positive_number)]
    limit_seconds: u64,
}

impl Verify {
    pub(crate) fn run(self, ui: &Ui) -> Result<Exit, CliError> {
        self.refuse_contradictions()?;
        let config = self.store.config.load()?;
        let (source, newest_format) = self.source(&config)?;
        if let Some(scratch) = self.scratch.as_deref().filter(|scratch| !scratch.is_dir()) {
            let text = format!("folder {} does not exist; use an existing folder for --scratch", scratch.display());
            return Err(CliError::plain(Exit::Input, text));
        }
        let format = self.format.or(newest_format).unwrap_or(FormatNumber::new(30).expect("not zero"));
        let mut endpoint = EndpointOptions::new(format);
        endpoint.retry = Retry { delay: Duration::from_secs(self.retry_seconds), ..endpoint.retry };
        endpoint.trust = if self.nosigcheck { None } else { self.trust.trust(&config)? };
        if endpoint.trust.is_none() {
            ui.warn(if self.nosigcheck { "signatures are not checked" } else { UNCHECKED });
        }
        let options = VerifyOptions {
            versions: self.version,
            from: self.from,
            bundles: self.bundles,
            fullfiles: !self.skip_fullfiles,
            scratch: self.scratch,
            time_limit: Some(Duration::from_secs(self.limit_seconds)),
            endpoint,
        };
        let report = interruptible(ui, "nothing was changed", || {
            runtime()?.block_on(async {
                tokio::select! {
                    report = verify(source, &options, ui) => Ok(report?),
                    () = ui.stopped() => Err(CliError::interrupted()),
                }
            })
        })?;
        if self.url.is_some() && report.is_unanswered() {
            return Err(CliError::plain(Exit::Network, no_answer(&report)));
        }
        ui.result(&report, &text(&report))?;
        Ok(match report.is_clean() {
            true => Exit::Done,
            false if self.url.is_some() && report.lost_the_server() => Exit::Network,
            false => Exit::Findings,
        })
    }

    /// Not rules of clap, for which a variable of the environment is the same as an option.
    fn refuse_contradictions(&self) -> Result<(), CliError> {
        let store = self.store.store.as_ref().filter(|store| !is_of_environment("CLEARWELL_STORE", store));
        let certificate = self.trust.certificate.as_ref();
        let certificate = certificate.filter(|certificate| !is_of_environment("CLEARWELL_CERTIFICATE", certificate));
        match () {
            () if store.is_some() && self.url.is_some() => Err(CliError::usage("--store and --url exclude each other")),
            () if store.is_some() && self.www.is_some() => Err(CliError::usage("--store and --www exclude each other")),
            () if certificate.is_some() && self.nosigcheck => {
                Err(CliError::usage("--cert and --nosigcheck exclude each other"))
            }
            () => Ok(()),
        }
    }

    fn source(&self, config: &MixConfig) -> Result<(Arc<dyn Source>, Option<FormatNumber>), CliError> {
        if let Some(url) = &self.url {
            return Ok((Arc::new(self.server(url, config)?), None));
        }
        let named = || self.version.iter().chain(&self.from).copied();
        if let Some(www) = &self.www {
            let known = versions(www)?;
            if let Some(version) = named().find(|version| !known.contains(version)) {
                let known: Vec<String> = known.iter().map(ToString::to_string).collect();
                let what = format!("release {version} in {}", www.display());
                return Err(unknown(Exit::Version, &what, &version.to_string(), &known));
            }
            return Ok((Arc::new(TreeSource::new(www)), None));
        }
        let store = Store::open(config.store(self.store.store.as_deref())?)?;
        for version in named().filter(|version| !store.has_content(*version)) {
            require_release(&store, version)?;
        }
        if let Some(format) = self.format {
            require_format(&store, format)?;
        }
        let newest = store.latest_version()?;
        let format = newest.map(|version| store.record(version)).transpose()?.map(|record| record.format);
        Ok((Arc::new(StoreSource::new(store)), format))
    }

    fn server(&self, url: &str, config: &MixConfig) -> Result<HttpSource, CliError> {
        let of_config = url.is_empty().then_some(config);
        let url = match of_config {
            Some(config) => config.content_url.as_deref().ok_or_else(|| {
                CliError::usage(
                    "--url without a value uses content-url of clearwell.toml, which is not set; give the URL",
                )
            })?,
            None => url,
        };
        let mut http = HttpOptions::new(url);
        let version_url = of_config.and_then(|config| config.version_url.as_ref());
        if let Some(version_url) = self.version_url.as_ref().or(version_url) {
            http.version_url.clone_from(version_url);
        }
        http.connect_timeout = Duration::from_secs(self.timeout_seconds);
        http.idle_timeout = Duration::from_secs(self.timeout_seconds);
        http.lowest_rate = self.min_rate;
        http.ca_pem = self.ca.as_deref().map(signing::read).transpose()?;
        http.client_pem = self.client_cert.as_deref().map(signing::read).transpose()?;
        Ok(HttpSource::new(&http)?)
    }
}

/// Why nothing could be verified: the result of the first request.
fn no_answer(report: &VerifyReport) -> String {
    let first =
        report.problems().first().map_or_else(|| "no request was answered".to_owned(), |(_, first)| first.to_string());
    format!("the server cannot be verified: {first}")
}

fn text(report: &VerifyReport) -> Page {
    let mut text = Page::default();
    for outcome in &report.checks {
        let done = &outcome.report;
        let _ = writeln!(
            text,
            "{:34} {}  {}, {}, {}, {}, {} fetched individually",
            outcome.check.to_string(),
            if done.is_clean() { "ok    " } else { "FAILED" },
            count(done.traffic.requests(), "request"),
            bytes_text(done.traffic.total_bytes()),
            count(done.packs_used, "pack"),
            count(done.deltas_applied, "delta"),
            count(done.fetched_individually.len() as u64, "file"),
        );
    }
    for (check, file) in report.fetched_individually().take(SHOWN) {
        let _ = writeln!(text, "  fetched individually in {check}: {} of bundle {}", file.path, file.bundle);
    }
    let left = report.fetched_individually().count().saturating_sub(SHOWN);
    if left > 0 {
        let _ = writeln!(text, "  and {left} more; --json lists them all");
    }
    for outcome in report.checks.iter().filter(|outcome| !outcome.report.not_updated.is_empty()) {
        let paths = &outcome.report.not_updated;
        let named: Vec<String> = paths.iter().take(SHOWN).map(ToString::to_string).collect();
        let more = if paths.len() > SHOWN { ", …; --json lists them all" } else { "" };
        let (check, paths, named) = (&outcome.check, count(paths.len() as u64, "path"), named.join(", "));
        let _ = writeln!(text, "  WARNING in {check}: updates do not change {paths}: {named}{more}");
    }
    for (check, problem) in report.problems() {
        let _ = writeln!(text, "  PROBLEM in {check}: {problem}");
    }
    let _ = writeln!(
        text,
        "{}",
        if report.is_clean() { "endpoints can install and update" } else { "check FAILED: endpoints would fail" }
    );
    text
}

/// Number of files or paths of a kind in the text; JSON has them all.
const SHOWN: usize = 20;
