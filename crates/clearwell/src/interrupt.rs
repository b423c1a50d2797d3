//! Ctrl-C and SIGTERM during long work.
//!
//! The first asks the work to end at its next safe point, which can be a file away; the second ends the process at once,
//! as `kill -9` may at any time. Servers have signals of their own.

use std::thread;

use tokio::runtime::Builder;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::oneshot;

use crate::error::CliError;
use crate::exit::Exit;
use crate::ui::Ui;

/// Runs work that asks `Progress::go_on` of `ui`. If a signal ends it, the error says `left`: what stays, and how to go on.
///
/// # Errors
/// The work's; [`Exit::Interrupted`] or [`Exit::Terminated`] if it ended for a signal.
pub(crate) fn interruptible<R>(ui: &Ui, left: &str, work: impl FnOnce() -> Result<R, CliError>) -> Result<R, CliError> {
    let failed = |error: std::io::Error| CliError::new(Exit::Memory, "failed to listen for signals", error);
    let runtime = Builder::new_current_thread().enable_io().build().map_err(failed)?;
    // Before the work begins, so that no signal is missed.
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
                ui.note("stopping as soon as what is being made is finished; a second Ctrl-C ends at once");
                tokio::select! {
                    _ = is_done => Some(first),
                    second = signals.next() => {
                        ui.note(&format!("ended at once: {left}"));
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
