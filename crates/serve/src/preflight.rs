//! Checks of a configuration before anything is opened: at every start, and for `--check-config`, which opens nothing.
//!
//! Always true: nothing is created, changed or connected to. Conditions that can change until the start, such as an address that
//! the previous server still uses, are left to the start.

use std::ffi::OsString;
use std::fs::{self, OpenOptions};
use std::io;
use std::net::SocketAddr;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{FileTypeExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::{Access, access};

use crate::config::{AccessLog, ClientCertificates, ListenAddr, Listener, LogFormat, ServeConfig};
use crate::error::ServeError;
use crate::listener;

/// More threads than this are a typing error on any machine.
const MAX_WORKERS: usize = 1024;
/// The most header lines that the HTTP libraries accept.
const MAX_HEADER_LINES: usize = 10_000;
/// The largest header limit, in bytes.
const MAX_HEADER_BYTES: u64 = 1 << 24;
/// The limiter keeps the time per request in whole nanoseconds; above this rate they get too coarse.
const MAX_REQUESTS_PER_SECOND: u32 = 1_000_000;
/// The longest path of a Unix socket, in bytes (`sun_path` but for its end).
const SOCKET_PATH_BYTES: usize = 107;

/// Refuses values that no start could use.
pub(crate) fn judge(config: &ServeConfig) -> Result<(), ServeError> {
    if config.listen.is_off() && config.listen_tls.is_off() {
        return Err(ServeError::NoListener);
    }
    numbers(config)?;
    if config.access_log != AccessLog::Off
        && config.access_log_format != LogFormat::Process
        && config.access_log_file.is_none()
    {
        return Err(ServeError::Missing { missing: "access-log-file", needed_by: "access-log-format" });
    }
    let listeners: Vec<(&'static str, &Listener)> =
        [("listen", &config.listen), ("listen-tls", &config.listen_tls), ("admin", &config.admin)]
            .into_iter()
            .flat_map(|(key, listen)| listen.listeners().iter().map(move |listener| (key, listener)))
            .collect();
    for (at, (key, listener)) in listeners.iter().enumerate() {
        options(key, listener)?;
        if let ListenAddr::Unix(path) = &listener.addr {
            socket_path(key, path, path.as_os_str().len())?;
        }
        if let Some((other, _)) = listeners[..at].iter().find(|(_, before)| overlap(&before.addr, &listener.addr)) {
            return Err(unusable(
                key,
                &listener.addr,
                format!("overlaps with an address of {other}; use different ones"),
            ));
        }
    }
    if config.client_certificates != ClientCertificates::None && config.listen_tls.is_off() {
        let reason = "has no effect while listen-tls is off; set listen-tls, or client-certificates to \"none\"";
        let value = match config.client_certificates {
            ClientCertificates::Require => "require",
            ClientCertificates::Request | ClientCertificates::None => "request",
        };
        return Err(unusable("client-certificates", value, reason));
    }
    if let Some(path) = &config.takeover {
        // The socket is first created next to its path.
        socket_path("takeover", path, path.with_extension("new").as_os_str().len())?;
        if let Some((key, _)) = listeners.iter().find(|(_, listener)| listener.addr == ListenAddr::Unix(path.clone())) {
            return Err(unusable(
                "takeover",
                path.display(),
                format!("is an address of {key} too; use different ones"),
            ));
        }
    }
    Ok(())
}

/// The same, and the errors that a start would meet when it opens its addresses and its access log. No socket listens,
/// and no file is created.
pub(crate) fn judge_all(config: &ServeConfig) -> Result<(), ServeError> {
    judge(config)?;
    for (key, listen) in [("listen", &config.listen), ("listen-tls", &config.listen_tls), ("admin", &config.admin)] {
        listen.listeners().iter().try_for_each(|listener| listener::probe(key, listener))?;
    }
    access_log(config)
}

fn unusable(key: &'static str, value: impl ToString, reason: impl Into<String>) -> ServeError {
    ServeError::Unusable { key, value: value.to_string(), reason: reason.into() }
}

fn numbers(config: &ServeConfig) -> Result<(), ServeError> {
    let most = |key, number: u64, most: u64, remedy: &str| {
        if number <= most { Ok(()) } else { Err(unusable(key, number, format!("is more than {most}{remedy}"))) }
    };
    most("workers", config.workers as u64, MAX_WORKERS as u64, "; 0 means one per core")?;
    most(
        "max-header-lines",
        config.max_header_lines.get() as u64,
        MAX_HEADER_LINES as u64,
        ", more than any client has",
    )?;
    most("max-header", config.max_header.bytes(), MAX_HEADER_BYTES, " bytes, more than any client has")?;
    let rate = MAX_REQUESTS_PER_SECOND.into();
    most("requests-per-second-per-address", config.requests_per_second_per_address.into(), rate, "; 0 means no limit")?;
    let (small, cache) = (config.small_object, config.memory_cache);
    if cache.bytes() > 0 && small > cache {
        return Err(unusable(
            "small-object",
            small,
            format!("is more than memory-cache ({cache}), so nothing would be cached"),
        ));
    }
    Ok(())
}

/// Refuses options that have no effect at their address: their author expects one.
fn options(key: &'static str, listener: &Listener) -> Result<(), ServeError> {
    if listener.client_certificates.is_some() && key != "listen-tls" {
        return Err(unusable(
            key,
            listener,
            "requests client certificates without TLS; move the address to listen-tls",
        ));
    }
    if listener.proxy_protocol && key == "admin" {
        return Err(unusable(
            key,
            listener,
            "uses proxy-protocol, which the admin address does not support; remove it",
        ));
    }
    Ok(())
}

/// True if a server cannot listen on both.
fn overlap(one: &ListenAddr, other: &ListenAddr) -> bool {
    match (one, other) {
        (ListenAddr::Tcp(one), ListenAddr::Tcp(other)) => {
            let is_any = |address: &SocketAddr| address.ip().is_unspecified() && address.is_ipv4() == one.is_ipv4();
            let is_same =
                one.ip() == other.ip() || (one.is_ipv4() == other.is_ipv4() && (is_any(one) || is_any(other)));
            one.port() != 0 && one.port() == other.port() && is_same
        }
        _ => one == other,
    }
}

/// The path of a socket: in a writable folder, and either free or that of an earlier socket.
fn socket_path(key: &'static str, path: &Path, length: usize) -> Result<(), ServeError> {
    let refused = |reason: String| Err(unusable(key, path.display(), reason));
    if length > SOCKET_PATH_BYTES {
        return refused(format!("is too long for a socket; the system allows {SOCKET_PATH_BYTES} bytes"));
    }
    if path.as_os_str().as_bytes().contains(&0) || path.file_name().is_none() {
        return refused("is not the path of a file; give the path of the socket".to_owned());
    }
    match fs::symlink_metadata(path) {
        Ok(metadata) if metadata.is_dir() => return refused("is a folder; give the path of a file in it".to_owned()),
        Ok(metadata) if !metadata.file_type().is_socket() => {
            return refused("exists and is not a socket; use another path, or remove the file".to_owned());
        }
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return refused(format!("cannot be used: {error}")),
    }
    match writable(&folder_of(path)) {
        Ok(()) => Ok(()),
        Err(error) => refused(format!("cannot be created in its folder: {error}")),
    }
}

/// The error that opening the access log would give.
fn access_log(config: &ServeConfig) -> Result<(), ServeError> {
    let (AccessLog::Sampled | AccessLog::Full, Some(path)) = (config.access_log, &config.access_log_file) else {
        return Ok(());
    };
    // Nothing is written; without O_NONBLOCK a pipe would wait for its reader.
    let opened = OpenOptions::new().append(true).custom_flags(libc::O_NONBLOCK).open(path);
    let found = match opened {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => writable(&folder_of(path)),
        Err(error) => Err(error),
    };
    found.map_err(|source| ServeError::AccessLog { path: path.clone(), source })
}

fn folder_of(path: &Path) -> PathBuf {
    match path.parent() {
        Some(folder) if folder != Path::new("") => folder.to_owned(),
        _ => PathBuf::from(OsString::from(".")),
    }
}

fn writable(folder: &Path) -> io::Result<()> {
    Ok(access(folder, Access::WRITE_OK | Access::EXEC_OK)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_that_overlap() {
        let addr = |text: &str| text.parse::<ListenAddr>().unwrap();
        for (one, other, expected) in [
            ("127.0.0.1:80", "127.0.0.1:80", true),
            ("127.0.0.1:80", "127.0.0.1:81", false),
            ("127.0.0.1:0", "127.0.0.1:0", false),
            ("0.0.0.0:80", "127.0.0.1:80", true),
            ("127.0.0.1:80", "0.0.0.0:80", true),
            ("127.0.0.1:80", "127.0.0.2:80", false),
            ("[::]:80", "[::1]:80", true),
            ("unix:/a", "unix:/a", true),
            ("unix:/a", "unix:/b", false),
            ("systemd:a", "systemd:a", true),
            ("unix:/a", "127.0.0.1:80", false),
        ] {
            assert_eq!(overlap(&addr(one), &addr(other)), expected, "{one} {other}");
        }
    }
}
