//! Messages to systemd (sd_notify(3)): ready, reloading, stopping, alive. Without `NOTIFY_SOCKET` nothing is sent.
//!
//! ```text
//! READY=1                                 addresses accept connections; also: a reload has ended, applied or refused
//! RELOADING=1 MONOTONIC_USEC=<now>        a reload begins (Type=notify-reload)
//! STOPPING=1                              the server drains
//! WATCHDOG=1                              twice per WATCHDOG_USEC, if the unit has WatchdogSec=
//! ```

use clearwell_format::printable::chain;
use sd_notify::{NotifyState, notify, watchdog_enabled};
use tokio::time::{MissedTickBehavior, interval};

pub(crate) fn ready() {
    send(&[NotifyState::Ready]);
}

/// Followed by [`ready`], whatever the reload came to: systemd waits for it.
pub(crate) fn reloading() {
    // The time tells systemd which of several reloads has begun.
    match NotifyState::monotonic_usec_now() {
        Ok(now) => send(&[NotifyState::Reloading, now]),
        Err(error) => tracing::warn!(error = chain(&error), "failed to notify systemd of a reload"),
    }
}

pub(crate) fn stopping() {
    send(&[NotifyState::Stopping]);
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
