//! `clearwell health`.

use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use clearwell_serve::ServeConfig;
use clearwell_serve::config::{InvalidConfig, Key, ListenAddr, Listener};
use schemars::JsonSchema;
use serde::Serialize;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpStream, UnixStream};
use tokio::time::timeout;

use crate::config::read_text;
use crate::error::CliError;
use crate::exit::Exit;
use crate::page::Page;
use crate::ui::Ui;
use crate::values::positive_number;

/// Ask a running server whether it is ready.
///
/// One request, for health checks of containers and for scripts. Without ADDRESS it goes to the admin address of the
/// configuration, or to a public address if that is off; CLEARWELL_SERVE_ADMIN and CLEARWELL_SERVE_LISTEN override the
/// file, as for `clearwell serve`. Exit code 0: ready; 1: not ready; 10: the server does not respond.
#[derive(Debug, clap::Args)]
pub(crate) struct Health {
    /// The address of the server: http://HOST:PORT, HOST:PORT or unix:/PATH.
    #[arg(value_name = "ADDRESS")]
    address: Option<Address>,
    /// The configuration file of the server.
    #[arg(long, env = "CLEARWELL_SERVE_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
    /// Ask /healthz, whether the process is alive, in place of /readyz: a server that drains is alive, but not ready.
    #[arg(long)]
    alive: bool,
    /// Give up after this total time.
    #[arg(long, value_name = "SECONDS", default_value_t = 3, value_parser = positive_number)]
    limit_seconds: u64,
}

impl Health {
    pub(crate) fn run(self, ui: &Ui) -> Result<Exit, CliError> {
        let address = match self.address {
            Some(address) => address,
            None => of_config(self.config)?,
        };
        let path = if self.alive { "/healthz" } else { "/readyz" };
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| CliError::new(Exit::Memory, "failed to start the runtime", error))?;
        let limit = Duration::from_secs(self.limit_seconds);
        let asked = runtime.block_on(async { timeout(limit, address.get(path)).await });
        // A name that is still being looked up must not delay the exit.
        runtime.shutdown_background();
        let url = format!("{address}{path}");
        let answer = match asked {
            Ok(answer) => {
                answer.map_err(|error| CliError::new(Exit::Network, format!("failed to ask {url}"), error))?
            }
            Err(_) => {
                let text = format!("{url} does not respond within {} s", self.limit_seconds);
                return Err(CliError::plain(Exit::Network, text));
            }
        };
        let outcome = Outcome { healthy: answer.status == 200, status: answer.status, answer: answer.text, url };
        ui.result(&outcome, &Page::of(format_args!("{}: {}", outcome.url, outcome.answer)))?;
        Ok(if outcome.healthy { Exit::Done } else { Exit::Findings })
    }
}

/// The answer of a server.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Outcome {
    /// The URL that was asked.
    url: String,
    /// True if the server is ready; with `--alive`, if the process is alive.
    healthy: bool,
    /// The HTTP status of the response.
    status: u16,
    /// The first line of the response, such as `ready`.
    answer: String,
}

/// Where to ask.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Address {
    /// Host and port.
    Tcp(String),
    /// A socket in the file system.
    Unix(PathBuf),
}

/// Shown as a URL.
impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(authority) => write!(f, "http://{authority}"),
            Self::Unix(path) => write!(f, "unix:{}:", path.display()),
        }
    }
}

impl FromStr for Address {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Some(path) = text.strip_prefix("unix:").filter(|path| path.starts_with('/')) {
            return Ok(Self::Unix(path.into()));
        }
        let (authority, default_port) = match text.strip_prefix("http://") {
            Some(authority) => (authority.strip_suffix('/').unwrap_or(authority), Some(80)),
            None => (text, None),
        };
        let (host, port) = match authority.rsplit_once(':') {
            Some((host, port)) if !authority.ends_with(']') => (host, port.parse::<u16>().ok()),
            _ => (authority, default_port),
        };
        match port {
            Some(port) if is_host(host) => Ok(Self::Tcp(format!("{host}:{port}"))),
            _ => Err("use http://HOST:PORT, HOST:PORT or unix:/PATH, without TLS and without a path".to_owned()),
        }
    }
}

/// A name, an IPv4 address, or an IPv6 address in brackets.
fn is_host(text: &str) -> bool {
    match text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        Some(address) => address.parse::<Ipv6Addr>().is_ok(),
        None => !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte)),
    }
}

impl Address {
    /// The address at which a listener can be reached from this machine; `None` if the configuration does not say it, or if
    /// clients of the listener are only proxies.
    fn of_listener(listener: &Listener) -> Option<Self> {
        match &listener.addr {
            _ if listener.proxy_protocol => None,
            ListenAddr::Tcp(address) if address.port() == 0 => None,
            ListenAddr::Tcp(address) => {
                let ip = match address.ip() {
                    IpAddr::V4(Ipv4Addr::UNSPECIFIED) => Ipv4Addr::LOCALHOST.into(),
                    IpAddr::V6(Ipv6Addr::UNSPECIFIED) => Ipv6Addr::LOCALHOST.into(),
                    ip => ip,
                };
                Some(Self::Tcp(SocketAddr::new(ip, address.port()).to_string()))
            }
            ListenAddr::Unix(path) => Some(Self::Unix(path.clone())),
            ListenAddr::Systemd(_) => None,
        }
    }

    async fn get(&self, path: &str) -> io::Result<Answer> {
        match self {
            Self::Tcp(authority) => get(TcpStream::connect(authority).await?, authority, path).await,
            Self::Unix(socket) => get(UnixStream::connect(socket).await?, "localhost", path).await,
        }
    }
}

/// The address that `clearwell serve` would have with this file and this environment.
fn of_config(file: Option<PathBuf>) -> Result<Address, CliError> {
    let text = match &file {
        None => String::new(),
        Some(path) => read_text(path)
            .map_err(|error| CliError::usage_from(format!("failed to read {}", path.display()), error))?,
    };
    let variables = ["admin", "listen"].map(|key| (key, std::env::var(Key::variable(key)).ok()));
    let settings = variables.iter().filter_map(|(key, value)| Some((*key, value.as_deref()?)));
    let config = ServeConfig::layered_as_written(&text, settings).map_err(|error| match (&error, &file) {
        (InvalidConfig::File { .. }, Some(path)) => CliError::usage(format!("{}:{error}", path.display())),
        (InvalidConfig::Setting { key, message }, _) => CliError::usage(format!("{}: {message}", Key::variable(key))),
        _ => CliError::usage(error.to_string()),
    })?;
    let listeners = config.admin.listeners().iter().chain(config.listen.listeners());
    listeners.filter_map(Address::of_listener).next().ok_or_else(|| {
        let (admin, listen) = (&config.admin, &config.listen);
        CliError::usage(format!(
            "neither admin ({admin}) nor listen ({listen}) is an address that can be asked; give ADDRESS, such as \
             http://127.0.0.1:8081"
        ))
    })
}

/// What a server answered.
struct Answer {
    status: u16,
    /// The first line of the body, or the status line if there is none.
    text: String,
}

/// Far more than the answer of a Clearwell server.
const ANSWER_BYTES: u64 = 64 << 10;

async fn get(mut stream: impl AsyncRead + AsyncWrite + Unpin, host: &str, path: &str) -> io::Result<Answer> {
    let request = format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut bytes = Vec::new();
    stream.take(ANSWER_BYTES).read_to_end(&mut bytes).await?;
    let answer = String::from_utf8_lossy(&bytes);
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    let status_line = head.lines().next().unwrap_or_default();
    let status = status_line
        .strip_prefix("HTTP/1.")
        .and_then(|rest| rest.split(' ').nth(1)?.parse().ok())
        .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "the answer is not HTTP/1"))?;
    let text = body.lines().next().filter(|line| !line.is_empty()).unwrap_or(status_line);
    Ok(Answer { status, text: text.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_names_a_host_with_its_port_or_a_socket() {
        for (text, url) in [
            ("http://127.0.0.1:8081", "http://127.0.0.1:8081"),
            ("http://localhost:8081/", "http://localhost:8081"),
            ("localhost:8081", "http://localhost:8081"),
            ("[::1]:8081", "http://[::1]:8081"),
            ("http://updates.example.org", "http://updates.example.org:80"),
            ("http://[::1]", "http://[::1]:80"),
            ("unix:/run/clearwell/http.sock", "unix:/run/clearwell/http.sock:"),
        ] {
            assert_eq!(text.parse::<Address>().map(|address| address.to_string()).as_deref(), Ok(url));
        }
        for bad in [
            "",
            "localhost",
            ":8081",
            "8081",
            "https://localhost",
            "https://localhost:8443",
            "http://localhost:8081/readyz",
            "http://",
            "http://a:port",
            "http://a:70000",
            "http://user@a:80",
            "unix:run/http.sock",
            "http://a b:80",
            "::1:8081",
            "[localhost]:8081",
        ] {
            assert!(bad.parse::<Address>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_listener_is_asked_where_this_machine_reaches_it() {
        for (listen, url) in [
            ("0.0.0.0:8081", Some("http://127.0.0.1:8081")),
            ("[::]:8081", Some("http://[::1]:8081")),
            ("192.0.2.1:80", Some("http://192.0.2.1:80")),
            ("unix:/run/a.sock", Some("unix:/run/a.sock:")),
            ("127.0.0.1:0", None),
            ("systemd:admin", None),
            ("127.0.0.1:80 proxy-protocol", None),
        ] {
            let address = Address::of_listener(&listen.parse().unwrap());
            assert_eq!(address.map(|address| address.to_string()).as_deref(), url, "{listen}");
        }
    }
}
