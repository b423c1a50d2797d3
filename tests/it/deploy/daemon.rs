//! Another program that runs for as long as a test.

use std::fs::File;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU8, Ordering};

use rustix::process::{Pid, Signal, kill_process};

use crate::wait::until;

/// A program under way, whose output goes to a file; ended, whatever the test does.
pub(crate) struct Daemon {
    child: Child,
    log: PathBuf,
}

impl Daemon {
    /// Starts the program and waits until it accepts connections.
    #[track_caller]
    pub(crate) fn start(mut command: Command, log: &Path, address: SocketAddr) -> Self {
        let output = File::create(log).unwrap();
        command.stdin(Stdio::null()).stdout(output.try_clone().unwrap()).stderr(output);
        let mut daemon = Self { child: command.spawn().unwrap(), log: log.to_owned() };
        until(|| {
            if let Some(status) = daemon.child.try_wait().unwrap() {
                panic!("{command:?} ended with {status}:\n{}", daemon.log());
            }
            TcpStream::connect(address).is_ok()
        });
        daemon
    }

    /// What it wrote so far.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap()
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // Programs with worker processes end them at SIGTERM only.
        let _ = kill_process(Pid::from_child(&self.child), Signal::TERM);
        let _ = self.child.wait();
    }
}

/// Runs a checker to its end; fails unless it succeeds.
#[track_caller]
pub(crate) fn checks(command: &mut Command) {
    let output = command.stdin(Stdio::null()).output().unwrap();
    let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
    assert!(
        output.status.success(),
        "{command:?}: {}\n{}{}",
        output.status,
        text(&output.stdout),
        text(&output.stderr)
    );
}

/// An address with a port that the kernel picked and that nothing else takes before a program listens there: each is on an
/// address of the loopback network that no other process uses.
pub(crate) fn free_address() -> SocketAddr {
    static NEXT: AtomicU8 = AtomicU8::new(1);
    let [.., high, low] = std::process::id().to_be_bytes();
    free_address_on(Ipv4Addr::new(127, high.clamp(1, 254), low, NEXT.fetch_add(1, Ordering::Relaxed)).into())
}

/// Another port of such an address.
pub(crate) fn free_address_on(host: IpAddr) -> SocketAddr {
    TcpListener::bind((host, 0)).unwrap().local_addr().unwrap()
}
