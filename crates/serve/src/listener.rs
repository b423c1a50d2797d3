//! Listeners: the sockets that clients connect to.
//!
//! A TCP address gets a socket for each worker, so that the kernel distributes connections and no two workers wait on the
//! same one. If there are fewer sockets than workers, as from a socket unit of systemd, workers share them.
//!
//! Always true: each socket has a worker that accepts from it, whoever opened it and however many there are.

use std::net::SocketAddr;
use std::os::fd::{AsFd, AsRawFd as _, BorrowedFd, OwnedFd};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::Arc;

use arc_swap::ArcSwap;
use clearwell_metrics::ListenerKind;
use rustix::io::Errno;
use rustix::net::sockopt::{set_socket_reuseaddr, set_socket_reuseport, set_tcp_nodelay};
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, bind, getsockname, listen, socket_with};

use crate::config::{Listen, ListenAddr, Listener};
use crate::error::ServeError;
use crate::inherit::Inherited;

/// The backlog; the kernel's limit may be lower.
const BACKLOG: i32 = 4096;

/// Properties of the listener that a connection needs.
#[derive(Debug)]
pub(crate) struct ListenerSettings {
    pub(crate) proxy_protocol: bool,
    /// The current certificate.
    pub(crate) tls: Option<Arc<ArcSwap<rustls::ServerConfig>>>,
}

impl ListenerSettings {
    pub(crate) const fn kind(&self) -> ListenerKind {
        if self.tls.is_some() { ListenerKind::Tls } else { ListenerKind::Cleartext }
    }
}

/// An open listener.
#[derive(Debug)]
pub(crate) struct OpenListener {
    /// The key of the configuration that names it.
    pub(crate) key: &'static str,
    pub(crate) config: Listener,
    pub(crate) sockets: Vec<OwnedFd>,
    pub(crate) origin: SocketOrigin,
    /// Its address; `None` for a Unix socket.
    pub(crate) address: Option<SocketAddr>,
}

/// Who opened the sockets of a listener.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SocketOrigin {
    /// This server.
    Own,
    /// A socket unit of systemd.
    Systemd,
    /// An earlier process of this service; systemd kept them.
    Kept,
    /// The previous server.
    TakenOver,
}

impl SocketOrigin {
    /// The name in logs.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Own => "own",
            Self::Systemd => "systemd",
            Self::Kept => "kept by systemd",
            Self::TakenOver => "taken over",
        }
    }
}

impl OpenListener {
    /// The name under which the next server requests it.
    pub(crate) fn name(&self) -> String {
        name(self.key, &self.config)
    }

    /// Handles of the sockets from which a worker accepts: at each address its share, or one that it shares with others.
    pub(crate) fn sockets_for(&self, worker: usize, workers: usize) -> Result<Vec<OwnedFd>, ServeError> {
        let mut addresses: Vec<(Option<String>, Vec<&OwnedFd>)> = Vec::new();
        for socket in &self.sockets {
            let bound = bound_to(socket.as_fd());
            match addresses.iter_mut().find(|(address, _)| *address == bound) {
                Some((_, sockets)) => sockets.push(socket),
                None => addresses.push((bound, vec![socket])),
            }
        }
        let share = addresses.iter().flat_map(|(_, sockets)| {
            let count = sockets.len();
            let is_share = move |at: usize| if count < workers { at == worker % count } else { at % workers == worker };
            sockets.iter().enumerate().filter(move |(at, _)| is_share(*at)).map(|(_, socket)| *socket)
        });
        share.map(|socket| self.handle(socket)).collect()
    }

    /// Handles of all sockets.
    pub(crate) fn handles(&self) -> Result<Vec<OwnedFd>, ServeError> {
        self.sockets.iter().map(|socket| self.handle(socket)).collect()
    }

    /// Every address at which clients reach it, with the port that the kernel chose: several sockets of systemd may have
    /// one name.
    pub(crate) fn bound(&self) -> Vec<String> {
        let mut bound: Vec<String> = self.sockets.iter().filter_map(|socket| bound_to(socket.as_fd())).collect();
        bound.dedup();
        bound
    }

    fn handle(&self, socket: &OwnedFd) -> Result<OwnedFd, ServeError> {
        socket.try_clone().map_err(|source| self.failed(source))
    }

    fn failed(&self, source: std::io::Error) -> ServeError {
        ServeError::Listen { key: self.key, addr: self.config.addr.clone(), source }
    }
}

/// Whether a socket listens on `address`: on the same IP address and port, or at the same path, if that still exists.
pub(crate) fn is_bound_to(socket: &OwnedFd, address: &ListenAddr) -> bool {
    let Ok(bound) = getsockname(socket) else { return false };
    match address {
        ListenAddr::Tcp(address) => SocketAddr::try_from(bound) == Ok(*address),
        ListenAddr::Unix(path) => {
            let bound = SocketAddrUnix::try_from(bound).ok();
            bound.is_some_and(|bound| bound.path_bytes() == Some(path.as_os_str().as_encoded_bytes())) && path.exists()
        }
        ListenAddr::Systemd(_) => false,
    }
}

/// The address of a socket as logs show it.
pub(crate) fn bound_to(socket: BorrowedFd<'_>) -> Option<String> {
    let address = getsockname(socket).ok()?;
    if let Ok(address) = SocketAddr::try_from(address.clone()) {
        return Some(address.to_string());
    }
    let address = SocketAddrUnix::try_from(address).ok()?;
    match address.abstract_name() {
        Some(name) => Some(format!("unix:@{}", String::from_utf8_lossy(name))),
        None => Some(format!("unix:{}", address.path()?.to_string_lossy())),
    }
}

fn name(key: &str, listener: &Listener) -> String {
    format!("{key} {}", listener.addr)
}

/// Checks without listening that an address belongs to this machine and may be bound. An address in use passes.
pub(crate) fn probe(key: &'static str, listener: &Listener) -> Result<(), ServeError> {
    let ListenAddr::Tcp(address) = listener.addr else { return Ok(()) };
    match bind_tcp(address, false) {
        Ok(_) | Err(Errno::ADDRINUSE) => Ok(()),
        Err(error) => Err(ServeError::Listen { key, addr: listener.addr.clone(), source: error.into() }),
    }
}

/// Opens every listener of a key; `workers` sockets each, where that is possible.
pub(crate) fn open_all(
    key: &'static str,
    listeners: &Listen,
    workers: usize,
    inherited: &mut Inherited,
) -> Result<Vec<OpenListener>, ServeError> {
    listeners.listeners().iter().map(|listener| open(key, listener, workers, inherited)).collect()
}

fn open(
    key: &'static str,
    listener: &Listener,
    workers: usize,
    inherited: &mut Inherited,
) -> Result<OpenListener, ServeError> {
    let failed = |error: Errno| ServeError::Listen { key, addr: listener.addr.clone(), source: error.into() };
    let taken_over = inherited.take_over(&name(key, listener));
    let (origin, sockets) = if !taken_over.is_empty() {
        (SocketOrigin::TakenOver, taken_over)
    } else if let Some(passed) = inherited.bound_to(&listener.addr) {
        passed
    } else {
        match &listener.addr {
            ListenAddr::Tcp(address) => (SocketOrigin::Own, open_tcp(*address, workers).map_err(failed)?),
            ListenAddr::Unix(path) => (SocketOrigin::Own, vec![open_unix(path, key).map_err(failed)?]),
            ListenAddr::Systemd(name) => {
                let sockets = inherited.of_systemd(name);
                if sockets.is_empty() {
                    return Err(ServeError::NoSystemdSocket { key, name: name.clone() });
                }
                (SocketOrigin::Systemd, sockets)
            }
        }
    };
    let address = getsockname(&sockets[0]).ok().and_then(|address| SocketAddr::try_from(address).ok());
    for socket in &sockets {
        rustix::io::ioctl_fionbio(socket, true).map_err(failed)?;
        if address.is_some() {
            // Connections inherit it, which saves a system call for each.
            set_tcp_nodelay(socket, true).map_err(failed)?;
            wake_with_first_bytes(socket);
        }
    }
    Ok(OpenListener { key, config: listener.clone(), sockets, origin, address })
}

/// Asks the kernel to deliver connections once their first bytes have arrived: the first read then never waits. A silent
/// connection is delivered one second later.
#[expect(unsafe_code, reason = "rustix does not have TCP_DEFER_ACCEPT")]
fn wake_with_first_bytes(socket: &OwnedFd) {
    let seconds: libc::c_int = 1;
    let length = size_of_val(&seconds) as libc::socklen_t;
    // SAFETY: the descriptor is open, and the option is a `c_int` of `length` bytes that outlives the call. A system that
    // does not know the option refuses it, which is harmless.
    unsafe {
        let option = std::ptr::from_ref(&seconds).cast();
        libc::setsockopt(socket.as_raw_fd(), libc::IPPROTO_TCP, libc::TCP_DEFER_ACCEPT, option, length);
    }
}

fn open_tcp(address: SocketAddr, workers: usize) -> Result<Vec<OwnedFd>, Errno> {
    // First without SO_REUSEPORT: with it, an address of another server would be shared silently.
    let alone = bind_tcp(address, false)?;
    let sockets = if workers == 1 {
        vec![alone]
    } else {
        let bound = getsockname(&alone).ok().and_then(|bound| SocketAddr::try_from(bound).ok()).unwrap_or(address);
        drop(alone);
        (0..workers).map(|_| bind_tcp(bound, true)).collect::<Result<_, _>>()?
    };
    sockets.iter().try_for_each(|socket| listen(socket.as_fd(), BACKLOG))?;
    Ok(sockets)
}

fn bind_tcp(address: SocketAddr, is_shared: bool) -> Result<OwnedFd, Errno> {
    let family = if address.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    let socket = socket_with(family, SocketType::STREAM, SocketFlags::CLOEXEC | SocketFlags::NONBLOCK, None)?;
    set_socket_reuseaddr(&socket, true)?;
    if is_shared {
        set_socket_reuseport(&socket, true)?;
    }
    bind(&socket, &address)?;
    Ok(socket)
}

/// Clients' sockets may be used by every local user, as a port of the loopback may: a proxy is another user. The folder can
/// restrict that.
const CLIENT_SOCKET_MODE: u32 = 0o666;

fn open_unix(path: &Path, key: &str) -> Result<OwnedFd, Errno> {
    let address = SocketAddrUnix::new(path)?;
    let socket =
        socket_with(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC | SocketFlags::NONBLOCK, None)?;
    match bind(&socket, &address) {
        // A server that has ended leaves its path behind; one that answers is running.
        Err(Errno::ADDRINUSE) if UnixStream::connect(path).is_err() => {
            rustix::fs::unlink(path)?;
            bind(&socket, &address)?;
        }
        bound => bound?,
    }
    if key != "admin" {
        let mode = std::fs::Permissions::from_mode(CLIENT_SOCKET_MODE);
        std::fs::set_permissions(path, mode).map_err(|error| Errno::from_io_error(&error).unwrap_or(Errno::ACCESS))?;
    }
    listen(&socket, BACKLOG)?;
    Ok(socket)
}
