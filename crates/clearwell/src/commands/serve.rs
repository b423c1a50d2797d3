//! `clearwell serve`.

use std::path::PathBuf;

use clap::{Arg, ArgMatches, Args, Command, FromArgMatches};
use clearwell_serve::config::KEYS;
use clearwell_serve::{Running, ServeConfig, ServeError, Server};
use clearwell_store::Store;
use serde::Serialize;
use tokio::signal::unix::{SignalKind, signal};

use crate::error::CliError;
use crate::exit::Exit;
use crate::ui::Ui;

/// Serve a store to endpoints.
///
/// Prints its addresses once it accepts connections. SIGTERM and SIGINT drain: /readyz turns, requests that run are
/// finished, then the command ends with 0.
#[derive(Debug, clap::Args)]
pub(crate) struct Serve {
    /// The store.
    #[arg(long, env = "CLEARWELL_STORE", value_name = "DIR")]
    store: PathBuf,
    /// A configuration file; config/serve.toml of the source shows every key. Options win over it.
    #[arg(long, env = "CLEARWELL_SERVE_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(flatten)]
    settings: Settings,
}

impl Serve {
    pub(crate) fn run(self, ui: &Ui) -> Result<Exit, CliError> {
        let config = self.config()?;
        let store = Store::open(&self.store)?;
        runtime()?.block_on(async {
            let running = Server::bind(config, store).await?;
            announce(&running, ui)?;
            stop_signal().await?;
            running.drain().await;
            Ok(Exit::Done)
        })
    }

    fn config(&self) -> Result<ServeConfig, CliError> {
        let (text, name) = match &self.config {
            None => (String::new(), String::from("the options")),
            Some(path) => {
                let text = std::fs::read_to_string(path)
                    .map_err(|error| CliError::usage_from(format!("failed to read {}", path.display()), error))?;
                (text, path.display().to_string())
            }
        };
        let settings = self.settings.0.iter().map(|(key, value)| (*key, value.as_str()));
        ServeConfig::layered(&text, settings)
            .map_err(|error| CliError::usage_from(format!("{name} cannot be used"), error))
    }
}

#[derive(Serialize)]
struct Addresses {
    listen: Option<String>,
    listen_tls: Option<String>,
    admin: Option<String>,
}

/// Prints where the server listens: with port 0 the kernel chose.
pub(crate) fn announce(running: &Running, ui: &Ui) -> Result<(), CliError> {
    let addresses = Addresses {
        listen: running.addr().map(|address| address.to_string()),
        listen_tls: running.tls_addr().map(|address| address.to_string()),
        admin: running.admin_addr().map(|address| address.to_string()),
    };
    let lines = [
        addresses.listen.as_ref().map(|address| format!("serving http://{address}\n")),
        addresses.listen_tls.as_ref().map(|address| format!("serving https://{address}\n")),
        addresses.admin.as_ref().map(|address| format!("metrics and health at http://{address}/metrics\n")),
    ];
    ui.result(&addresses, &lines.into_iter().flatten().collect::<String>())
}

/// Waits for SIGTERM or SIGINT.
pub(crate) async fn stop_signal() -> Result<(), CliError> {
    let listen =
        |kind| signal(kind).map_err(|error| CliError::new(Exit::Internal, "failed to listen for signals", error));
    let (mut terminate, mut interrupt) = (listen(SignalKind::terminate())?, listen(SignalKind::interrupt())?);
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    Ok(())
}

/// The runtime of commands that talk to a network.
pub(crate) fn runtime() -> Result<tokio::runtime::Runtime, CliError> {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| CliError::new(Exit::Internal, "failed to start the runtime", error))
}

impl From<ServeError> for CliError {
    fn from(error: ServeError) -> Self {
        let exit = match &error {
            ServeError::Store(error) => error.fault().into(),
            ServeError::Listen { .. } => Exit::Network,
            _ => Exit::Usage,
        };
        Self::transparent(exit, error)
    }
}

/// Keys of the configuration as they stood on the command line or in the environment.
#[derive(Debug, Default, Clone)]
struct Settings(Vec<(&'static str, String)>);

impl Args for Settings {
    fn augment_args(command: Command) -> Command {
        KEYS.iter().fold(command, |command, key| {
            let variable = format!("CLEARWELL_SERVE_{}", key.name.replace('-', "_").to_uppercase());
            command.arg(
                Arg::new(key.name)
                    .long(key.name)
                    .value_name(key.value)
                    .help(key.help)
                    .env(variable)
                    .help_heading("Configuration keys"),
            )
        })
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for Settings {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let setting = |name: &'static str| matches.get_one::<String>(name).map(|value| (name, value.clone()));
        Ok(Self(KEYS.iter().filter_map(|key| setting(key.name)).collect()))
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}
