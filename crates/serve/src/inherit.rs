//! Listening sockets opened by systemd (sd_listen_fds(3)) or by the previous server.

use std::collections::HashMap;
use std::ops::Range;
use std::os::fd::{FromRawFd as _, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering};

/// The first descriptor that systemd passes.
const FIRST: i32 = 3;

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
