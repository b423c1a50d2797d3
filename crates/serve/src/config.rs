//! Configuration of the server: typed, every key with a default, unknown keys refused.
//!
//! `config/serve.toml` shows every key at its default. Every key can also be given by itself, as text: that is how the
//! command line and the environment come on top of the file. [`KEYS`] lists them.

use std::num::{NonZeroU32, NonZeroUsize};
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

mod keys;
mod listen;
mod networks;
mod values;

pub use keys::{KEYS, Key};
pub use listen::{InvalidListen, Listen, ListenAddr, Listener};
pub use networks::{InvalidNetwork, Networks};
pub use values::{ByteRate, ByteSize, InvalidByteSize};

use crate::target::BasePath;

/// How the server serves.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct ServeConfig {
    /// Where clients are accepted, without TLS.
    pub listen: Listen,
    /// Where clients are accepted with TLS.
    pub listen_tls: Listen,
    /// Where metrics and health are answered.
    pub admin: Listen,
    /// Threads that serve; 0 takes one for each core.
    pub workers: usize,
    /// Proxies whose word about clients is taken.
    pub trusted_proxies: Networks,
    /// A Unix socket where the next server takes over the listening sockets of this one.
    pub takeover: Option<PathBuf>,
    /// The path below which the content tree is shown.
    pub base_path: BasePath,
    /// PEM file with the server's certificate and those that lead to its issuer.
    pub tls_certificate: Option<PathBuf>,
    /// PEM file with the key of the server's certificate.
    pub tls_key: Option<PathBuf>,
    /// Whether clients show a certificate.
    pub client_certificates: ClientCertificates,
    /// PEM file with the certificates that issue those of clients.
    pub client_ca: Option<PathBuf>,
    /// PEM file with the certificate that endpoints trust; its end is shown as a metric.
    pub signing_certificate: Option<PathBuf>,
    /// Memory for small objects. Zero keeps none.
    pub memory_cache: ByteSize,
    /// Objects up to this size are small.
    pub small_object: ByteSize,
    /// Large objects kept open.
    pub open_files: NonZeroUsize,
    /// Answer range requests of the stock client for fullfiles with the whole.
    pub whole_for_stock_client: bool,
    /// How long a connection sees the pointers it saw first.
    pub pointer_hold_seconds: u32,
    /// What clients are told to wait for what is not here yet.
    pub retry_after_seconds: NonZeroU32,
    /// Connections at the same time, on all public listeners.
    pub max_connections: NonZeroUsize,
    /// Connections at the same time from one address; 0 is no limit.
    pub max_connections_per_address: u32,
    /// Requests in a second from one address; 0 is no limit.
    pub requests_per_second: u32,
    /// Requests that may come at once above that.
    pub request_burst: NonZeroU32,
    /// Large objects on their way at the same time; 0 is no limit.
    pub max_downloads: u32,
    /// Large objects on their way to one address; 0 is no limit.
    pub max_downloads_per_address: u32,
    /// Requests that may wait for the disk.
    pub max_disk_queue: usize,
    /// Streams at the same time on one HTTP/2 connection.
    pub max_streams: NonZeroU32,
    /// The largest header of a request.
    pub max_header: ByteSize,
    /// Lines in the header of a request.
    pub max_header_lines: NonZeroUsize,
    /// Time for a TLS handshake.
    pub handshake_seconds: NonZeroU32,
    /// Time for the header of a request, from its first byte.
    pub header_seconds: NonZeroU32,
    /// How long a connection may rest between requests.
    pub idle_seconds: NonZeroU32,
    /// How long a client may take too few bytes of an answer.
    pub stall_seconds: NonZeroU32,
    /// The rate below which they are too few; with 0 one byte is enough.
    pub min_rate: ByteRate,
    /// Which requests are logged.
    pub access_log: AccessLog,
    /// With a sampled access log: one request in so many.
    pub access_log_sample: NonZeroU32,
    /// How a line of the access log looks.
    pub access_log_format: LogFormat,
    /// The file of the access log; without one it goes to the log of the process.
    pub access_log_file: Option<PathBuf>,
    /// Look for changes of the configuration and of certificates, and take them over.
    pub watch_files: bool,
    /// At the end: how long requests are still accepted while load balancers notice.
    pub drain_grace_seconds: u32,
    /// At the end: how long requests may still run once no more are accepted.
    pub drain_deadline_seconds: u32,
}

impl Default for ServeConfig {
    fn default() -> Self {
        const fn seconds(number: u32) -> NonZeroU32 {
            NonZeroU32::new(number).expect("not zero")
        }
        const fn count(number: usize) -> NonZeroUsize {
            NonZeroUsize::new(number).expect("not zero")
        }
        Self {
            listen: Listen::at(([0, 0, 0, 0], 8080).into()),
            listen_tls: Listen::OFF,
            admin: Listen::at(([127, 0, 0, 1], 8081).into()),
            workers: 0,
            trusted_proxies: Networks::default(),
            takeover: None,
            base_path: BasePath::default(),
            tls_certificate: None,
            tls_key: None,
            client_certificates: ClientCertificates::None,
            client_ca: None,
            signing_certificate: None,
            memory_cache: ByteSize::mebibytes(64),
            small_object: ByteSize::kibibytes(64),
            open_files: count(1024),
            whole_for_stock_client: true,
            pointer_hold_seconds: 10,
            retry_after_seconds: seconds(10),
            max_connections: count(8192),
            max_connections_per_address: 1024,
            requests_per_second: 0,
            request_burst: seconds(200),
            max_downloads: 0,
            max_downloads_per_address: 64,
            max_disk_queue: 1024,
            max_streams: seconds(100),
            max_header: ByteSize::kibibytes(16),
            max_header_lines: count(64),
            handshake_seconds: seconds(10),
            header_seconds: seconds(10),
            idle_seconds: seconds(75),
            stall_seconds: seconds(120),
            min_rate: ByteRate::new(256),
            access_log: AccessLog::Sampled,
            access_log_sample: seconds(100),
            access_log_format: LogFormat::Process,
            access_log_file: None,
            watch_files: true,
            drain_grace_seconds: 5,
            drain_deadline_seconds: 60,
        }
    }
}

/// Whether clients show a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ClientCertificates {
    /// They are not asked.
    None,
    /// They are asked, and served without one; one that is shown must be valid.
    Request,
    /// They must.
    Require,
}

/// Which requests are logged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AccessLog {
    /// None.
    Off,
    /// One in [`ServeConfig::access_log_sample`], and every failure of the server.
    Sampled,
    /// All.
    Full,
}

/// How a line of the access log looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LogFormat {
    /// As the log of the process; goes there without a file.
    Process,
    /// One JSON object for each request.
    Json,
    /// The combined format, as nginx writes it.
    Combined,
}

impl ServeConfig {
    /// Reads a file.
    ///
    /// # Errors
    /// Unknown keys and bad values; the message shows line and key.
    pub fn from_toml(text: &str) -> Result<Self, InvalidConfig> {
        toml::from_str(text).map_err(|error| InvalidConfig::File(toml_text(&error)))
    }

    /// Reads a file, which may be empty, and puts single settings over it; of two for the same key the later wins.
    ///
    /// A setting is the name of a key and its value as one would type it: `("listen", "127.0.0.1:0")`.
    ///
    /// # Errors
    /// Unknown keys and bad values, in the file or the settings.
    pub fn layered<'a>(
        file: &str,
        settings: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Result<Self, InvalidConfig> {
        let mut config = Self::from_toml(file)?;
        let mut table: toml::Table = file.parse().map_err(|error| InvalidConfig::File(toml_text(&error)))?;
        for (key, text) in settings {
            config = set(&mut table, key, text)?;
        }
        Ok(config)
    }

    /// The keys that differ in `other` and cannot change while the server runs.
    pub(crate) fn fixed_keys_that_differ(&self, other: &Self) -> Vec<&'static str> {
        [
            ("listen", self.listen != other.listen),
            ("listen-tls", self.listen_tls != other.listen_tls),
            ("admin", self.admin != other.admin),
            ("workers", self.workers != other.workers),
            ("takeover", self.takeover != other.takeover),
            ("base-path", self.base_path != other.base_path),
            ("memory-cache", self.memory_cache != other.memory_cache),
            ("small-object", self.small_object != other.small_object),
            ("open-files", self.open_files != other.open_files),
        ]
        .into_iter()
        .filter_map(|(key, differs)| differs.then_some(key))
        .collect()
    }

    pub(crate) fn header_limit(&self) -> usize {
        // Less than this hyper does not take.
        usize::try_from(self.max_header.bytes()).unwrap_or(usize::MAX).clamp(8192, 1 << 24)
    }

    pub(crate) fn pointer_hold(&self) -> Duration {
        Duration::from_secs(self.pointer_hold_seconds.into())
    }
}

/// What is wrong with a TOML file, in one line: the parser's own text draws the place over several.
pub fn toml_text(error: &toml::de::Error) -> String {
    let drawn = error.to_string();
    let line = drawn.lines().nth(2).and_then(|line| line.split_once(" | "));
    match (drawn.lines().next(), line) {
        (Some(place), Some((_, line))) => format!("{place}: {}: {}", line.trim(), error.message()),
        _ => error.message().to_owned(),
    }
}

/// Sets one key. What the text means depends on the key: a string, or else a number or a truth value.
fn set(table: &mut toml::Table, key: &str, text: &str) -> Result<ServeConfig, InvalidConfig> {
    let scalar = text.parse().map(toml::Value::Integer).or_else(|_| text.parse().map(toml::Value::Boolean)).ok();
    let mut complaint = None;
    for value in [Some(toml::Value::String(text.to_owned())), scalar].into_iter().flatten() {
        table.insert(key.to_owned(), value);
        match table.clone().try_into() {
            Ok(config) => return Ok(config),
            // The last complaint is about the value in its proper type.
            Err(error) => complaint = Some(error),
        }
    }
    let message = complaint.map(|error| error.message().to_owned()).unwrap_or_default();
    Err(InvalidConfig::Setting { key: key.to_owned(), message })
}

/// A configuration that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidConfig {
    /// In the file.
    #[error("{0}")]
    File(String),
    /// In a single setting.
    #[error("{key}: {message}")]
    Setting {
        /// The key.
        key: String,
        /// What is wrong.
        message: String,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHIPPED: &str = include_str!("../../../config/serve.toml");

    #[test]
    fn an_empty_file_and_the_shipped_one_are_the_default() {
        assert_eq!(ServeConfig::from_toml("").unwrap(), ServeConfig::default());
        assert_eq!(ServeConfig::from_toml(SHIPPED).unwrap(), ServeConfig::default());
        assert_eq!(ServeConfig::layered(SHIPPED, []).unwrap(), ServeConfig::default());
    }

    #[test]
    fn the_shipped_file_and_the_list_have_every_key() {
        // serde itself says which fields there are.
        let message = toml::from_str::<ServeConfig>("nonsense = 1").unwrap_err().to_string();
        let fields: Vec<&str> = message.split('`').skip(3).step_by(2).collect();
        assert!(fields.len() > 20, "{message}");
        let shipped = SHIPPED.replace("#= ", "").parse::<toml::Table>().unwrap();
        let listed: Vec<&str> = KEYS.iter().map(|key| key.name).collect();
        assert_eq!(listed, fields);
        for field in fields {
            assert!(shipped.contains_key(field), "{field} is not shown");
        }
        assert!(ServeConfig::from_toml(&SHIPPED.replace("#= ", "")).is_ok());
    }

    #[test]
    fn settings_come_over_the_file() {
        let file = "listen = \"127.0.0.1:1\"\nmax-connections = 5\n";
        let settings = [
            ("listen", "[::1]:2"),
            ("whole-for-stock-client", "false"),
            ("memory-cache", "1GiB"),
            ("idle-seconds", "7"),
            ("tls-key", "123"),
            ("idle-seconds", "8"),
        ];
        let config = ServeConfig::layered(file, settings).unwrap();
        let expected = ServeConfig {
            listen: "[::1]:2".parse().unwrap(),
            max_connections: NonZeroUsize::new(5).unwrap(),
            whole_for_stock_client: false,
            memory_cache: ByteSize::mebibytes(1024),
            idle_seconds: NonZeroU32::new(8).unwrap(),
            tls_key: Some("123".into()),
            ..ServeConfig::default()
        };
        assert_eq!(config, expected);
    }

    #[test]
    fn every_bad_value_names_its_key() {
        for (key, bad) in [
            ("listen", "\"localhost\""),
            ("listen-tls", "8080"),
            ("admin", "\"127.0.0.1\""),
            ("workers", "-1"),
            ("trusted-proxies", "\"everybody\""),
            ("takeover", "1"),
            ("base-path", "\"update/\""),
            ("tls-certificate", "1"),
            ("tls-key", "false"),
            ("client-certificates", "\"maybe\""),
            ("client-ca", "[]"),
            ("signing-certificate", "1"),
            ("memory-cache", "\"64 Mi\""),
            ("small-object", "-1"),
            ("open-files", "0"),
            ("whole-for-stock-client", "\"yes\""),
            ("pointer-hold-seconds", "-1"),
            ("retry-after-seconds", "0"),
            ("max-connections", "0"),
            ("max-connections-per-address", "-1"),
            ("requests-per-second", "\"many\""),
            ("request-burst", "0"),
            ("max-downloads", "-1"),
            ("max-downloads-per-address", "-1"),
            ("max-disk-queue", "-1"),
            ("max-streams", "0"),
            ("max-header", "1.5"),
            ("max-header-lines", "0"),
            ("handshake-seconds", "0"),
            ("header-seconds", "\"10s\""),
            ("idle-seconds", "0"),
            ("stall-seconds", "0"),
            ("min-rate", "-1"),
            ("min-rate", "\"fast\""),
            ("small-object", "\"99999999999GiB\""),
            ("access-log", "\"all\""),
            ("access-log-sample", "0"),
            ("access-log-format", "\"xml\""),
            ("access-log-file", "1"),
            ("watch-files", "1"),
            ("drain-grace-seconds", "99999999999"),
            ("drain-deadline-seconds", "-1"),
            ("lissten", "1"),
        ] {
            let error = ServeConfig::from_toml(&format!("{key} = {bad}")).unwrap_err().to_string();
            assert!(error.contains(key), "{error}");
        }
        for (key, bad, complaint) in [
            ("idle-seconds", "0", "nonzero"),
            ("idle-seconds", "soon", "invalid type"),
            ("whole-for-stock-client", "yes", "boolean"),
            ("access-log", "all", "sampled"),
            ("listen", "here", "off"),
            ("lissten", "1", "unknown field"),
        ] {
            let error = ServeConfig::layered("", [(key, bad)]).unwrap_err().to_string();
            assert!(error.starts_with(&format!("{key}: ")) && error.contains(complaint), "{error}");
        }
    }
}
