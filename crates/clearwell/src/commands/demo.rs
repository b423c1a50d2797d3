//! `clearwell demo`.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use clearwell_endpoint::source::{HttpOptions, HttpSource};
use clearwell_endpoint::{Endpoint, EndpointError, EndpointOptions, Report, Root};
use clearwell_format::{BundleName, FormatNumber, Version};
use clearwell_serve::config::Listen;
use clearwell_serve::{Running, ServeConfig};
use clearwell_sign::{DEFAULT_VALIDITY_DAYS, TrustAnchor};
use schemars::JsonSchema;
use serde::Serialize;

use crate::commands::build::Build;
use crate::commands::init::make_key;
use crate::commands::serve::{bind, runtime, stop_signal};
use crate::config::{MixConfig, StoreArgs};
use crate::error::CliError;
use crate::exit::Exit;
use crate::fresh::Fresh;
use crate::interrupt::interruptible;
use crate::names::unknown;
use crate::page::Page;
use crate::sample;
use crate::signing::{self, SigningArgs};
use crate::ui::{Ui, bytes_text, count};

/// Release three versions of a sample system, serve them, and print what to try.
///
/// Needs only this program. Starts a server, publishes three versions while it runs, then installs the first version and
/// updates to the last over HTTP, as an endpoint does. Runs until Ctrl-C.
#[derive(Debug, clap::Args)]
pub(crate) struct Demo {
    /// The folder for everything. Default: a temporary folder that is removed at the end.
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
    /// Address of the server.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8080")]
    listen: Listen,
    /// Stop after the update, instead of serving until Ctrl-C. The server then uses any free port.
    #[arg(long)]
    once: bool,
}

/// A demo: its server, and the reports of an endpoint.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Shown {
    /// Base URL of the content.
    url: String,
    /// The folder of the demo.
    dir: PathBuf,
    /// The report of the installation of the first version.
    install: Report,
    /// The report of the update to the last version.
    update: Report,
}

impl Demo {
    pub(crate) fn run(self, ui: &Ui) -> Result<Exit, CliError> {
        let temporary;
        let dir = match &self.dir {
            Some(dir) => std::path::absolute(dir)
                .map_err(|error| CliError::disk(format!("{} is not a usable folder", dir.display()), error))?,
            None => {
                temporary =
                    tempfile::tempdir().map_err(|error| CliError::disk("failed to make a temporary folder", error))?;
                temporary.path().to_path_buf()
            }
        };
        let mut fresh = Fresh::default();
        fresh.folder(&dir)?;
        let certificate = dir.join("Swupd_Root.pem");
        make_key("Clearwell demo", DEFAULT_VALIDITY_DAYS, None, &dir.join("private.pem"), &certificate, &mut fresh)?;
        let store = fresh.create_store(&dir.join("store"))?;
        runtime()?.block_on(async {
            let running = bind(self.server(&certificate)?, store).await?;
            let address =
                running.addr().ok_or_else(|| CliError::usage("the demo needs an address without TLS; use --listen"))?;
            fresh.keep();
            let url = format!("http://{address}");
            let left = "the demo was stopped before it was built";
            tokio::task::block_in_place(|| interruptible(ui, left, || release_all(&dir, &certificate, &url, ui)))?;
            let (install, update) = tour(&url, &certificate, &dir).await?;
            let is_clean = install.is_clean() && update.is_clean();
            let text = story(&url, &dir, &install, &update);
            ui.result(&Shown { url, dir: dir.clone(), install, update }, &text)?;
            self.finish(running, is_clean).await
        })
    }

    fn server(&self, certificate: &Path) -> Result<ServeConfig, CliError> {
        let kernel_picks = || "127.0.0.1:0".parse().map_err(|error| CliError::usage_from("the demo's address", error));
        Ok(ServeConfig {
            listen: if self.once { kernel_picks()? } else { self.listen.clone() },
            admin: kernel_picks()?,
            signing_certificate: Some(certificate.to_path_buf()),
            drain_grace_seconds: 0,
            ..ServeConfig::default()
        })
    }

    async fn finish(&self, running: Running, is_clean: bool) -> Result<Exit, CliError> {
        if !self.once {
            stop_signal().await?;
        }
        running.drain().await;
        Ok(if is_clean { Exit::Done } else { Exit::Findings })
    }
}

fn release_all(dir: &Path, certificate: &Path, url: &str, ui: &Ui) -> Result<(), CliError> {
    for version in sample::versions() {
        let trees = dir.join(format!("trees-{version}"));
        sample::write_trees(&trees, version)
            .map_err(|error| CliError::disk(format!("failed to write {}", trees.display()), error))?;
        let build = Build {
            trees: Some(trees),
            store: StoreArgs { store: Some(dir.join("store")), ..StoreArgs::default() },
            version: Some(version),
            content_url: Some(url.to_owned()),
            version_url: Some(url.to_owned()),
            signing: SigningArgs { certificate: Some(certificate.to_path_buf()), ..SigningArgs::default() },
            ..Build::default()
        };
        ui.note(&format!("-- building version {version}"));
        // Not the configuration of the folder where the demo happens to run.
        build.release(&MixConfig::default(), ui)?;
    }
    Ok(())
}

/// An endpoint installs the first version and updates to the last.
async fn tour(url: &str, certificate: &Path, dir: &Path) -> Result<(Report, Report), CliError> {
    let trust =
        TrustAnchor::from_pem(&signing::read(certificate)?).map_err(|error| CliError::signing(certificate, error))?;
    let source = Arc::new(HttpSource::new(&HttpOptions::new(url))?);
    let format = FormatNumber::new(30).expect("not zero");
    let options = EndpointOptions { trust: Some(trust.into()), ..EndpointOptions::new(format) };
    let mut endpoint = Endpoint::open(source, Root::folder(dir.join("endpoint")), options)?;
    let bundle: BundleName = "editor".parse().expect("a bundle name");
    let first: Version = sample::versions()[0];
    let install = endpoint.install(Some(first), &[bundle]).await?;
    let update = endpoint.update(None).await?;
    Ok((install, update))
}

fn story(url: &str, dir: &Path, install: &Report, update: &Report) -> Page {
    let (store, certificate) = (dir.join("store"), dir.join("Swupd_Root.pem"));
    let (store, certificate) = (store.display(), certificate.display());
    let mut page = Page::default();
    page.gap();
    let _ = writeln!(page, "Three versions are published and served at {url}");
    for (what, report) in [("install version 10:", install), ("update to version 30:", update)] {
        let _ = writeln!(
            page,
            "  {what:22} {}, {}, {}, {} fetched individually: {}",
            count(report.traffic.requests(), "request"),
            bytes_text(report.traffic.total_bytes()),
            count(report.packs_used, "pack"),
            count(report.fetched_individually.len() as u64, "file"),
            if report.is_clean() { "ok" } else { "FAILED" },
        );
    }
    page.gap();
    let _ = writeln!(page, "Try, while this runs:");
    let _ = writeln!(page, "  curl {url}/version/format30/latest");
    let _ = writeln!(page, "  clearwell releases --store {store}");
    let _ = writeln!(page, "  clearwell releases diff 10 20 --store {store}");
    let _ = writeln!(page, "  clearwell verify --url {url} --cert {certificate} --from 10");
    page.gap();
    let _ = writeln!(page, "With a stock swupd, as root:");
    // Only endpoints have the time stamp with which swupd compares the clock.
    for action in ["os-install -V 10 -B editor --ignore-time", "update"] {
        let root = "--path /tmp/demo-root --statedir /tmp/demo-state";
        let _ = writeln!(page, "  swupd {action} {root} -u {url} -F 30 \\");
        let _ = writeln!(page, "      -C {certificate} --allow-insecure-http --no-scripts --no-boot-update");
    }
    page.gap();
    let _ = writeln!(page, "Press Ctrl-C to end the demo.");
    page
}

impl From<EndpointError> for CliError {
    fn from(error: EndpointError) -> Self {
        let exit = error.fault().into();
        if let EndpointError::UnknownBundle { bundle, known } = &error {
            let known: Vec<String> = known.iter().map(ToString::to_string).collect();
            let what = format!("bundle {bundle} in the releases to verify");
            return unknown(exit, &what, bundle.as_str(), &known);
        }
        Self::transparent(exit, error)
    }
}
