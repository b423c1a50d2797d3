//! One server after another at the same addresses: replaced on SIGUSR2, and restarted with sockets that systemd kept.

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::os::unix::net::UnixDatagram;
use std::process::Stdio;

use rustix::process::{Pid, Signal, kill_process, test_kill_process};

use crate::mix::Mix;
use crate::run::{Running, Server, shell};
use crate::serve::{get, wait_for};

/// The socket of systemd.
struct Manager(UnixDatagram);

impl Manager {
    fn of(mix: &Mix) -> Self {
        let socket = UnixDatagram::bind(mix.path("notify.sock")).unwrap();
        // Only so that a failure ends the test.
        socket.set_read_timeout(Some(std::time::Duration::from_secs(60))).unwrap();
        Self(socket)
    }

    fn message(&self) -> String {
        let mut bytes = [0; 4096];
        let length = self.0.recv(&mut bytes).unwrap();
        String::from_utf8(bytes[..length].to_vec()).unwrap()
    }
}

/// A process that is not a child of the test; ended with it.
struct Orphan(Pid);

impl Drop for Orphan {
    fn drop(&mut self) {
        let _ = kill_process(self.0, Signal::KILL);
    }
}

#[test]
fn the_installed_program_replaces_the_running_one() {
    let mix = Mix::released();
    let manager = Manager::of(&mix);
    // A link to a copy, so that it can be replaced.
    let install = |version: &str| {
        let _ = fs::remove_file(mix.path("program"));
        symlink(version, mix.path("program")).unwrap();
    };
    for version in ["first", "second"] {
        fs::copy(env!("CARGO_BIN_EXE_clearwell"), mix.path(version)).unwrap();
    }
    install("first");
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    drop(listener);
    let serve = "exec ./program serve --store store --admin off --takeover takeover.sock --listen \"$ADDRESS\" --log-style text";
    let mut command = shell(mix.dir(), serve);
    command.env("ADDRESS", &address).env("NOTIFY_SOCKET", mix.path("notify.sock")).env("WATCHDOG_USEC", "20000000");
    command.stderr(fs::File::create(mix.path("log")).unwrap());
    let (running, _stdout) = Running::start_logged(command);
    while !manager.message().starts_with("READY=1") {}

    // A program that cannot start changes nothing.
    fs::write(mix.path("bad"), "#!/bin/sh\nexit 7\n").unwrap();
    fs::set_permissions(mix.path("bad"), fs::Permissions::from_mode(0o755)).unwrap();
    install("bad");
    let log = || fs::read_to_string(mix.path("log")).unwrap();
    kill_process(running.id(), Signal::USR2).unwrap();
    wait_for(|| log().contains("the next server ended; this one continues"));
    assert_eq!(get(&address, "/version/format30/latest").1, "10");

    install("second");
    kill_process(running.id(), Signal::USR2).unwrap();
    let successor = loop {
        let message = manager.message();
        assert!(!message.contains("STOPPING=1"), "the service goes on: {message}");
        if let Some((_, pid)) = message.split_once("MAINPID=") {
            break Orphan(Pid::from_raw(pid.trim().parse().unwrap()).unwrap());
        }
    };
    assert_ne!(successor.0, running.id());
    let started = fs::read_link(format!("/proc/{}/exe", successor.0.as_raw_nonzero())).unwrap();
    assert_eq!(started, mix.path("second").canonicalize().unwrap(), "what the link leads to now");
    let status = fs::read_to_string(format!("/proc/{}/status", successor.0.as_raw_nonzero())).unwrap();
    let parent = format!("\nPPid:\t{}\n", running.id().as_raw_nonzero());
    assert!(!status.contains(&parent), "systemd would not notice the end of a child of another process");
    assert_eq!(running.wait().code(), Some(0));
    assert_eq!(get(&address, "/version/format30/latest").1, "10");
    // It keeps the watchdog quiet, though the variables named the first process.
    while manager.message() != "WATCHDOG=1\n" {}
    // Zombies of a test that runs as process 1 do not count: it stops answering.
    kill_process(successor.0, Signal::TERM).unwrap();
    wait_for(|| TcpStream::connect(&address).is_err() || test_kill_process(successor.0).is_err());
}

#[test]
fn without_a_takeover_socket_the_signal_is_ignored() {
    let mix = Mix::released();
    let serve =
        "exec \"$0\" serve --store store --listen 127.0.0.1:0 --admin 127.0.0.1:0 --json --log-style text 2>log";
    let server = Server::start_by(shell(mix.dir(), serve));
    kill_process(server.running.id(), Signal::USR2).unwrap();
    let log = || fs::read_to_string(mix.path("log")).unwrap();
    wait_for(|| log().contains("SIGUSR2 is ignored") && log().contains("needs the key takeover"));
    assert_eq!(get(&server.listen, "/version/format30/latest").1, "10");
}

/// As systemd passes sockets that it kept, or those of a socket unit whose address is configured.
#[test]
fn a_passed_socket_at_the_address_is_used() {
    let mix = Mix::released();
    for name in ["clearwell-listener", "clearwell.socket"] {
        let socket = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = socket.local_addr().unwrap().to_string();
        let serve = format!(
            "LISTEN_PID=$$ LISTEN_FDS=1 LISTEN_FDNAMES={name} exec \
             \"$0\" serve --store store --listen {address} --admin off 3<&0 </dev/null"
        );
        let mut command = shell(mix.dir(), &serve);
        command.stdin(Stdio::from(OwnedFd::from(socket.try_clone().unwrap())));
        // Its own socket could not have the address while this one is open.
        let running = Running::start(command);
        assert_eq!(get(&address, "/version/format30/latest").1, "10", "{name}");
        drop((running, socket));
        assert!(TcpStream::connect(address).is_err());
    }
}

/// Kept sockets of an earlier configuration occupy an address that includes the new one.
#[test]
fn kept_sockets_at_another_address_are_closed() {
    let mix = Mix::released();
    let manager = Manager::of(&mix);
    let socket = TcpListener::bind("0.0.0.0:0").unwrap();
    let address = format!("127.0.0.1:{}", socket.local_addr().unwrap().port());
    let serve = format!(
        "LISTEN_PID=$$ LISTEN_FDS=1 LISTEN_FDNAMES=clearwell-listener exec \
         \"$0\" serve --store store --listen {address} --admin off 3<&0 </dev/null"
    );
    let mut command = shell(mix.dir(), &serve);
    command.env("NOTIFY_SOCKET", mix.path("notify.sock")).stdin(Stdio::from(OwnedFd::from(socket)));
    let running = Running::start(command);
    // The shell has no copy, and that of systemd is dropped first: its answer to the barrier is to close what came with it,
    // which reading the message without room for descriptors does.
    assert_eq!(manager.message(), "FDSTOREREMOVE=1\nFDNAME=clearwell-listener\n");
    assert_eq!(manager.message(), "BARRIER=1");
    while !manager.message().starts_with("READY=1") {}
    assert_eq!(get(&address, "/version/format30/latest").1, "10");
    drop(running);
}

#[test]
fn a_socket_that_no_listener_uses_is_a_warning() {
    let mix = Mix::released();
    for (name, warns) in [("clearwell.socket", true), ("clearwell-listener", false)] {
        let socket = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = socket.local_addr().unwrap().to_string();
        let serve = format!(
            "LISTEN_PID=$$ LISTEN_FDS=1 LISTEN_FDNAMES={name} exec \
             \"$0\" serve --store store --listen 127.0.0.1:0 --admin off --log-style text 3<&0 </dev/null 2>log"
        );
        let mut command = shell(mix.dir(), &serve);
        command.stdin(Stdio::from(OwnedFd::from(socket)));
        let running = Running::start(command);
        let log = || fs::read_to_string(mix.path("log")).unwrap_or_default();
        wait_for(|| log().contains("listening"));
        let log = log();
        assert_eq!(log.contains("that no listener uses") && log.contains(&address), warns, "{name}: {log}");
        drop(running);
    }
}

#[test]
fn credentials_are_found_in_their_folder() {
    let mix = Mix::released();
    mix.put(
        "serve.toml",
        "listen = \"off\"\nlisten-tls = \"127.0.0.1:0\"\ntls-certificate = \"${CREDENTIALS_DIRECTORY}/Swupd_Root.pem\"\n\
         tls-key = \"${CREDENTIALS_DIRECTORY}/private.pem\"\n",
    );
    let check = ["serve", "--check-config", "--store", "store", "--config", "serve.toml"];
    mix.run_with("CREDENTIALS_DIRECTORY", mix.dir(), &check).expect(0);
    mix.refuses(&check, 2, &["tls-certificate", "${CREDENTIALS_DIRECTORY} is not set", "LoadCredential="]);
}

#[test]
fn a_refused_reload_still_opens_the_access_log_again() {
    let mix = Mix::released();
    let good = "access-log = \"full\"\naccess-log-format = \"combined\"\naccess-log-file = \"access.log\"\nwatch-files = false\n";
    mix.put("serve.toml", good);
    let server = Server::start(mix.dir(), "store", &["--config", "serve.toml"]);
    let has_lines = || fs::metadata(mix.path("access.log")).is_ok_and(|log| log.len() > 0);
    let request = || assert_eq!(get(&server.listen, "/version/format30/latest").1, "10");
    for text in ["nonsense = 1\n", "base-path = \"/update\"\n"] {
        request();
        wait_for(has_lines);
        fs::rename(mix.path("access.log"), mix.path("access.log.1")).unwrap();
        mix.put("serve.toml", format!("{good}{text}"));
        server.running.hang_up();
        wait_for(|| {
            request();
            has_lines()
        });
    }
}
