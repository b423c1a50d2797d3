//! A worker: a thread with a runtime of its own that accepts connections and serves them to their end.
//!
//! Always true: a connection never changes its worker, so workers share nothing with each request but what they read.

use std::os::fd::{AsFd, OwnedFd};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use clearwell_format::printable::chain;
use clearwell_metrics::EndReason;
use rustix::io::Errno;
use rustix::net::{SocketFlags, acceptfrom_with};
use slab::Slab;
use tokio::io::Interest;
use tokio::sync::oneshot;
use tokio::task::AbortHandle;
use tokio::time::{MissedTickBehavior, interval, sleep};

use crate::connection::{Connection, Patience, Progress, Verdict};
use crate::connection_task::{self, ConnectionTask};
use crate::error::ServeError;
use crate::line_limit::LineLimit;
use crate::listener::ListenerSettings;
use crate::phase::{Phase, PhaseWatch};
use crate::site::Site;
use crate::socket::{Socket, register};

/// How often connections are judged: limits are in seconds.
const JUDGED_EACH: Duration = Duration::from_millis(100);
/// After a failed accept, mostly for want of file descriptors: long enough for some to come back.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// Accepted at once before those who are in have their turn.
const ACCEPTED_AT_ONCE: usize = 32;
/// Clients of a worker at the same time that are told there is no room; more are closed without a word.
const REFUSALS: usize = 64;
/// Threads of a worker that wait for the disk.
const BLOCKING_THREADS: usize = 32;

/// What all workers of a server share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) site: Arc<Site>,
    /// Connections of all workers.
    open: AtomicUsize,
    /// The most of them since somebody asked.
    most: AtomicUsize,
    accepting: Accepting,
    /// Connections are to end.
    pub(crate) closing: AtomicBool,
    /// For TLS handshakes that fail.
    pub(crate) handshake_lines: LineLimit,
    /// To be cloned by those who have to hear of phases.
    pub(crate) phase: PhaseWatch,
}

impl Shared {
    pub(crate) fn new(site: Arc<Site>, phase: PhaseWatch) -> Arc<Self> {
        Arc::new(Self {
            site,
            open: AtomicUsize::new(0),
            most: AtomicUsize::new(0),
            accepting: Accepting::default(),
            closing: AtomicBool::new(false),
            handshake_lines: LineLimit::default(),
            phase,
        })
    }

    /// Connections that are open, and the most that were since the last call.
    pub(crate) fn connections(&self) -> (usize, usize) {
        let open = self.open.load(Ordering::Relaxed);
        (open, self.most.swap(open, Ordering::Relaxed))
    }
}

/// Workers that still accept.
#[derive(Clone, Debug, Default)]
struct Accepting(Arc<AtomicUsize>);

/// One of them, until it is dropped: a worker that cannot be started, or dies, is not waited for.
#[derive(Debug)]
struct StillAccepts(Accepting);

impl Accepting {
    fn one_more(&self) -> StillAccepts {
        self.0.fetch_add(1, Ordering::SeqCst);
        StillAccepts(self.clone())
    }

    fn is_over(&self) -> bool {
        self.0.load(Ordering::SeqCst) == 0
    }
}

impl Drop for StillAccepts {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Ordering::SeqCst);
    }
}

/// A listener as a worker has it.
#[derive(Debug)]
pub(crate) struct WorkerListener {
    pub(crate) socket: OwnedFd,
    pub(crate) settings: Arc<ListenerSettings>,
}

/// Starts a worker. What comes in the end is how many connections had to be aborted.
pub(crate) fn start(
    at: usize,
    listeners: Vec<WorkerListener>,
    shared: Arc<Shared>,
) -> Result<oneshot::Receiver<usize>, ServeError> {
    let (sender, ended) = oneshot::channel();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(BLOCKING_THREADS)
        .thread_name(format!("disk-{at}"))
        .build()
        .map_err(ServeError::Thread)?;
    let still_accepts = shared.accepting.one_more();
    let worker = Worker { phase: shared.phase.clone(), shared, connections: Arc::default() };
    let run = move || {
        let aborted = runtime.block_on(worker.run(listeners, still_accepts));
        // Reading that still waits for a disk must not hold up the end.
        runtime.shutdown_background();
        let _ = sender.send(aborted);
    };
    std::thread::Builder::new().name(format!("serve-{at}")).spawn(run).map_err(ServeError::Thread)?;
    Ok(ended)
}

type Connections = Arc<Mutex<Slab<Entry>>>;

#[derive(Debug)]
struct Worker {
    shared: Arc<Shared>,
    connections: Connections,
    phase: PhaseWatch,
}

/// A connection as its worker sees it.
#[derive(Debug)]
struct Entry {
    connection: Arc<Connection>,
    /// `None` until its task is there.
    task: Option<AbortHandle>,
    seen: Progress,
}

impl Worker {
    async fn run(mut self, listeners: Vec<WorkerListener>, still_accepts: StillAccepts) -> usize {
        let mut acceptors = tokio::task::JoinSet::new();
        for listener in listeners {
            acceptors.spawn(accept(listener, Arc::clone(&self.shared), Arc::clone(&self.connections)));
        }
        let mut ticks = interval(JUDGED_EACH);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = self.phase.reaches(Phase::Closing) => break,
                _ = ticks.tick() => self.judge(),
            }
        }
        acceptors.shutdown().await;
        drop(still_accepts);
        // Nobody shall be closed, and come back, while another worker still accepts.
        while !self.shared.accepting.is_over() {
            sleep(Duration::from_millis(1)).await;
        }
        self.shared.closing.store(true, Ordering::Relaxed);
        while !self.is_empty() {
            self.close_resting();
            self.judge();
            let looked = sleep(Duration::from_millis(10));
            tokio::select! {
                () = self.phase.reaches(Phase::Aborting) => break,
                () = looked => {}
            }
        }
        let entries: Vec<Entry> = self.entries().drain().collect();
        for entry in &entries {
            self.shared.site.metrics().http.ended(EndReason::Stopped);
            entry.abort();
        }
        // Aborted tasks are dropped when the runtime comes to them.
        tokio::task::yield_now().await;
        entries.len()
    }

    fn entries(&self) -> std::sync::MutexGuard<'_, Slab<Entry>> {
        self.connections.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_empty(&self) -> bool {
        self.entries().is_empty()
    }

    /// Ends connections that do nothing, or too little.
    fn judge(&self) {
        let patience: Patience = self.shared.site.settings().patience;
        for (_, entry) in &mut *self.entries() {
            if entry.connection.is_watched() {
                continue;
            }
            if let Verdict::End(reason) = entry.connection.judge(&patience, &mut entry.seen) {
                // Once is enough: its task is gone at the next look.
                entry.connection.watch();
                self.shared.site.metrics().http.ended(reason);
                entry.abort();
            }
        }
    }

    /// Ends connections on which nothing is under way. Those that are watched by somebody else are told by the phase.
    fn close_resting(&self) {
        for (_, entry) in &*self.entries() {
            if !entry.connection.is_watched() && entry.connection.rests() {
                entry.abort();
            }
        }
    }
}

impl Entry {
    fn abort(&self) {
        if let Some(task) = &self.task {
            task.abort();
        }
    }
}

/// The slot of a connection among those of its worker, freed on drop.
pub(crate) struct ConnectionSlot {
    pub(crate) shared: Arc<Shared>,
    connections: Connections,
    key: usize,
}

impl Drop for ConnectionSlot {
    fn drop(&mut self) {
        self.connections.lock().unwrap_or_else(PoisonError::into_inner).try_remove(self.key);
        self.shared.open.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Accepts at a listener until it is aborted.
async fn accept(listener: WorkerListener, shared: Arc<Shared>, connections: Connections) {
    let refusals = Arc::new(tokio::sync::Semaphore::new(REFUSALS));
    let Ok(socket) = register(listener.socket, Interest::READABLE) else {
        tracing::error!("a listening socket cannot be waited for");
        return;
    };
    loop {
        let Ok(mut ready) = socket.readable().await else { return };
        for _ in 0..ACCEPTED_AT_ONCE {
            match acceptfrom_with(socket.get_ref().as_fd(), SocketFlags::CLOEXEC | SocketFlags::NONBLOCK) {
                Ok((stream, peer)) => {
                    let peer = peer.and_then(|peer| std::net::SocketAddr::try_from(peer).ok());
                    admit(stream, peer, &listener.settings, &shared, &connections, &refusals);
                }
                Err(Errno::AGAIN) => {
                    ready.clear_ready();
                    break;
                }
                // The client was gone before we came.
                Err(Errno::CONNABORTED | Errno::INTR) => {}
                Err(error) => {
                    let error = std::io::Error::from(error);
                    tracing::warn!(error = chain(&error), "no connection can be accepted");
                    sleep(ACCEPT_PAUSE).await;
                    break;
                }
            }
        }
        tokio::task::yield_now().await;
    }
}

fn admit(
    stream: OwnedFd,
    peer: Option<std::net::SocketAddr>,
    listener: &Arc<ListenerSettings>,
    shared: &Arc<Shared>,
    connections: &Connections,
    refusals: &Arc<tokio::sync::Semaphore>,
) {
    let others = shared.open.fetch_add(1, Ordering::Relaxed);
    shared.most.fetch_max(others + 1, Ordering::Relaxed);
    let is_full = others >= shared.site.settings().config.max_connections.get();
    let connection = Arc::new(Connection::new(peer));
    let entry = Entry { connection: Arc::clone(&connection), task: None, seen: Progress::default() };
    let key = connections.lock().unwrap_or_else(PoisonError::into_inner).insert(entry);
    let slot = ConnectionSlot { shared: Arc::clone(shared), connections: Arc::clone(connections), key };
    let refused = if is_full {
        Some(EndReason::Full)
    } else if listener.proxy_protocol {
        // Who it is comes later.
        None
    } else {
        connection_task::belongs_to_client(&shared.site, &connection).err()
    };
    let ticket = match refused {
        None => None,
        Some(reason) => {
            shared.site.metrics().http.ended(reason);
            match Arc::clone(refusals).try_acquire_owned() {
                // A connection that is told so counts among the refusals, not among the connections.
                Ok(permit) if listener.tls.is_none() => Some(permit),
                _ => return,
            }
        }
    };
    let task = match ticket {
        Some(permit) => tokio::spawn(async move {
            connection_task::refuse(stream).await;
            drop((slot, permit));
        }),
        None => {
            let task = ConnectionTask { socket: Socket::new(stream), connection, listener: Arc::clone(listener), slot };
            tokio::spawn(task.serve())
        }
    };
    if let Some(entry) = connections.lock().unwrap_or_else(PoisonError::into_inner).get_mut(key) {
        entry.task = Some(task.abort_handle());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_worker_that_dies_is_not_waited_for() {
        let accepting = Accepting::default();
        let (first, second) = (accepting.one_more(), accepting.one_more());
        drop(first);
        assert!(!accepting.is_over());
        let died = std::thread::spawn(move || {
            let _still_accepts = second;
            std::panic::resume_unwind(Box::new("a worker dies"));
        });
        assert!(died.join().is_err());
        assert!(accepting.is_over());
    }
}
