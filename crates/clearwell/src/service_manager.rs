//! Messages to systemd (sd_notify(3)). Without `NOTIFY_SOCKET` nothing is sent.
//!
//! ```text
//! READY=1 STATUS=<text>                   addresses accept connections; also: a reload has ended, applied or refused
//! MAINPID=<pid>                           with READY=1, from a server that took over: the service is now this process
//! RELOADING=1 MONOTONIC_USEC=<now>        a reload begins (Type=notify-reload)
//! STOPPING=1 STATUS=<text>                the server drains
//! WATCHDOG=1                              twice per WATCHDOG_USEC, if the unit has WatchdogSec=
//! FDSTORE=1 FDNAME=<name>                 copies of the listening sockets, for the next process (FileDescriptorStoreMax=)
//! FDSTOREREMOVE=1 FDNAME=<name>           drops them
//! BARRIER=1                               with a descriptor, which systemd closes when it has read all earlier messages
//! ```

use std::env;
use std::io::{self, IoSlice, Read as _};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::os::unix::net::{UnixDatagram, UnixStream};
use std::time::Duration;

use clearwell_format::printable::{chain, printable};
use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};
use sd_notify::{NotifyState, notify, watchdog_enabled};
use tokio::time::{MissedTickBehavior, interval};

/// The longest wait for systemd.
const PATIENCE: Duration = Duration::from_secs(5);
/// Sockets in one message; the kernel allows 253.
const SOCKETS_AT_ONCE: usize = 200;

/// The server accepts connections.
pub(crate) fn started(status: &str, took_over: bool) {
    let process = took_over.then(|| NotifyState::MainPid(std::process::id()));
    let status = printable(status);
    let state = [NotifyState::Ready, NotifyState::Status(&status)].into_iter().chain(process);
    send(&state.collect::<Vec<_>>());
}

/// Makes systemd drop the copies that it kept for this process, which has them now; returns once that is done. An address that
/// is no longer configured is then free.
pub(crate) fn take_back(name: &str) {
    let passed = env::var("LISTEN_FDNAMES").unwrap_or_default();
    if passed.split(':').any(|passed| passed == name) {
        drop_copies(name);
        if let Err(error) = barrier() {
            tracing::warn!(
                error = chain(&error),
                "systemd did not confirm that it closed its copies of listening sockets"
            );
        }
    }
}

/// Returns once systemd has read all messages: it closes the descriptor that this one carries.
fn barrier() -> io::Result<()> {
    let (mut end, other) = UnixStream::pair()?;
    end.set_read_timeout(Some(PATIENCE))?;
    send_with("BARRIER=1", &[other.into()])?;
    end.read(&mut [0]).map(drop)
}

fn drop_copies(name: &str) {
    send(&[NotifyState::Custom(&format!("FDSTOREREMOVE=1\nFDNAME={name}"))]);
}

/// Gives systemd copies of listening sockets in place of those that it has: while no process of the service runs, clients
/// wait instead of being refused.
pub(crate) fn keep(sockets: &[OwnedFd], name: &str) {
    drop_copies(name);
    for sockets in sockets.chunks(SOCKETS_AT_ONCE) {
        if let Err(error) = send_with(&format!("FDSTORE=1\nFDNAME={name}\n"), sockets) {
            tracing::warn!(error = chain(&error), "failed to give systemd the listening sockets");
        }
    }
}

fn send_with(text: &str, sockets: &[OwnedFd]) -> io::Result<()> {
    let Some(path) = env::var_os("NOTIFY_SOCKET") else { return Ok(()) };
    let manager = UnixDatagram::unbound()?;
    manager.connect(path)?;
    let handles: Vec<BorrowedFd<'_>> = sockets.iter().map(|socket| socket.as_fd()).collect();
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(SOCKETS_AT_ONCE))];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    if !ancillary.push(SendAncillaryMessage::ScmRights(&handles)) {
        return Err(io::Error::other("more sockets than fit into a message"));
    }
    sendmsg(&manager, &[IoSlice::new(text.as_bytes())], &mut ancillary, SendFlags::NOSIGNAL)?;
    Ok(())
}

/// Followed by [`reloaded`], whatever the outcome: systemd waits for it.
pub(crate) fn reloading() {
    // The time tells systemd which of several reloads has begun.
    match NotifyState::monotonic_usec_now() {
        Ok(now) => send(&[NotifyState::Reloading, now]),
        Err(error) => tracing::warn!(error = chain(&error), "failed to notify systemd of a reload"),
    }
}

/// A reload has ended, applied or refused, as `status` says.
pub(crate) fn reloaded(status: &str) {
    send(&[NotifyState::Ready, NotifyState::Status(&printable(status))]);
}

/// The server drains. Not for one whose sockets were taken over: the service goes on.
pub(crate) fn stopping() {
    send(&[NotifyState::Stopping, NotifyState::Status("Draining: running requests end")]);
}

/// Says that the process is alive until it is dropped; returns at once if systemd does not ask for it.
pub(crate) async fn keep_alive() {
    let Some(timeout) = watchdog_enabled().filter(|timeout| !timeout.is_zero()) else { return };
    let mut ticks = interval(timeout / 2);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        send(&[NotifyState::Watchdog]);
    }
}

/// A message that is lost changes nothing for clients, so the server does not stop for it.
fn send(state: &[NotifyState<'_>]) {
    if let Err(error) = notify(state) {
        tracing::warn!(error = chain(&error), "failed to notify systemd");
    }
}
