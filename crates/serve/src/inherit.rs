//! Listening sockets that somebody else opened: systemd (sd_listen_fds(3)), or the server that ran before.

use std::collections::HashMap;
use std::os::fd::{FromRawFd as _, OwnedFd};

/// The first descriptor that systemd passes.
const FIRST: i32 = 3;

/// Sockets that may be taken.
#[derive(Debug, Default)]
pub(crate) struct Inherited {
    systemd: HashMap<String, Vec<OwnedFd>>,
    before: HashMap<String, Vec<OwnedFd>>,
}

impl Inherited {
    /// What systemd passed to this process, if it did; to be asked once.
    #[expect(unsafe_code, reason = "a number in an environment variable becomes a descriptor")]
    pub(crate) fn from_systemd() -> Self {
        let variable = |name: &str| std::env::var(name).ok();
        let is_ours = variable("LISTEN_PID").and_then(|pid| pid.parse().ok()) == Some(std::process::id());
        let count: i32 = variable("LISTEN_FDS").filter(|_| is_ours).and_then(|count| count.parse().ok()).unwrap_or(0);
        let names = variable("LISTEN_FDNAMES").unwrap_or_default();
        let mut names = names.split(':');
        let mut systemd: HashMap<String, Vec<OwnedFd>> = HashMap::new();
        for number in FIRST..FIRST.saturating_add(count) {
            let name = names.next().filter(|name| !name.is_empty()).unwrap_or("unknown");
            // SAFETY: systemd opened these for this process, as LISTEN_PID says, and nobody else here takes them.
            let socket = unsafe { OwnedFd::from_raw_fd(number) };
            // Other programs that this one starts have no business with it.
            if rustix::io::fcntl_setfd(&socket, rustix::io::FdFlags::CLOEXEC).is_err() {
                // Not open: not ours to close either.
                std::mem::forget(socket);
                continue;
            }
            systemd.entry(name.to_owned()).or_default().push(socket);
        }
        Self { systemd, before: HashMap::new() }
    }

    /// Adds what the server before handed over.
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
