//! `clearwell serve`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

use clap::parser::ValueSource;
use clap::{Arg, ArgMatches, Args, Command, FromArgMatches};
use clearwell_format::printable::chain;
use clearwell_serve::config::{InvalidConfig, KEYS, Key};
use clearwell_serve::{KEPT, Listening, Reloader, Running, ServeConfig, ServeError, Server};
use clearwell_store::Store;
use schemars::JsonSchema;
use serde::Serialize;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::config::{MixConfig, read_text};
use crate::error::CliError;
use crate::exit::Exit;
use crate::page::Page;
use crate::service_manager;
use crate::successor::Successor;
use crate::ui::Ui;

/// Serve a store to endpoints.
///
/// Prints its addresses once it accepts connections. SIGTERM and SIGINT drain the server: /readyz reports "not ready",
/// running requests finish, then the command ends with exit code 0. SIGHUP reloads the configuration and certificates. SIGUSR2
/// starts the program that is now installed, which takes over the addresses (key takeover); then this one ends as with SIGTERM.
#[derive(Debug, clap::Args)]
pub(crate) struct Serve {
    /// The store. Default: that of clearwell.toml in this folder; its certificate is then the default of --signing-cert.
    #[arg(long, env = "CLEARWELL_STORE", value_name = "DIR")]
    store: Option<PathBuf>,
    /// The configuration file of the server; config/serve.toml of the source shows all keys. Options override it.
    #[arg(long, env = "CLEARWELL_SERVE_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
    /// Check that the configuration can be used with this store on this machine, print every setting, and exit.
    #[arg(long)]
    check_config: bool,
    #[command(flatten)]
    settings: Settings,
}

/// How often watched files are checked for changes.
const WATCH_INTERVAL: Duration = Duration::from_secs(1);

impl Serve {
    pub(crate) fn run(self, ui: &Ui) -> Result<Exit, CliError> {
        // Before the file is read, so that a later change is seen.
        let config_time = self.config.as_deref().and_then(changed);
        let mix = match &self.store {
            Some(_) => MixConfig::default(),
            None => MixConfig::load(None)?,
        };
        let config = self.config(&mix)?;
        let store = Store::open(mix.store(self.store.as_deref())?)?;
        if self.check_config {
            Server::check(&config, store)?;
            let checked = Checked::new(&config);
            ui.result(&checked, &checked.page())?;
            return Ok(Exit::Done);
        }
        service_manager::take_back(KEPT);
        // Requests run on separate threads; this one serves the admin address, signals and watched files.
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| CliError::new(Exit::Memory, "failed to start the runtime", error))?;
        let ended = runtime.block_on(async {
            let watch_files = config.watch_files;
            // Before anything says that the server is ready: without handlers these signals would end the process at once.
            let signals = Signals {
                hangup: listen_for(SignalKind::hangup())?,
                replace: listen_for(SignalKind::user_defined2())?,
                successor: Successor::of_this_process()
                    .map_err(|error| CliError::new(Exit::Internal, "failed to find the path of this program", error))?,
                is_taken_over: Arc::default(),
            };
            let is_taken_over = Arc::clone(&signals.is_taken_over);
            let has_takeover = config.takeover.is_some();
            let running = bind(config, store).await?;
            let stop = StopSignals::listen()?;
            announce(&running, ui)?;
            let status = serving(&running);
            service_manager::started(&status, running.took_over());
            service_manager::keep(running.sockets_to_keep(), KEPT);
            // A task, so that it goes on while the server drains.
            tokio::spawn(service_manager::keep_alive());
            let reloader = running.reloader();
            tokio::select! {
                () = stop.received() => {}
                () = running.taken_over() => {
                    is_taken_over.store(true, Ordering::Relaxed);
                    tracing::info!("another server has taken over the addresses");
                    running.hand_over().await;
                    return Ok(Exit::Done);
                }
                () = self.follow(&reloader, &mix, signals, &status, has_takeover, watch_files.then_some(config_time)) => {}
            }
            service_manager::stopping();
            running.drain().await;
            Ok(Exit::Done)
        });
        // Reads that still wait for a disk must not delay the exit.
        runtime.shutdown_background();
        ended
    }

    /// Applies changes until it is dropped: on SIGHUP, and when watched files change. `watched` is the time of the
    /// configuration file before it was read; `None` if files are not watched.
    async fn follow(
        &self,
        reloader: &Reloader,
        mix: &MixConfig,
        mut signals: Signals,
        status: &str,
        has_takeover: bool,
        watched: Option<Option<SystemTime>>,
    ) {
        let mut ticks = tokio::time::interval(WATCH_INTERVAL);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let times = || (self.config.as_deref().and_then(changed), reloader.file_times());
        let mut seen = (watched.flatten(), reloader.file_times());
        let mut settled = true;
        loop {
            tokio::select! {
                _ = signals.hangup.recv() => service_manager::reloading(),
                _ = signals.replace.recv() => {
                    signals.start_successor(has_takeover);
                    continue;
                }
                _ = ticks.tick(), if watched.is_some() => {
                    let now = times();
                    if now != seen {
                        // Certificate and key are two files: wait until neither is being written any more.
                        (seen, settled) = (now, false);
                        continue;
                    }
                    if settled {
                        continue;
                    }
                    service_manager::reloading();
                }
            }
            settled = true;
            let reloaded = match self.config(mix) {
                Ok(config) => reloader.reload(config).map_err(CliError::from),
                Err(error) => {
                    reloader.refuse();
                    Err(error)
                }
            };
            match reloaded {
                Ok(()) => service_manager::reloaded(status),
                Err(error) => {
                    let error = error.to_string();
                    tracing::error!(error, "the new configuration is refused; the old one stays in use");
                    service_manager::reloaded(&format!("{status}; the last reload was refused: {error}"));
                }
            }
            seen = times();
        }
    }

    /// Options, then the file, then `clearwell.toml`.
    fn config(&self, mix: &MixConfig) -> Result<ServeConfig, CliError> {
        let text = match &self.config {
            None => String::new(),
            Some(path) => read_text(path)
                .map_err(|error| CliError::usage_from(format!("failed to read {}", path.display()), error))?,
        };
        let settings = self.settings.0.iter().map(|setting| (setting.key, setting.text.as_str()));
        let mut config = ServeConfig::layered(&text, settings).map_err(|error| self.unusable(error))?;
        if config.signing_certificate.is_none() {
            config.signing_certificate.clone_from(&mix.certificate);
        }
        Ok(config)
    }

    /// Says where the error is: in the file, an option, or a variable of the environment.
    fn unusable(&self, error: InvalidConfig) -> CliError {
        match (&error, &self.config) {
            (InvalidConfig::File { .. }, Some(path)) => CliError::usage(format!("{}:{error}", path.display())),
            (InvalidConfig::Setting { key, message }, _) => {
                let setting = self.settings.0.iter().find(|setting| setting.key == key);
                let origin = setting.map_or(key.as_str(), |setting| setting.origin.as_str());
                CliError::usage(format!("{origin}: {message}"))
            }
            _ => CliError::usage(error.to_string()),
        }
    }
}

fn changed(path: &Path) -> Option<SystemTime> {
    std::fs::metadata(path).and_then(|metadata| metadata.modified()).ok()
}

/// A usable configuration of the server, with every setting.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Checked {
    /// True: a configuration that is not usable is an error.
    usable: bool,
    /// The sections, in the order of `serve.toml`.
    settings: Vec<Section>,
}

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
struct Section {
    /// The section of `serve.toml`.
    section: &'static str,
    /// Each key of the section with its effective value, as `serve.toml` has it. Keys without a value are absent.
    #[schemars(extend("propertyNames" = key_names(), "additionalProperties" = setting()))]
    #[schemars(with = "BTreeMap<String, serde_json::Value>")]
    values: BTreeMap<&'static str, toml::Value>,
}

/// The schema of a name of a key.
fn key_names() -> serde_json::Value {
    serde_json::json!({ "enum": KEYS.iter().map(|key| key.name).collect::<Vec<_>>() })
}

/// The schema of a value.
fn setting() -> serde_json::Value {
    serde_json::json!({ "type": ["boolean", "integer", "string"] })
}

impl Checked {
    fn new(config: &ServeConfig) -> Self {
        let mut settings: Vec<Section> = Vec::new();
        for (key, value) in config.values() {
            match settings.last_mut() {
                Some(last) if last.section == key.section => _ = last.values.insert(key.name, value),
                _ => settings.push(Section { section: key.section, values: BTreeMap::from([(key.name, value)]) }),
            }
        }
        Self { usable: true, settings }
    }

    /// The settings as a configuration file has them.
    fn page(&self) -> Page {
        let mut page = Page::of("# the configuration is usable");
        for Section { section, values } in &self.settings {
            page.gap();
            let _ = writeln!(page, "[{section}]");
            for (key, value) in values {
                let _ = writeln!(page, "{key} = {value}");
            }
        }
        page
    }
}

/// The addresses of a server that accepts connections.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Addresses {
    /// The first address for clients without TLS; null if there is none.
    listen: Option<String>,
    /// The first address for clients with TLS; null if there is none.
    listen_tls: Option<String>,
    /// The first address for metrics and health checks; null if there is none.
    admin: Option<String>,
    /// The URLs of all addresses.
    all: Vec<String>,
}

/// Takes the addresses of `config` and serves `store`; the metrics name this program.
pub(crate) async fn bind(config: ServeConfig, store: Store) -> Result<Running, ServeError> {
    let running = Server::bind(config, store).await?;
    running.site().metrics().server.show_build(env!("CLEARWELL_VERSION"), env!("CLEARWELL_COMMIT"));
    Ok(running)
}

/// Prints the addresses of the server; with port 0 the kernel chose the port. JSON has the first address of each kind by
/// name, and the URLs of all.
pub(crate) fn announce(running: &Running, ui: &Ui) -> Result<(), CliError> {
    let addresses = Addresses {
        listen: running.addr().map(|address| address.to_string()),
        listen_tls: running.tls_addr().map(|address| address.to_string()),
        admin: running.admin_addr().map(|address| address.to_string()),
        all: running.listening().iter().map(Listening::url).collect(),
    };
    let mut page = Page::default();
    for found in running.listening() {
        let _ = match found.listener {
            "admin" => writeln!(page, "metrics {}/metrics", found.url()),
            _ => writeln!(page, "serving {}", found.url()),
        };
    }
    ui.result(&addresses, &page)
}

/// One line for service managers.
fn serving(running: &Running) -> String {
    let addresses = running.listening().iter().filter(|found| found.listener != "admin").map(Listening::url);
    format!("Serving {}", addresses.collect::<Vec<_>>().join(", "))
}

/// Signals that a running server follows.
struct Signals {
    /// Reload.
    hangup: Signal,
    /// Start the successor.
    replace: Signal,
    successor: Successor,
    /// Another server has taken over; this one only ends its requests.
    is_taken_over: Arc<AtomicBool>,
}

impl Signals {
    /// Without the key `takeover` the successor would find the addresses in use.
    fn start_successor(&self, has_takeover: bool) {
        if !has_takeover {
            tracing::error!("SIGUSR2 is ignored: the server that is to take over needs the key takeover");
            return;
        }
        let is_taken_over = Arc::clone(&self.is_taken_over);
        let ended = move |status| match is_taken_over.load(Ordering::Relaxed) {
            true => tracing::error!(status, "the server that took over has ended"),
            false => tracing::error!(status, "the next server ended; this one continues"),
        };
        let started = |pid| tracing::info!(pid, "started the next server, which takes over");
        if let Err(error) = self.successor.start(started, ended) {
            tracing::error!(error = chain(&error), "failed to start the next server; this one continues");
        }
    }
}

/// Waits for SIGTERM or SIGINT.
pub(crate) async fn stop_signal() -> Result<(), CliError> {
    StopSignals::listen()?.received().await;
    Ok(())
}

/// SIGTERM and SIGINT, which no longer end the process from the moment of [`StopSignals::listen`].
struct StopSignals {
    terminate: Signal,
    interrupt: Signal,
}

impl StopSignals {
    fn listen() -> Result<Self, CliError> {
        Ok(Self { terminate: listen_for(SignalKind::terminate())?, interrupt: listen_for(SignalKind::interrupt())? })
    }

    async fn received(mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

fn listen_for(kind: SignalKind) -> Result<Signal, CliError> {
    signal(kind).map_err(|error| CliError::new(Exit::Internal, "failed to listen for signals", error))
}

/// The runtime of commands that use the network.
pub(crate) fn runtime() -> Result<tokio::runtime::Runtime, CliError> {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| CliError::new(Exit::Memory, "failed to start the runtime", error))
}

impl From<ServeError> for CliError {
    fn from(error: ServeError) -> Self {
        Self::transparent(error.fault().into(), error)
    }
}

/// The heading of the options that are keys of the configuration.
pub(crate) const KEYS_HEADING: &str = "Configuration keys";

/// Keys of the configuration from the command line and the environment.
#[derive(Debug, Default, Clone)]
struct Settings(Vec<Setting>);

#[derive(Debug, Clone)]
struct Setting {
    key: &'static str,
    text: String,
    /// The option or the variable that set it.
    origin: String,
}

impl Args for Settings {
    fn augment_args(command: Command) -> Command {
        KEYS.iter().fold(command, |command, key| {
            let long = key.option();
            let hidden = [(long != key.name).then_some(key.name), key.old_name];
            command.arg(
                Arg::new(key.name)
                    .long(long)
                    .aliases(hidden.into_iter().flatten())
                    .value_name(key.placeholder)
                    .help(key.help_with_default())
                    .env(Key::variable(key.name))
                    .help_heading(KEYS_HEADING),
            )
        })
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for Settings {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let setting = |key: &Key| {
            let Some(text) = matches.get_one::<String>(key.name) else {
                // clap knows one variable for each option; that of an earlier name counts too.
                let variable = Key::variable(key.old_name?);
                return Some(Setting { key: key.name, text: std::env::var(&variable).ok()?, origin: variable });
            };
            let origin = match matches.value_source(key.name) {
                Some(ValueSource::EnvVariable) => Key::variable(key.name),
                _ => format!("--{}", key.option()),
            };
            Some(Setting { key: key.name, text: text.clone(), origin })
        };
        Ok(Self(KEYS.iter().filter_map(setting).collect()))
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}
