//! The successor of a server: the program that is now installed, started by the running one on SIGUSR2, with the same
//! arguments. It takes over the listening sockets, and the running server ends its requests.

use std::env;
use std::ffi::OsString;
use std::io;
use std::path::PathBuf;
use std::process::Command;

/// Variables that concern one process only: its watchdog, its sockets.
const OF_ONE_PROCESS: [&str; 4] = ["WATCHDOG_PID", "LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"];

/// How to start the successor.
#[derive(Debug)]
pub(crate) struct Successor {
    program: PathBuf,
    arguments: Vec<OsString>,
}

impl Successor {
    /// To be called at the start: once the file of the program is replaced, the system no longer knows its path.
    ///
    /// # Errors
    /// If the path of the program cannot be found.
    pub(crate) fn of_this_process() -> io::Result<Self> {
        Ok(Self { program: env::current_exe()?, arguments: env::args_os().skip(1).collect() })
    }

    /// Starts it. `ended` is called on another thread, with a description, if it ends while this process runs: it did not
    /// take over then.
    ///
    /// # Errors
    /// If the program cannot be started.
    pub(crate) fn start(&self, ended: impl FnOnce(String) + Send + 'static) -> io::Result<u32> {
        let mut command = Command::new(&self.program);
        command.args(&self.arguments);
        for variable in OF_ONE_PROCESS {
            command.env_remove(variable);
        }
        let mut child = command.spawn()?;
        let pid = child.id();
        let wait = move || {
            ended(child.wait().map_or_else(|error| error.to_string(), |status| status.to_string()));
        };
        std::thread::Builder::new().name("successor".to_owned()).spawn(wait)?;
        Ok(pid)
    }
}
