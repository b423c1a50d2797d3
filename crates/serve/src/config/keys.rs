//! Every key, once: its section in the file, its option, what its value may be, and one line of help.
//!
//! The file, the command line, the environment and the help follow this table; tests compare it with [`ServeConfig`] and
//! with `config/serve.toml`. To add a key: a field of [`ServeConfig`] with its default, a row here, and its lines in
//! `config/serve.toml`.

use super::ServeConfig;
use super::kind::ValueKind::{
    self, AccessLog, Address, Boolean, ClientCertificates, LogFormat, Number, Path, Rate, Size,
};
use super::kind::ValueKind::{NetworkList, UrlPath};

/// A key of the configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Key {
    /// The section of the file: `limits` is `[limits]`.
    pub section: &'static str,
    /// As in the file.
    pub name: &'static str,
    /// What the help shows instead of a value.
    pub placeholder: &'static str,
    /// What its value may be.
    pub kind: ValueKind,
    /// What it does.
    pub help: &'static str,
    /// What applies without a value, for keys whose default is none.
    unset: Option<&'static str>,
    /// An earlier name, still accepted.
    pub old_name: Option<&'static str>,
    /// Read only at the start: a reload cannot change it.
    pub needs_restart: bool,
}

const fn key(
    section: &'static str,
    name: &'static str,
    placeholder: &'static str,
    kind: ValueKind,
    help: &'static str,
) -> Key {
    Key { section, name, placeholder, kind, help, unset: None, old_name: None, needs_restart: false }
}

impl Key {
    const fn unset(self, unset: &'static str) -> Self {
        Self { unset: Some(unset), ..self }
    }

    const fn formerly(self, old_name: &'static str) -> Self {
        Self { old_name: Some(old_name), ..self }
    }

    const fn needs_restart(self) -> Self {
        Self { needs_restart: true, ..self }
    }

    /// The key with this name, or this earlier name.
    pub(crate) fn find(name: &str) -> Option<&'static Self> {
        KEYS.iter().find(|key| key.name == name || key.old_name == Some(name))
    }

    /// The option of the command line, without dashes. Options say "cert", as for all commands, where keys of files say
    /// "certificate".
    pub fn option(&self) -> String {
        self.name.replace("certificate", "cert")
    }

    /// The variable of the environment for the key or an earlier name of it.
    pub fn variable(name: &str) -> String {
        format!("CLEARWELL_SERVE_{}", name.replace('-', "_").to_uppercase())
    }

    /// Its default, or what applies without a value; `None` for a key that is not set.
    pub fn default(&self) -> Option<String> {
        let default = ServeConfig::default().value(self.name).map(|value| match value {
            toml::Value::String(text) => text,
            other => other.to_string(),
        });
        self.unset.map(str::to_owned).or(default)
    }

    /// What it does, with its default.
    pub fn help_with_default(&self) -> String {
        match self.default() {
            Some(default) => format!("{} [default: {default}]", self.help),
            None => self.help.to_owned(),
        }
    }
}

/// At least one, as far as 32 bits go.
const COUNT: ValueKind = Number { least: 1, most: u32::MAX as i64 };
/// Zero has a meaning too.
const COUNT_OR_ZERO: ValueKind = Number { least: 0, most: u32::MAX as i64 };
const LARGE_COUNT: ValueKind = Number { least: 1, most: i64::MAX };
const LARGE_COUNT_OR_ZERO: ValueKind = Number { least: 0, most: i64::MAX };

/// In the order of the file.
pub const KEYS: &[Key] = &[
    key("addresses", "listen", "ADDR,…", Address, "Addresses for clients without TLS, or \"off\"").needs_restart(),
    key("addresses", "listen-tls", "ADDR,…", Address, "Addresses for clients with TLS, or \"off\"").needs_restart(),
    key("addresses", "admin", "ADDR,…", Address, "Addresses for metrics and health checks, or \"off\"").needs_restart(),
    key("addresses", "workers", "N", LARGE_COUNT_OR_ZERO, "Worker threads, 0 for one per core").needs_restart(),
    key(
        "addresses",
        "trusted-proxies",
        "NET,…",
        NetworkList,
        "Networks of proxies whose X-Forwarded-For is trusted, such as 10.0.0.0/8",
    )
    .unset("none"),
    key(
        "addresses",
        "takeover",
        "PATH",
        Path,
        "A Unix socket where the next server takes over the listening sockets of this one",
    )
    .needs_restart(),
    key("addresses", "base-path", "PATH", UrlPath, "The path below which the content tree is served, such as /update")
        .unset("the root")
        .needs_restart(),
    key("tls", "tls-certificate", "PEM", Path, "The server's certificate, followed by its intermediates"),
    key("tls", "tls-key", "PEM", Path, "The key of the server's certificate"),
    key(
        "tls",
        "client-certificates",
        "WHEN",
        ClientCertificates,
        "Ask clients for a certificate: none, request or require",
    ),
    key("tls", "client-ca", "PEM", Path, "CA certificates that verify client certificates"),
    key(
        "tls",
        "signing-certificate",
        "PEM",
        Path,
        "The certificate that endpoints trust; its expiry is exported as a metric",
    ),
    key("cache", "memory-cache", "SIZE", Size, "Memory for small objects").needs_restart(),
    key("cache", "small-object", "SIZE", Size, "Maximum size of a small object").needs_restart(),
    key("cache", "open-files", "N", LARGE_COUNT, "Number of large objects kept open").needs_restart(),
    key(
        "answers",
        "whole-for-stock-client",
        "BOOL",
        Boolean,
        "Answer range requests of the stock client for fullfiles with the whole file",
    ),
    key(
        "answers",
        "pointer-hold-seconds",
        "S",
        COUNT_OR_ZERO,
        "How long a connection keeps the pointers that it read first",
    ),
    key("answers", "retry-after-seconds", "S", COUNT, "Retry-After of responses for content that is not available yet"),
    key("limits", "max-connections", "N", LARGE_COUNT, "Concurrent connections"),
    key(
        "limits",
        "max-connections-per-address",
        "N",
        COUNT_OR_ZERO,
        "Concurrent connections from one address, 0 for no limit",
    ),
    key(
        "limits",
        "requests-per-second-per-address",
        "N",
        COUNT_OR_ZERO,
        "Requests per second from one address, 0 for no limit",
    )
    .formerly("requests-per-second"),
    key(
        "limits",
        "request-burst-per-address",
        "N",
        COUNT,
        "Requests from one address accepted at once above that rate",
    )
    .formerly("request-burst"),
    key("limits", "max-downloads", "N", COUNT_OR_ZERO, "Concurrent downloads of large objects, 0 for no limit"),
    key(
        "limits",
        "max-downloads-per-address",
        "N",
        COUNT_OR_ZERO,
        "Concurrent downloads of large objects to one address, 0 for no limit",
    ),
    key("limits", "max-disk-queue", "N", LARGE_COUNT_OR_ZERO, "Requests that may wait for the disk"),
    key("limits", "max-streams", "N", COUNT, "Concurrent streams on one HTTP/2 connection"),
    key("limits", "max-header", "SIZE", Size, "The largest header of a request, at least 8KiB"),
    key("limits", "max-header-lines", "N", LARGE_COUNT, "Maximum number of lines in the header of a request"),
    key("limits", "handshake-seconds", "S", COUNT, "Time for a TLS handshake"),
    key("limits", "header-seconds", "S", COUNT, "Time for the header of a request"),
    key("limits", "idle-seconds", "S", COUNT, "How long a connection may be idle between requests"),
    key("limits", "stall-seconds", "S", COUNT, "How long a client may read a response more slowly than min-rate"),
    key(
        "limits",
        "min-rate",
        "RATE",
        Rate,
        "Bytes per second below which a client is too slow, such as 4KiB/s; with 0 one byte is enough",
    ),
    key("log", "access-log", "WHICH", AccessLog, "Which requests are logged: off, sampled or full"),
    key("log", "access-log-sample", "N", COUNT, "With a sampled access log, one request in N is logged"),
    key("log", "access-log-format", "FORMAT", LogFormat, "The format of the access log: process, json or combined"),
    key("log", "access-log-file", "FILE", Path, "The file of the access log").unset("the process log"),
    key(
        "reload",
        "watch-files",
        "BOOL",
        Boolean,
        "Reload the configuration and the certificates when their files change",
    ),
    key(
        "drain",
        "drain-grace-seconds",
        "S",
        COUNT_OR_ZERO,
        "After SIGTERM, how long requests are still accepted while load balancers notice",
    ),
    key(
        "drain",
        "drain-deadline-seconds",
        "S",
        COUNT_OR_ZERO,
        "After the grace period, how long running requests may take",
    ),
];
