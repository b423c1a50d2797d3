//! The phases of a server's life, and how its tasks hear of them.

use tokio::sync::watch;

/// Where a server is between start and end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Phase {
    /// Accepting.
    Serving,
    /// Accepting no more; what runs goes on.
    Closing,
    /// What still runs is aborted.
    Aborting,
}

/// Hears of phases. A server that is dropped aborts.
#[derive(Clone, Debug)]
pub(crate) struct PhaseWatch(watch::Receiver<Phase>);

/// Begins in [`Phase::Serving`].
pub(crate) fn phases() -> (watch::Sender<Phase>, PhaseWatch) {
    let (sender, receiver) = watch::channel(Phase::Serving);
    (sender, PhaseWatch(receiver))
}

impl PhaseWatch {
    /// Returns once `phase`, or a later one, is there.
    pub(crate) async fn reaches(&mut self, phase: Phase) {
        // An error means that nobody can change the phase any more: the last one, then.
        let _ = self.0.wait_for(|now| *now >= phase).await;
    }
}
