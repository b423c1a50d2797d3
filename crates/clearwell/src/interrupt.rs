//! Ctrl-C and SIGTERM during long work.
//!
//! The first signal asks the work to stop at its next safe point, which can be a file away; the second ends the process
//! immediately, which is as safe as `kill -9`. `serve` handles its signals itself.

use std::thread;

use tokio::runtime::Builder;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::oneshot;

use crate::error::CliError;
use crate::exit::Exit;
use crate::ui::Ui;

/// Runs work that calls `Progress::go_on` of `ui`. If a signal stops it, the error says `left`: what was kept, and how to
/// continue.
///
/// # Errors
/// The work's; [`Exit::Interrupted`] or [`Exit::Terminated`] if a signal stopped it.
pub(crate) fn interruptible<R>(ui: &Ui, left: &str, work: impl FnOnce() -> Result<R, CliError>) -> Result<R, CliError> {
    let failed = |error: std::io::Error| CliError::new(Exit::Memory, "failed to listen for signals", error);
    let runtime = Builder::new_current_thread().enable_io().build().map_err(failed)?;
    // Before the work starts, so that no signal is missed.
    let mut signals = {
        let _context = runtime.enter();
        Signals {
            interrupt: signal(SignalKind::interrupt()).map_err(failed)?,
            terminate: signal(SignalKind::terminate()).map_err(failed)?,
        }
    };
    let (done, mut is_done) = oneshot::channel::<()>();
    thread::scope(|scope| {
        let listen = move || {
            runtime.block_on(async {
                let first = tokio::select! {
                    _ = &mut is_done => return None,
                    exit = signals.next() => exit,
                };
                ui.stop();
                ui.note("stopping after the current step; press Ctrl-C again to stop immediately");
                tokio::select! {
                    _ = is_done => Some(first),
                    second = signals.next() => {
                        ui.note(&format!("stopped immediately: {left}"));
                        std::process::exit(second as i32)
                    }
                }
            })
        };
        let listener = thread::Builder::new()
            .spawn_scoped(scope, listen)
            .map_err(|error| CliError::new(Exit::Memory, "failed to start a thread", error))?;
        let result = work();
        drop(done);
        let asked = listener.join().ok().flatten();
        result.map_err(|error| match (error.exit(), asked) {
            (Exit::Interrupted, exit) => {
                CliError::plain(exit.unwrap_or(Exit::Interrupted), format!("interrupted: {left}"))
            }
            _ => error,
        })
    })
}

struct Signals {
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    async fn next(&mut self) -> Exit {
        tokio::select! {
            _ = self.interrupt.recv() => Exit::Interrupted,
            _ = self.terminate.recv() => Exit::Terminated,
        }
    }
}
