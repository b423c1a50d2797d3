//! The phases of a server, from start to stop, and how its tasks follow them.

use tokio::sync::watch;

/// Where a server is between start and end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Phase {
    /// Accepting.
    Serving,
    /// Accepting no more connections; requests in flight go on.
    Closing,
    /// Connections that are still open are aborted.
    Aborting,
}

/// Follows the phases. A server that is dropped aborts.
#[derive(Clone, Debug)]
pub(crate) struct PhaseWatch(watch::Receiver<Phase>);

/// Begins in [`Phase::Serving`].
pub(crate) fn phases() -> (watch::Sender<Phase>, PhaseWatch) {
    let (sender, receiver) = watch::channel(Phase::Serving);
    (sender, PhaseWatch(receiver))
}

impl PhaseWatch {
    /// Returns once `phase`, or a later one, is reached.
    pub(crate) async fn reaches(&mut self, phase: Phase) {
        // An error means that the server is dropped: that aborts.
        let _ = self.0.wait_for(|now| *now >= phase).await;
    }
}
