//! Listeners: the sockets that clients connect to.
//!
//! A TCP address gets a socket for each worker, so that the kernel distributes connections and no two workers wait on the
//! same one. Sockets opened by systemd or by the previous server are shared by the workers.

use std::net::SocketAddr;
use std::os::fd::{AsFd, AsRawFd as _, OwnedFd};
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
    /// systemd.
    Systemd,
    /// The previous server.
    TakenOver,
}

impl SocketOrigin {
    /// The name in logs.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Own => "own",
            Self::Systemd => "systemd",
            Self::TakenOver => "taken over",
        }
    }
}

impl OpenListener {
    /// The name under which the next server requests it.
    pub(crate) fn name(&self) -> String {
        name(self.key, &self.config)
    }

    /// A socket for a worker: its own, or another handle of a shared one.
    pub(crate) fn socket_for(&self, worker: usize) -> Result<OwnedFd, ServeError> {
        let socket = &self.sockets[worker % self.sockets.len()];
        socket.try_clone().map_err(|source| self.failed(source))
    }

    /// Every address at which clients reach it, with the port that the kernel chose: several sockets of systemd may have
    /// one name.
    pub(crate) fn bound(&self) -> Vec<String> {
        let mut bound: Vec<String> = self.sockets.iter().filter_map(bound_to).collect();
        bound.dedup();
        bound
    }

    fn failed(&self, source: std::io::Error) -> ServeError {
        ServeError::Listen { key: self.key, addr: self.config.addr.clone(), source }
    }
}

fn bound_to(socket: &OwnedFd) -> Option<String> {
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
    } else {
        match &listener.addr {
            ListenAddr::Tcp(address) => (SocketOrigin::Own, open_tcp(*address, workers).map_err(failed)?),
            ListenAddr::Unix(path) => (SocketOrigin::Own, vec![open_unix(path).map_err(failed)?]),
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

fn open_unix(path: &Path) -> Result<OwnedFd, Errno> {
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
    listen(&socket, BACKLOG)?;
    Ok(socket)
}
