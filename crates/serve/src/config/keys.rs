//! Every key, with one line of help: the command line and the environment are made from this list.

/// A key of the configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Key {
    /// As in the file; with two dashes in front it is the option.
    pub name: &'static str,
    /// What its value looks like.
    pub value: &'static str,
    /// What it does, and its default.
    pub help: &'static str,
}

const fn key(name: &'static str, value: &'static str, help: &'static str) -> Key {
    Key { name, value, help }
}

/// In the order of the file.
pub const KEYS: &[Key] = &[
    key("listen", "ADDR,…", "Where clients are accepted without TLS, or \"off\" [default: 0.0.0.0:8080]"),
    key("listen-tls", "ADDR,…", "Where clients are accepted with TLS [default: off]"),
    key("admin", "ADDR,…", "Where metrics and health are answered, or \"off\" [default: 127.0.0.1:8081]"),
    key("workers", "N", "Threads that serve, 0 for one on each core [default: 0]"),
    key("trusted-proxies", "NET,…", "Proxies whose X-Forwarded-For is taken, such as 10.0.0.0/8 [default: none]"),
    key("takeover", "PATH", "A Unix socket where the next server takes over the listening sockets of this one"),
    key("base-path", "PATH", "The path below which the content tree is shown, such as /update [default: the root]"),
    key("tls-certificate", "PEM", "The server's certificate and those that lead to its issuer"),
    key("tls-key", "PEM", "The key of the server's certificate"),
    key("client-certificates", "WHEN", "Ask clients for a certificate: none, request or require [default: none]"),
    key("client-ca", "PEM", "The certificates that issue those of clients"),
    key("signing-certificate", "PEM", "The certificate that endpoints trust; its end is shown as a metric"),
    key("memory-cache", "SIZE", "Memory for small objects [default: 64MiB]"),
    key("small-object", "SIZE", "Objects up to this size are small [default: 64KiB]"),
    key("open-files", "N", "Large objects kept open [default: 1024]"),
    key(
        "whole-for-stock-client",
        "BOOL",
        "Answer range requests of the stock client for fullfiles with the whole [default: true]",
    ),
    key("pointer-hold-seconds", "S", "How long a connection sees the pointers it saw first [default: 10]"),
    key("retry-after-seconds", "S", "What clients are told to wait for what is not here yet [default: 10]"),
    key("max-connections", "N", "Connections at the same time [default: 8192]"),
    key("max-connections-per-address", "N", "Connections from one address, 0 for no limit [default: 1024]"),
    key("requests-per-second", "N", "Requests in a second from one address, 0 for no limit [default: 0]"),
    key("request-burst", "N", "Requests that may come at once above that [default: 200]"),
    key("max-downloads", "N", "Large objects on their way at the same time, 0 for no limit [default: 0]"),
    key("max-downloads-per-address", "N", "Large objects on their way to one address, 0 for no limit [default: 64]"),
    key("max-disk-queue", "N", "Requests that may wait for the disk [default: 1024]"),
    key("max-streams", "N", "Streams at the same time on one HTTP/2 connection [default: 100]"),
    key("max-header", "SIZE", "The largest header of a request, at least 8KiB [default: 16KiB]"),
    key("max-header-lines", "N", "Lines in the header of a request [default: 64]"),
    key("handshake-seconds", "S", "Time for a TLS handshake [default: 10]"),
    key("header-seconds", "S", "Time for the header of a request [default: 10]"),
    key("idle-seconds", "S", "How long a connection may rest between requests [default: 75]"),
    key("stall-seconds", "S", "How long a client may take too few bytes of an answer [default: 120]"),
    key(
        "min-rate",
        "RATE",
        "Bytes per second below which they are too few, such as 4KiB/s; with 0 one byte is enough [default: 256B/s]",
    ),
    key("access-log", "WHICH", "Which requests are logged: off, sampled or full [default: sampled]"),
    key("access-log-sample", "N", "With a sampled access log, one request in so many [default: 100]"),
    key("access-log-format", "FORMAT", "How its lines look: process, json or combined [default: process]"),
    key("access-log-file", "FILE", "Where they go [default: the log of the process]"),
    key("watch-files", "BOOL", "Take over changes of the configuration and of certificates [default: true]"),
    key(
        "drain-grace-seconds",
        "S",
        "At the end, how long requests are still accepted while load balancers notice [default: 5]",
    ),
    key(
        "drain-deadline-seconds",
        "S",
        "At the end, how long requests may still run once no more are accepted [default: 60]",
    ),
];
