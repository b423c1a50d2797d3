//! The access log on a full disk: written and lost lines together are all requests, and every line is complete.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::process::Command;

use clearwell_testkit::sample_store;

use crate::metrics::metric;
use crate::run::{Server, clearwell};
use crate::wait::until;

const REQUESTS: usize = 1000;

/// `serve`, whose files may not grow beyond some kilobytes.
fn limited(serve: &Command) -> Command {
    let mut limited = Command::new("sh");
    limited.args(["-c", "trap '' XFSZ; ulimit -f 16; exec \"$0\" \"$@\""]);
    limited.arg(serve.get_program()).args(serve.get_args());
    if let Some(folder) = serve.get_current_dir() {
        limited.current_dir(folder);
    }
    for (name, value) in serve.get_envs() {
        match value {
            Some(value) => limited.env(name, value),
            None => limited.env_remove(name),
        };
    }
    limited
}

#[test]
fn a_full_disk_loses_whole_lines_and_counts_them() {
    for (form, ends_with) in [("combined", "\""), ("json", "}")] {
        let folder = tempfile::tempdir().unwrap();
        sample_store(&folder.path().join("store"));
        let options = ["--access-log", "full", "--access-log-format", form, "--access-log-file", "access.log"];
        let listen = ["--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"];
        let serve =
            clearwell(folder.path(), &[&["serve", "--store", "store", "--json"], &listen[..], &options].concat());
        let server = Server::start_by(limited(&serve));
        let mut client = TcpStream::connect(&server.listen).unwrap();
        let request = "GET /20/format HTTP/1.1\r\nHost: x\r\n\r\n";
        for _ in 1..REQUESTS {
            client.write_all(request.as_bytes()).unwrap();
            let mut answer = [0; 4096];
            assert!(client.read(&mut answer).unwrap() > 0);
        }
        client.write_all(request.replace("\r\n\r\n", "\r\nConnection: close\r\n\r\n").as_bytes()).unwrap();
        client.read_to_end(&mut Vec::new()).unwrap();

        let log = || fs::read_to_string(folder.path().join("access.log")).unwrap();
        let lost = || metric(&server, "clearwell_http_access_log_lines_lost_total") as usize;
        until(|| log().lines().count() + lost() == REQUESTS);
        let text = log();
        assert!(lost() > 0 && text.lines().count() > 10, "the limit was met");
        assert!(text.ends_with('\n') && text.lines().all(|line| line.ends_with(ends_with)), "{text}");
    }
}
