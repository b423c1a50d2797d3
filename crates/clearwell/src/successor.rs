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
        let running = env::current_exe()?;
        let program =
            as_called().into_iter().flatten().find(|path| path.canonicalize().is_ok_and(|file| file == running));
        Ok(Self { program: program.unwrap_or(running), arguments: env::args_os().skip(1).collect() })
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

/// The paths that the name of this process may stand for. A symbolic link among them leads to the program that is installed
/// at that time.
fn as_called() -> Option<Vec<PathBuf>> {
    let name = PathBuf::from(env::args_os().next()?);
    if name.components().nth(1).is_some() {
        return Some(vec![std::path::absolute(name).ok()?]);
    }
    let absolute = |folder: PathBuf| std::path::absolute(folder.join(&name)).ok();
    Some(env::split_paths(&env::var_os("PATH")?).filter_map(absolute).collect())
}
