//! A worker: a thread with its own runtime that accepts connections and serves them to their end.
//!
//! Always true: a connection never changes its worker, so requests of two workers share only what they read.

use std::os::fd::{AsFd, OwnedFd};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use clearwell_format::printable::chain;
use clearwell_metrics::EndReason;
use rustix::io::Errno;
use rustix::net::{SocketFlags, acceptfrom_with};
use slab::Slab;
use tokio::io::Interest;
use tokio::sync::{Notify, oneshot};
use tokio::task::AbortHandle;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep};

use crate::connection::Connection;
use crate::connection_task::{self, ConnectionTask};
use crate::error::ServeError;
use crate::line_limit::LineLimit;
use crate::listener::ListenerSettings;
use crate::phase::{Phase, PhaseWatch};
use crate::site::Site;
use crate::socket::{Socket, register};
use crate::watcher::{Action, Watch};

/// How often the time limits of connections are checked, which are in seconds.
const WATCH_INTERVAL: Duration = Duration::from_millis(100);
/// Pause after a failed accept, which is mostly a lack of file descriptors: long enough for some to be closed.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// Connections accepted in one turn, before those that are open get theirs.
const ACCEPTED_AT_ONCE: usize = 32;
/// Concurrent connections of a worker that are answered with 503 because the server is full; more are closed without
/// an answer.
const REFUSALS: usize = 64;
/// Threads of a worker that may wait for the origin.
const BLOCKING_THREADS: usize = 32;
/// How long a connection without a request stays open once the server accepts no more: a request that arrives in this time is
/// answered, with `Connection: close`. A client that uses its connection again just then does not find it closed.
const IDLE_PAUSE: Duration = Duration::from_secs(1);

/// What all workers of a server share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) site: Arc<Site>,
    /// Connections of all workers.
    open: AtomicUsize,
    /// The most of them since [`Shared::connections`] was called.
    most: AtomicUsize,
    accepting: Accepting,
    /// No more requests on a connection after the one that is answered.
    pub(crate) closing: AtomicBool,
    /// For TLS handshakes that fail.
    pub(crate) handshake_lines: LineLimit,
    /// To be cloned by tasks that follow the phases.
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

/// Counts one worker as accepting until it is dropped: a worker that cannot be started, or panics, is not waited for.
#[derive(Debug)]
struct AcceptGuard(Accepting);

impl Accepting {
    fn register(&self) -> AcceptGuard {
        self.0.fetch_add(1, Ordering::SeqCst);
        AcceptGuard(self.clone())
    }

    fn is_over(&self) -> bool {
        self.0.load(Ordering::SeqCst) == 0
    }
}

impl Drop for AcceptGuard {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Ordering::SeqCst);
    }
}

/// A listener's socket for one worker.
#[derive(Debug)]
pub(crate) struct WorkerListener {
    pub(crate) socket: OwnedFd,
    pub(crate) settings: Arc<ListenerSettings>,
}

/// Starts a worker. The receiver gets the number of connections that had to be aborted once the worker ends.
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
    let accept_guard = shared.accepting.register();
    let worker = Worker { phase: shared.phase.clone(), shared, connections: Arc::default() };
    let run = move || {
        let aborted = runtime.block_on(worker.run(listeners, accept_guard));
        // Reads that still wait for the disk must not delay the end.
        runtime.shutdown_background();
        let _ = sender.send(aborted);
    };
    std::thread::Builder::new().name(format!("serve-{at}")).spawn(run).map_err(ServeError::Thread)?;
    Ok(ended)
}

type Connections = Arc<Mutex<Slab<Entry>>>;

fn lock(connections: &Connections) -> MutexGuard<'_, Slab<Entry>> {
    connections.lock().unwrap_or_else(PoisonError::into_inner)
}

#[derive(Debug)]
struct Worker {
    shared: Arc<Shared>,
    connections: Connections,
    phase: PhaseWatch,
}

/// A connection of a worker.
#[derive(Debug)]
struct Entry {
    connection: Arc<Connection>,
    /// `None` until its task is spawned.
    task: Option<AbortHandle>,
    watch: Watch,
    /// Asks the task to close the connection as its protocol does. `None` for a connection that is closed by ending the
    /// task.
    close: Option<Arc<Notify>>,
}

impl Worker {
    async fn run(mut self, listeners: Vec<WorkerListener>, accept_guard: AcceptGuard) -> usize {
        let mut acceptors = tokio::task::JoinSet::new();
        for listener in listeners {
            acceptors.spawn(accept(listener, Arc::clone(&self.shared), Arc::clone(&self.connections)));
        }
        let mut ticks = interval(WATCH_INTERVAL);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = self.phase.reaches(Phase::Closing) => break,
                _ = ticks.tick() => self.watch(),
            }
        }
        acceptors.shutdown().await;
        drop(accept_guard);
        // A client that is closed reconnects at once, and must not reach a worker that still accepts.
        while !self.shared.accepting.is_over() {
            sleep(Duration::from_millis(1)).await;
        }
        self.shared.closing.store(true, Ordering::Relaxed);
        let idle_end = Instant::now() + IDLE_PAUSE;
        while !self.is_empty() {
            self.close_unused(Instant::now() >= idle_end);
            self.watch();
            let pause = sleep(Duration::from_millis(10));
            tokio::select! {
                () = self.phase.reaches(Phase::Aborting) => break,
                () = pause => {}
            }
        }
        let entries: Vec<Entry> = self.entries().drain().collect();
        let mut busy = 0;
        for entry in &entries {
            if !entry.is_idle() {
                self.shared.site.metrics().http.ended(EndReason::DrainDeadline);
                busy += 1;
            }
            entry.abort();
        }
        // The runtime drops aborted tasks when it polls them next.
        tokio::task::yield_now().await;
        busy
    }

    fn entries(&self) -> MutexGuard<'_, Slab<Entry>> {
        lock(&self.connections)
    }

    fn is_empty(&self) -> bool {
        self.entries().is_empty()
    }

    /// Ends connections that do nothing, or too little.
    fn watch(&self) {
        let limits = self.shared.site.settings().time_limits;
        let ended = |entry: &Entry, reason: EndReason| {
            self.shared.site.metrics().http.ended(reason);
            let peer = entry.connection.peer().map(tracing::field::display);
            tracing::debug!(peer, reason = reason.as_str(), "connection ended");
        };
        for (_, entry) in &mut *self.entries() {
            match entry.watch.look(&entry.connection.activity, &limits, entry.close.is_some()) {
                Action::Keep => {}
                Action::Close => {
                    ended(entry, EndReason::IdleTimeout);
                    entry.close();
                }
                Action::End(reason) => {
                    if let Some(reason) = reason {
                        ended(entry, reason);
                    }
                    entry.abort();
                }
            }
        }
    }

    /// Asks connections with a request that can announce a close to finish and close; closes idle ones if `closes_idle`.
    fn close_unused(&self, closes_idle: bool) {
        for (_, entry) in &*self.entries() {
            match entry.is_idle() {
                true if closes_idle => entry.close(),
                false if entry.close.is_some() => entry.close(),
                _ => {}
            }
        }
    }
}

impl Entry {
    fn is_idle(&self) -> bool {
        self.connection.activity.state().awaits_request()
    }

    fn close(&self) {
        match &self.close {
            Some(close) => close.notify_one(),
            None => self.abort(),
        }
    }

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

impl ConnectionSlot {
    /// Notified once the connection should close. From this call on the worker leaves closing to its task.
    pub(crate) fn close_request(&self) -> Arc<Notify> {
        let close = Arc::new(Notify::new());
        if let Some(entry) = lock(&self.connections).get_mut(self.key) {
            entry.close = Some(Arc::clone(&close));
        }
        close
    }
}

impl Drop for ConnectionSlot {
    fn drop(&mut self) {
        lock(&self.connections).try_remove(self.key);
        self.shared.open.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Accepts at a listener until it is aborted.
async fn accept(listener: WorkerListener, shared: Arc<Shared>, connections: Connections) {
    let refusals = Arc::new(tokio::sync::Semaphore::new(REFUSALS));
    let Ok(socket) = register(listener.socket, Interest::READABLE) else {
        tracing::error!("failed to register a listening socket with the runtime");
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
                // The client closed before the accept.
                Err(Errno::CONNABORTED | Errno::INTR) => {}
                Err(error) => {
                    let error = std::io::Error::from(error);
                    tracing::warn!(error = chain(&error), "failed to accept a connection");
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
    let connection = Arc::new(Connection::new(peer));
    let entry = Entry { connection: Arc::clone(&connection), task: None, watch: Watch::default(), close: None };
    let key = lock(connections).insert(entry);
    let slot = ConnectionSlot { shared: Arc::clone(shared), connections: Arc::clone(connections), key };
    // Behind a proxy the address of the client comes with the PROXY header.
    let known = |()| if listener.proxy_protocol { Ok(()) } else { shared.site.admit_client(&connection) };
    let refused = shared.site.admit_connection(others).and_then(known).err();
    let permit = match refused {
        None => None,
        Some(reason) => {
            shared.site.metrics().http.ended(reason);
            match Arc::clone(refusals).try_acquire_owned() {
                // Answering costs a slot of the refusals.
                Ok(permit) if listener.tls.is_none() => Some(permit),
                _ => return,
            }
        }
    };
    let task = match permit {
        Some(permit) => tokio::spawn(async move {
            connection_task::refuse(stream).await;
            drop((slot, permit));
        }),
        None => {
            let task = ConnectionTask { socket: Socket::new(stream), connection, listener: Arc::clone(listener), slot };
            tokio::spawn(task.serve())
        }
    };
    if let Some(entry) = lock(connections).get_mut(key) {
        entry.task = Some(task.abort_handle());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_worker_that_panics_is_not_waited_for() {
        let accepting = Accepting::default();
        let (first, second) = (accepting.register(), accepting.register());
        drop(first);
        assert!(!accepting.is_over());
        let panicked = std::thread::spawn(move || {
            let _guard = second;
            std::panic::resume_unwind(Box::new("a worker panics"));
        });
        assert!(panicked.join().is_err());
        assert!(accepting.is_over());
    }
}
