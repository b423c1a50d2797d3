//! Listening sockets from outside: from systemd (sd_listen_fds(3)) or from the running server.
//!
//! ```text
//! of a socket unit       found by its name (`systemd:NAME`) or by its address
//! kept by systemd        opened by an earlier process of the service, which gave systemd a copy (FDSTORE=1); by address
//! of the running server  by the key and the address of its listener
//! ```

use std::collections::HashMap;
use std::ops::Range;
use std::os::fd::{AsFd as _, FromRawFd as _, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering};

use crate::config::ListenAddr;
use crate::listener::{SocketOrigin, is_bound_to};

/// The first descriptor that systemd passes.
const FIRST: i32 = 3;
/// The name (FDNAME=) of listening sockets that systemd keeps for the next process of the service.
pub const KEPT: &str = "clearwell-listener";

/// Inherited sockets.
#[derive(Debug, Default)]
pub(crate) struct Inherited {
    systemd: HashMap<String, Vec<OwnedFd>>,
    before: HashMap<String, Vec<OwnedFd>>,
}

impl Inherited {
    /// The sockets that systemd passed to this process. The first call returns them; later calls return none.
    pub(crate) fn from_systemd() -> Self {
        static TAKEN: AtomicBool = AtomicBool::new(false);
        let variable = |name: &str| std::env::var(name).ok();
        let is_ours = variable("LISTEN_PID").and_then(|pid| pid.parse().ok()) == Some(std::process::id());
        let count: i32 = variable("LISTEN_FDS").filter(|_| is_ours).and_then(|count| count.parse().ok()).unwrap_or(0);
        Self::take(FIRST..FIRST.saturating_add(count), &variable("LISTEN_FDNAMES").unwrap_or_default(), &TAKEN)
    }

    /// Takes the descriptors with these numbers, as far as they are open; nothing if that was done before.
    fn take(numbers: Range<i32>, names: &str, taken: &AtomicBool) -> Self {
        let mut systemd: HashMap<String, Vec<OwnedFd>> = HashMap::new();
        if taken.swap(true, Ordering::SeqCst) {
            return Self::default();
        }
        let mut names = names.split(':');
        for number in numbers {
            let name = names.next().filter(|name| !name.is_empty()).unwrap_or("unknown");
            if let Some(socket) = own(number) {
                systemd.entry(name.to_owned()).or_default().push(socket);
            }
        }
        Self { systemd, before: HashMap::new() }
    }

    /// Adds the sockets of the previous server.
    pub(crate) fn add(&mut self, name: String, socket: OwnedFd) {
        self.before.entry(name).or_default().push(socket);
    }

    pub(crate) fn of_systemd(&mut self, name: &str) -> Vec<OwnedFd> {
        self.systemd.remove(name).unwrap_or_default()
    }

    /// The sockets that listen on `address`, whatever their name, and where they come from.
    pub(crate) fn bound_to(&mut self, address: &ListenAddr) -> Option<(SocketOrigin, Vec<OwnedFd>)> {
        // A socket unit first: if systemd kept a copy of its socket, that is another handle of the same.
        let mut names: Vec<String> = self.systemd.keys().cloned().collect();
        names.sort_by_key(|name| name == KEPT);
        names.iter().find_map(|name| {
            let sockets = self.systemd.get_mut(name)?;
            let found: Vec<OwnedFd> = sockets.extract_if(.., |socket| is_bound_to(socket, address)).collect();
            let origin = if name == KEPT { SocketOrigin::Kept } else { SocketOrigin::Systemd };
            (!found.is_empty()).then_some((origin, found))
        })
    }

    /// Closes kept sockets at other addresses than these: an earlier configuration named them, and 0.0.0.0:80 would still
    /// occupy 127.0.0.1:80.
    pub(crate) fn close_kept_except<'a>(&mut self, addresses: impl Iterator<Item = &'a ListenAddr> + Clone) {
        if let Some(kept) = self.systemd.get_mut(KEPT) {
            kept.retain(|socket| addresses.clone().any(|address| is_bound_to(socket, address)));
        }
    }

    /// Warns of sockets of socket units that no listener uses: clients would connect to them and wait.
    pub(crate) fn warn_of_unused(&self) {
        for (name, sockets) in self.systemd.iter().filter(|(name, _)| *name != KEPT) {
            for address in sockets.iter().filter_map(|socket| crate::listener::bound_to(socket.as_fd())) {
                tracing::warn!(
                    name,
                    address,
                    "systemd passed a socket that no listener uses; set listen to its address or to systemd:NAME"
                );
            }
        }
    }

    pub(crate) fn take_over(&mut self, name: &str) -> Vec<OwnedFd> {
        self.before.remove(name).unwrap_or_default()
    }
}

/// The descriptor with this number, if it is open; made close-on-exec.
#[expect(unsafe_code, reason = "systemd passes numbers, and whether they are open only the system knows")]
fn own(number: i32) -> Option<OwnedFd> {
    // SAFETY: the call accepts any number and fails for one that is not open.
    let is_open = unsafe { libc::fcntl(number, libc::F_SETFD, libc::FD_CLOEXEC) } != -1;
    // SAFETY: it is open, systemd opened it for this process, as LISTEN_PID says, and it is taken only once.
    is_open.then(|| unsafe { OwnedFd::from_raw_fd(number) })
}

#[cfg(test)]
mod tests {
    use std::os::fd::{AsRawFd as _, IntoRawFd as _};

    use super::*;

    #[test]
    fn only_what_is_open_is_taken_and_only_once() {
        let (one, _other) = std::os::unix::net::UnixStream::pair().unwrap();
        // A number far from those that concurrent tests open and close; the next one is free.
        let number = rustix::io::fcntl_dupfd_cloexec(&one, 700).unwrap().into_raw_fd();
        let taken = AtomicBool::new(false);
        let mut inherited = Inherited::take(number..number + 2, "http:admin", &taken);
        assert_eq!(inherited.of_systemd("http").iter().map(|fd| fd.as_raw_fd()).collect::<Vec<_>>(), [number]);
        assert!(inherited.of_systemd("admin").is_empty());
        let again = rustix::io::fcntl_dupfd_cloexec(&one, 700).unwrap();
        let mut second = Inherited::take(again.as_raw_fd()..again.as_raw_fd() + 1, "http", &taken);
        assert!(second.of_systemd("http").is_empty());
    }
}
