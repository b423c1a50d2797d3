//! The successor of a server: the program that is now installed, started by the running one on SIGUSR2, with the same
//! arguments. It takes over the listening sockets, and the running server ends its requests.

use std::env;
use std::ffi::OsString;
use std::fs::File;
use std::io::{self, BufRead as _, BufReader, Write as _};
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Command, ExitCode};

/// Variables that concern one process only: its watchdog, its sockets.
const OF_ONE_PROCESS: [&str; 4] = ["WATCHDOG_PID", "LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"];

/// Tells a process to do what [`launch`] does.
const LAUNCH: &str = "CLEARWELL_LAUNCH";

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

    /// Starts it. On another thread `started` gets its process ID, and `ended` a description if it ends while this process
    /// runs.
    ///
    /// # Errors
    /// If the program cannot be started.
    pub(crate) fn start(
        &self,
        started: impl FnOnce(u32) + Send + 'static,
        ended: impl FnOnce(String) + Send + 'static,
    ) -> io::Result<()> {
        let (own, other) = UnixStream::pair()?;
        let mut command = Command::new(&self.program);
        command.args(&self.arguments).env(LAUNCH, "1").stdin(OwnedFd::from(other));
        for variable in OF_ONE_PROCESS {
            command.env_remove(variable);
        }
        let mut launcher = command.spawn()?;
        // Only the new processes have the other end now.
        drop(command);
        let watch = move || {
            let mut lines = BufReader::new(own).lines();
            if let Some(pid) = lines.next().and_then(|line| line.ok()?.parse().ok()) {
                started(pid);
            }
            let launched = launcher.wait();
            // Until the successor ends.
            while let Some(Ok(_)) = lines.next() {}
            ended(match launched {
                Ok(status) if status.success() => "see its log".to_owned(),
                Ok(status) => status.to_string(),
                Err(error) => error.to_string(),
            });
        };
        std::thread::Builder::new().name("successor".to_owned()).spawn(watch)?;
        Ok(())
    }
}

/// In the process that [`Successor::start`] starts: starts the server, and ends. The server is a child of process 1 then: systemd
/// notices its end, which it does not for a child of another process.
pub(crate) fn launch() -> Option<ExitCode> {
    env::var_os(LAUNCH)?;
    let mut arguments = env::args_os();
    let mut command = Command::new(arguments.next()?);
    command.args(arguments).env_remove(LAUNCH);
    let told = command.spawn().and_then(|child| {
        // A socket, which the server keeps open until it ends.
        let mut stdin = File::from(io::stdin().as_fd().try_clone_to_owned()?);
        writeln!(stdin, "{}", child.id())
    });
    Some(told.map_or(ExitCode::FAILURE, |()| ExitCode::SUCCESS))
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
