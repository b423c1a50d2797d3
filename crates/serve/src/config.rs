//! Configuration of the server: typed, every key with a default, unknown keys refused.
//!
//! | File | Contents |
//! |---|---|
//! | `keys` | the table of keys: section, name, kind of value, help |
//! | `kind` | what a value may be, and the message if it is not |
//! | `file` | `serve.toml`: sections, and the line and column of an error |
//! | `listen`, `networks`, `values` | the types of values |
//!
//! `config/serve.toml` shows every key at its default. Options and variables of the environment override single keys of the
//! file.

use std::num::{NonZeroU32, NonZeroUsize};
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

mod credentials;
mod file;
mod keys;
mod kind;
mod listen;
mod networks;
mod values;

pub use file::line_and_column;
pub use keys::{KEYS, Key};
pub use kind::ValueKind;
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
    /// Networks of proxies whose X-Forwarded-For is trusted.
    pub trusted_proxies: Networks,
    /// A Unix socket where the next server takes over the listening sockets of this one.
    pub takeover: Option<PathBuf>,
    /// The path below which the content tree is shown.
    pub base_path: BasePath,
    /// PEM file with the server's certificate, followed by its intermediates.
    pub tls_certificate: Option<PathBuf>,
    /// PEM file with the key of the server's certificate.
    pub tls_key: Option<PathBuf>,
    /// Whether clients show a certificate.
    pub client_certificates: ClientCertificates,
    /// PEM file with the certificates that issue those of clients.
    pub client_ca: Option<PathBuf>,
    /// PEM file with the certificate that endpoints trust; its expiry is exported as a metric.
    pub signing_certificate: Option<PathBuf>,
    /// Memory for small objects. Zero keeps none.
    pub memory_cache: ByteSize,
    /// Maximum size of a small object.
    pub small_object: ByteSize,
    /// Large objects kept open.
    pub open_files: NonZeroUsize,
    /// Answer range requests of the stock client for fullfiles with the whole file.
    pub whole_for_stock_client: bool,
    /// How long a connection keeps the pointers that it read first.
    pub pointer_hold_seconds: u32,
    /// `Retry-After` of responses for content that is not available yet.
    pub retry_after_seconds: NonZeroU32,
    /// Concurrent connections on all public listeners.
    pub max_connections: NonZeroUsize,
    /// Concurrent connections from one address; 0 means no limit.
    pub max_connections_per_address: u32,
    /// Requests per second from one address; 0 means no limit.
    pub requests_per_second_per_address: u32,
    /// Requests from one address accepted at once above that rate.
    pub request_burst_per_address: NonZeroU32,
    /// Concurrent downloads of large objects; 0 means no limit.
    pub max_downloads: u32,
    /// Concurrent downloads of large objects to one address; 0 means no limit.
    pub max_downloads_per_address: u32,
    /// Requests that may wait for the disk.
    pub max_disk_queue: usize,
    /// Concurrent streams on one HTTP/2 connection.
    pub max_streams: NonZeroU32,
    /// The largest header of a request.
    pub max_header: ByteSize,
    /// Lines in the header of a request.
    pub max_header_lines: NonZeroUsize,
    /// Time for a TLS handshake.
    pub handshake_seconds: NonZeroU32,
    /// Time for the header of a request, from its first byte.
    pub header_seconds: NonZeroU32,
    /// How long a connection may be idle between requests.
    pub idle_seconds: NonZeroU32,
    /// How long a client may read an answer more slowly than `min_rate`.
    pub stall_seconds: NonZeroU32,
    /// The rate below which a client is too slow; with 0 one byte is enough.
    pub min_rate: ByteRate,
    /// Which requests are logged.
    pub access_log: AccessLog,
    /// With a sampled access log: one request in this many is logged.
    pub access_log_sample: NonZeroU32,
    /// The format of a line of the access log.
    pub access_log_format: LogFormat,
    /// The file of the access log; without one it goes to the log of the process.
    pub access_log_file: Option<PathBuf>,
    /// Reload the configuration and the certificates when their files change.
    pub watch_files: bool,
    /// After SIGTERM: how long requests are still accepted while load balancers notice.
    pub drain_grace_seconds: u32,
    /// After that: how long running requests may take.
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
            requests_per_second_per_address: 0,
            request_burst_per_address: seconds(200),
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
    /// They are asked, and served without one; a certificate that is shown must be valid.
    Request,
    /// They must show a valid one.
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

/// The format of a line of the access log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LogFormat {
    /// The format of the process log, where the lines go without a file.
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
    /// [`InvalidConfig::File`] for the first syntax error, unknown key or bad value.
    pub fn from_toml(text: &str) -> Result<Self, InvalidConfig> {
        Self::layered(text, [])
    }

    /// Reads a file, which may be empty, and overrides single keys; of two settings for the same key the later wins.
    ///
    /// A setting is the name of a key and its value as one would type it: `("listen", "127.0.0.1:0")`.
    ///
    /// # Errors
    /// Unknown keys and bad values, in the file or the settings.
    pub fn layered<'a>(
        file: &str,
        settings: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Result<Self, InvalidConfig> {
        let mut values = merged(file, settings)?;
        credentials::expand(&mut values, std::env::var_os("CREDENTIALS_DIRECTORY").as_deref())?;
        of_values(values)
    }

    /// The same with `${CREDENTIALS_DIRECTORY}` as it is written, for a program that only asks a server, and is not given its
    /// credentials.
    ///
    /// # Errors
    /// As [`ServeConfig::layered`].
    pub fn layered_as_written<'a>(
        file: &str,
        settings: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Result<Self, InvalidConfig> {
        of_values(merged(file, settings)?)
    }

    /// The value of a key, as a file has it; `None` where nothing is set.
    pub(crate) fn value(&self, key: &str) -> Option<toml::Value> {
        toml::Table::try_from(self).ok()?.remove(key)
    }

    /// Every key that has a value, in the order of [`KEYS`], with its value as a file has it.
    pub fn values(&self) -> Vec<(&'static Key, toml::Value)> {
        let mut values = toml::Table::try_from(self).unwrap_or_default();
        KEYS.iter().filter_map(|key| Some((key, values.remove(key.name)?))).collect()
    }

    /// The keys that differ in `other` and cannot change while the server runs.
    pub(crate) fn fixed_keys_that_differ(&self, other: &Self) -> Vec<&'static str> {
        let fixed = KEYS.iter().filter(|key| key.needs_restart).map(|key| key.name);
        fixed.filter(|key| self.value(key) != other.value(key)).collect()
    }

    pub(crate) fn header_limit(&self) -> usize {
        // hyper refuses smaller buffers.
        usize::try_from(self.max_header.bytes()).unwrap_or(usize::MAX).clamp(8192, 1 << 24)
    }

    pub(crate) fn pointer_hold(&self) -> Duration {
        Duration::from_secs(self.pointer_hold_seconds.into())
    }
}

/// A configuration that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidConfig {
    /// In the file. With its name and a colon in front the text is a position that editors understand.
    #[error("{line}:{column}: {message}")]
    File {
        /// Counted from 1.
        line: usize,
        /// In characters, counted from 1.
        column: usize,
        /// Key and reason.
        message: String,
    },
    /// In a single setting.
    #[error("{key}: {message}")]
    Setting {
        /// The key.
        key: String,
        /// What is wrong.
        message: String,
    },
}

/// The values of the file with `settings` over them.
fn merged<'a>(
    file: &str,
    settings: impl IntoIterator<Item = (&'a str, &'a str)>,
) -> Result<toml::Table, InvalidConfig> {
    let mut values = file::read(file)?;
    for (name, text) in settings {
        let invalid = |message| InvalidConfig::Setting { key: name.to_owned(), message };
        let key = Key::find(name).ok_or_else(|| invalid(file::unknown(name)))?;
        values.insert(key.name.to_owned(), key.kind.read(text).map_err(invalid)?);
    }
    Ok(values)
}

/// Each value was checked; this fails only if a row of the table and the type of its field disagree.
fn of_values(values: toml::Table) -> Result<ServeConfig, InvalidConfig> {
    values.try_into().map_err(|error: toml::de::Error| InvalidConfig::Setting {
        key: "configuration".to_owned(),
        message: error.message().to_owned(),
    })
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

    /// The shipped file with every key set.
    fn complete() -> String {
        SHIPPED.replace("#= ", "")
    }

    #[test]
    fn the_table_the_fields_and_the_shipped_file_have_the_same_keys() {
        // serde itself lists the fields.
        let message = toml::from_str::<ServeConfig>("nonsense = 1").unwrap_err().to_string();
        let fields: Vec<&str> = message.split('`').skip(3).step_by(2).collect();
        let names: Vec<&str> = KEYS.iter().map(|key| key.name).collect();
        assert_eq!(names, fields);

        let mut section = String::new();
        let mut shipped = Vec::new();
        for line in complete().lines().filter(|line| !line.starts_with('#')) {
            if let Some(name) = line.strip_prefix('[') {
                section = name.trim_end_matches(']').to_owned();
            } else if let Some((name, _)) = line.split_once(" = ") {
                shipped.push((section.clone(), name.to_owned()));
            }
        }
        let listed: Vec<(String, String)> =
            KEYS.iter().map(|key| (key.section.to_owned(), key.name.to_owned())).collect();
        assert_eq!(shipped, listed);
        ServeConfig::from_toml(&complete()).unwrap();
    }

    #[test]
    fn every_kind_of_value_fits_the_type_of_its_field() {
        for key in KEYS {
            let values: Vec<String> = match key.kind {
                ValueKind::Number { least, most } => vec![least.to_string(), most.to_string()],
                ValueKind::Size | ValueKind::Rate => vec!["0".to_owned(), "1GiB".to_owned()],
                ValueKind::Boolean | ValueKind::ClientCertificates | ValueKind::AccessLog | ValueKind::LogFormat => {
                    key.kind.words().unwrap().iter().map(ToString::to_string).collect()
                }
                ValueKind::Path => vec!["123".to_owned()],
                ValueKind::Address => vec!["off".to_owned(), "[::1]:1, 127.0.0.1:2 proxy-protocol".to_owned()],
                ValueKind::NetworkList => vec![String::new(), "10.0.0.0/8, ::1".to_owned()],
                ValueKind::UrlPath => vec![String::new(), "/update".to_owned()],
            };
            for value in values {
                let read = ServeConfig::layered("", [(key.name, value.as_str())]);
                assert!(read.is_ok(), "{} = {value}: {read:?}", key.name);
            }
        }
    }

    #[test]
    fn keys_are_read_from_their_section_and_from_the_top_of_the_file() {
        let expected = ServeConfig { max_downloads: 7, access_log: AccessLog::Full, ..ServeConfig::default() };
        for text in [
            "max-downloads = 7\naccess-log = \"full\"\n",
            "max-downloads = 7\n[log]\naccess-log = \"full\"\n",
            "[limits]\nmax-downloads = 7\n[log]\naccess-log = \"full\"\n",
            "limits.max-downloads = 7\nlog = { access-log = \"full\" }\n",
        ] {
            assert_eq!(ServeConfig::from_toml(text).unwrap(), expected, "{text}");
        }
    }

    #[test]
    fn an_old_name_sets_the_key_that_took_its_place() {
        for key in KEYS {
            let Some(old_name) = key.old_name else { continue };
            let set = |name: &str| ServeConfig::layered("", [(name, "3")]).unwrap();
            assert_eq!(set(old_name), set(key.name));
            let file = |name: &str| ServeConfig::from_toml(&format!("{name} = 3")).unwrap();
            assert_eq!(file(old_name), set(key.name));
        }
    }

    #[test]
    fn an_error_names_line_column_and_key() {
        for (text, expected) in [
            ("\n\n[limits]\nmax-streams = 0", "4:15: limits.max-streams: expected a whole number above 0, found 0"),
            ("max-streams = 0", "1:15: max-streams: expected a whole number above 0, found 0"),
            ("[limits]\n  listen = \"off\"", "2:3: limits.listen: belongs in [addresses]"),
            ("[limits]\nmax-conections = 1", "2:1: limits.max-conections: unknown key; did you mean max-connections?"),
            (
                "[drain]\nmax-conections = 1",
                "2:1: drain.max-conections: unknown key; did you mean max-connections, which belongs in [limits]?",
            ),
            ("[nosuch]\nmax-connections = 1", "1:2: nosuch: unknown key"),
            ("x = 1", "1:1: x: unknown key"),
            (
                "max-downloads = 1\n[limits]\nmax-downloads = 2",
                "3:1: limits.max-downloads: max-downloads is set twice in this file",
            ),
            (
                "requests-per-second = 1\nlimits.requests-per-second-per-address = 2",
                "2:8: limits.requests-per-second-per-address: requests-per-second-per-address is set twice in this file",
            ),
            ("limits = 1", "1:1: limits: unknown key"),
            ("# ü\nadmin = \"ü\" x", "2:13: "),
            ("open-files = 99999999999999999999", "1:14: open-files: "),
        ] {
            let error = ServeConfig::from_toml(text).unwrap_err().to_string();
            assert!(error.starts_with(expected), "{text}: {error}");
        }
        let far = ServeConfig::from_toml("x = 1").unwrap_err().to_string();
        assert_eq!(far, "1:1: x: unknown key", "nothing is similar");
    }

    #[test]
    fn settings_override_the_file() {
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
    fn every_bad_value_has_a_message_that_says_what_is_expected() {
        const ABOVE: &str = "expected a whole number above 0, found ";
        const WHOLE: &str = "expected a whole number, 0 or above, found ";
        const UP_TO: &str = "expected a whole number up to 4294967295, found ";
        const PATH: &str = "expected a path in quotes, found ";
        let table = [
            ("listen", "\"localhost\"", "\"localhost\" is not an address to listen on"),
            ("listen", "[\"off\"]", "\"off\" is not an address to listen on"),
            ("listen-tls", "8080", "expected an address in quotes, a list of them, or \"off\", found 8080"),
            ("admin", "\"127.0.0.1\"", "\"127.0.0.1\" is not an address to listen on"),
            ("workers", "-1", WHOLE),
            ("trusted-proxies", "\"localhost\"", "\"localhost\" is not a network"),
            ("takeover", "1", PATH),
            ("base-path", "\"update/\"", "\"update/\" is not a base path"),
            ("tls-certificate", "1", PATH),
            ("tls-key", "false", PATH),
            ("client-certificates", "\"maybe\"", "expected \"none\", \"request\" or \"require\", found \"maybe\""),
            ("client-ca", "[]", PATH),
            ("signing-certificate", "1", PATH),
            ("memory-cache", "\"64 Mi\"", "\"64 Mi\" is not a size"),
            ("small-object", "-1", "expected a number of bytes, or a text such as \"64MiB\", found -1"),
            ("small-object", "\"99999999999GiB\"", "\"99999999999GiB\" is too large"),
            ("open-files", "0", ABOVE),
            ("whole-for-stock-client", "\"yes\"", "expected true or false, found \"yes\""),
            ("pointer-hold-seconds", "-1", WHOLE),
            ("retry-after-seconds", "0", ABOVE),
            ("max-connections", "0", ABOVE),
            ("max-connections-per-address", "-1", WHOLE),
            ("requests-per-second-per-address", "\"many\"", WHOLE),
            ("request-burst-per-address", "0", ABOVE),
            ("max-downloads", "-1", WHOLE),
            ("max-downloads-per-address", "4294967296", UP_TO),
            ("max-disk-queue", "1.5", WHOLE),
            ("max-streams", "0", ABOVE),
            ("max-header", "1.5", "expected a number of bytes, or a text such as \"64MiB\", found 1.5"),
            ("max-header-lines", "0", ABOVE),
            ("handshake-seconds", "0", ABOVE),
            ("header-seconds", "\"10s\"", ABOVE),
            ("idle-seconds", "0", ABOVE),
            ("stall-seconds", "99999999999", UP_TO),
            ("min-rate", "-1", "expected a number of bytes per second, or a text such as \"50MiB/s\", found -1"),
            ("min-rate", "\"fast\"", "\"fast\" is not a rate"),
            ("access-log", "\"all\"", "expected \"off\", \"sampled\" or \"full\", found \"all\""),
            ("access-log-sample", "0", ABOVE),
            ("access-log-format", "\"xml\"", "expected \"process\", \"json\" or \"combined\", found \"xml\""),
            ("access-log-file", "1", PATH),
            ("watch-files", "1", "expected true or false, found 1"),
            ("drain-grace-seconds", "99999999999", UP_TO),
            ("drain-deadline-seconds", "-1", WHOLE),
        ];
        for (name, bad, message) in table {
            let key = Key::find(name).unwrap();
            let text = format!("[{}]\n{name} = {bad}", key.section);
            let error = ServeConfig::from_toml(&text).unwrap_err().to_string();
            let expected = format!("2:{}: {}.{name}: {message}", name.len() + 4, key.section);
            assert!(error.starts_with(&expected), "{error}");
        }
        for key in KEYS {
            assert!(table.iter().any(|(name, ..)| *name == key.name), "{} has no row", key.name);
        }
        for (key, bad, message) in [
            ("idle-seconds", "0", "expected a whole number above 0, found 0"),
            ("idle-seconds", "soon", "expected a whole number above 0, found \"soon\""),
            (
                "workers",
                "18446744073709551616",
                "expected a whole number up to 9223372036854775807, found 18446744073709551616",
            ),
            ("max-streams", "4294967296", "expected a whole number up to 4294967295, found 4294967296"),
            ("whole-for-stock-client", "yes", "expected true or false, found \"yes\""),
            ("access-log", "all", "expected \"off\", \"sampled\" or \"full\", found \"all\""),
            ("listen", "here", "\"here\" is not an address to listen on"),
            ("lissten", "1", "unknown key; did you mean listen?"),
        ] {
            let error = ServeConfig::layered("", [(key, bad)]).unwrap_err().to_string();
            assert!(error.starts_with(&format!("{key}: {message}")), "{error}");
        }
    }
}
