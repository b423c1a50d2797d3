//! `clearwell serve` as a process: addresses, configuration, signals.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixDatagram;
use std::process::Stdio;

use crate::mix::Mix;
use crate::run::{Running, Server, clearwell, shell};

/// The answer to one GET, head and body.
pub(crate) fn get(address: &str, path: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(address).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    let answer = String::from_utf8_lossy(&answer).into_owned();
    let status = answer.split(' ').nth(1).unwrap().parse().unwrap();
    (status, answer.split_once("\r\n\r\n").unwrap().1.to_owned())
}

#[test]
fn a_store_is_served_until_the_signal() {
    let mix = Mix::changed();
    let server = Server::start(mix.dir(), "store", &["--drain-grace-seconds", "0"]);
    assert_eq!(get(&server.listen, "/version/format30/latest"), (200, "10".to_owned()));
    assert_eq!(get(&server.listen, "/20/Manifest.MoM").0, 503, "not available yet");
    assert_eq!(get(&server.listen, "/meta/layout").0, 404);
    for address in [&server.listen, &server.admin] {
        assert_eq!(get(address, "/healthz").0, 200);
        assert_eq!(get(address, "/readyz").0, 200);
    }
    let (status, metrics) = get(&server.admin, "/metrics");
    assert!(status == 200 && metrics.contains("\n# TYPE process_open_fds gauge\n"), "{metrics}");
    // clearwell 0.1.0 (14598dc, store layout 1.2)
    let program = mix.run(&["--version"]).expect(0).stdout;
    let (version, rest) = program.strip_prefix("clearwell ").unwrap().split_once(" (").unwrap();
    let (commit, _) = rest.split_once(',').unwrap();
    let build = format!("\nclearwell_build_info{{commit=\"{commit}\",version=\"{version}\"}} 1\n");
    assert!(metrics.contains(&build), "{build} in {metrics}");
    assert_eq!(get(&server.listen, "/metrics").0, 404, "not for clients");

    // A release that is published meanwhile is served immediately on new connections.
    mix.build(&[]).expect(0);
    mix.run(&["verify", "--url", &server.url(), "--cert", "Swupd_Root.pem", "--from", "10"]).expect(0);
    assert_eq!(get(&server.listen, "/version/format30/latest"), (200, "20".to_owned()));

    server.running.terminate();
    let address = server.listen.clone();
    assert_eq!(server.running.wait().code(), Some(0));
    assert!(TcpStream::connect(address).is_err());
}

#[test]
fn an_empty_store_waits_for_its_first_release() {
    let mix = Mix::new();
    mix.run(&["init", "new"]).expect(0);
    let server = Server::start(mix.dir(), "new/store", &["--drain-grace-seconds", "0"]);
    assert_eq!(get(&server.listen, "/version/format30/latest").0, 503);
    assert_eq!(get(&server.listen, "/healthz").0, 200);
}

#[test]
fn options_override_the_environment_and_both_the_file() {
    let mix = Mix::released();
    let [in_file, in_environment] = [(); 2].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
    let address = |listener: &TcpListener| listener.local_addr().unwrap().to_string();
    mix.put("serve.toml", format!("listen = \"{}\"\nadmin = \"off\"\nbase-path = \"/update\"\n", address(&in_file)));
    let serve = ["serve", "--store", "store", "--config", "serve.toml"];
    mix.run(&serve).expect(10).says(&["listen", &address(&in_file), "in use"]);
    let variable = "CLEARWELL_SERVE_LISTEN";
    mix.run_with(variable, address(&in_environment), &serve).expect(10).says(&[&address(&in_environment)]);
    let options = ["--listen", "127.0.0.1:0", "--json"];
    let mut command = clearwell(mix.dir(), &[&serve[..], &options].concat());
    command.env(variable, address(&in_environment));
    let (running, mut stdout) = Running::start_read(command);
    let mut text = String::new();
    while !text.contains('}') {
        assert_ne!(std::io::BufRead::read_line(&mut stdout, &mut text).unwrap(), 0);
    }
    let addresses: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(addresses["admin"], serde_json::Value::Null);
    let listen = addresses["listen"].as_str().unwrap();
    assert_eq!(get(listen, "/update/version/format30/latest").1, "10");
    assert_eq!(get(listen, "/version/format30/latest").0, 404);
    drop(running);
}

/// Waits until an answer has changed; the test harness bounds it.
pub(crate) fn wait_for(mut changed: impl FnMut() -> bool) {
    for _ in 0..2000 {
        if changed() {
            return;
        }
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    panic!("nothing changed");
}

/// The header of the answer to one GET.
fn header(address: &str, path: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    String::from_utf8_lossy(&answer).into_owned()
}

#[test]
fn a_running_server_applies_or_refuses_a_new_configuration() {
    let mix = Mix::released();
    let retry = |seconds: u32| format!("retry-after: {seconds}\r\n");
    mix.put("serve.toml", "retry-after-seconds = 11\nwatch-files = false\n");
    let server = Server::start(mix.dir(), "store", &["--config", "serve.toml", "--drain-grace-seconds", "0"]);
    let has = |seconds| header(&server.listen, "/20/format").contains(&retry(seconds));
    assert!(has(11));
    mix.put("serve.toml", "retry-after-seconds = 12\nwatch-files = false\n");
    server.running.hang_up();
    wait_for(|| has(12));
    mix.put("serve.toml", "retry-after-seconds = none\n");
    server.running.hang_up();
    let refused = "clearwell_http_reloads_refused_total{kind=\"configuration\"} 1\n";
    wait_for(|| get(&server.admin, "/metrics").1.contains(refused));
    assert!(has(12), "what cannot be used changes nothing");
    server.running.terminate();
    assert_eq!(server.running.wait().code(), Some(0));

    mix.put("serve.toml", "retry-after-seconds = 13\n");
    let watching = Server::start(mix.dir(), "store", &["--config", "serve.toml"]);
    mix.put("serve.toml", "retry-after-seconds = 14\n");
    wait_for(|| header(&watching.listen, "/20/format").contains(&retry(14)));
}

#[test]
fn systemd_is_told_what_the_server_does() {
    let mix = Mix::released();
    let socket = UnixDatagram::bind(mix.path("notify.sock")).unwrap();
    // Only so that a failure ends the test.
    socket.set_read_timeout(Some(std::time::Duration::from_secs(60))).unwrap();
    let message = || {
        let mut bytes = [0; 4096];
        let length = socket.recv(&mut bytes).unwrap();
        String::from_utf8(bytes[..length].to_vec()).unwrap()
    };
    mix.put("serve.toml", "watch-files = false\ndrain-grace-seconds = 0\n");
    let args = ["serve", "--store=store", "--config=serve.toml", "--listen=127.0.0.1:0", "--admin=off"];
    let mut command = clearwell(mix.dir(), &args);
    command.env("NOTIFY_SOCKET", mix.path("notify.sock"));
    let running = Running::start(command);
    let serving = message();
    assert!(serving.starts_with("READY=1\nSTATUS=Serving http://127.0.0.1:"), "{serving}");
    // The listening sockets: those of an earlier process are dropped, these are kept.
    assert_eq!(message(), "FDSTOREREMOVE=1\nFDNAME=clearwell-listener\n");
    assert_eq!(message(), "FDSTORE=1\nFDNAME=clearwell-listener\n");
    // A configuration that is refused ends the reload too.
    for text in ["watch-files = false\ndrain-grace-seconds = 0\n", "nonsense = 1\n"] {
        mix.put("serve.toml", text);
        running.hang_up();
        let reloading = message();
        let time = reloading.strip_prefix("RELOADING=1\nMONOTONIC_USEC=").unwrap_or_else(|| panic!("{reloading}"));
        assert!(time.trim_end().parse::<u64>().unwrap() > 0);
        let reloaded = message();
        match text.starts_with("nonsense") {
            false => assert_eq!(reloaded, serving),
            true => {
                let refused =
                    format!("{}; the last reload was refused: serve.toml:1:1: nonsense: ", serving.trim_end());
                assert!(reloaded.starts_with(&refused), "{reloaded}");
            }
        }
    }
    running.terminate();
    assert_eq!(message(), "STOPPING=1\nSTATUS=Draining: running requests end\n");
    assert_eq!(running.wait().code(), Some(0));

    let mut command = clearwell(mix.dir(), &["serve", "--store=store", "--listen=127.0.0.1:0", "--admin=off"]);
    command.env("NOTIFY_SOCKET", mix.path("notify.sock")).env("WATCHDOG_USEC", "20000");
    let running = Running::start(command);
    let mut alive = 0;
    while alive < 3 {
        alive += u8::from(message() == "WATCHDOG=1\n");
    }
    drop(running);
}

#[test]
fn a_configuration_can_be_checked() {
    let mix = Mix::released();
    let check = ["serve", "--check-config", "--store", "store"];
    mix.run(&check).expect(0);
    assert_eq!(mix.run(&[&check[..], &["--json"]].concat()).expect(0).json()["usable"], true);
    for (options, code, says) in [
        (&["--listen", "off"][..], 2, &["listen"][..]),
        (&["--memory-cache", "999999GiB"], 2, &["memory-cache", "MiB"]),
        (&["--max-connections", "9999999999"], 2, &["max-connections", "file descriptors"]),
        (&["--access-log-format", "combined"], 2, &["access-log-file"]),
        (&["--access-log-file", "no/folder/log"], 9, &["access-log-file", "no/folder/log"]),
        (&["--listen", "systemd:http"], 0, &[]),
    ] {
        if code == 0 {
            mix.run(&[&check[..], options].concat()).expect(0);
        } else {
            mix.refuses(&[&check[..], options].concat(), code, says);
        }
    }
    mix.refuses(
        &["serve", "--store", "store", "--admin", "off", "--listen", "systemd:http"],
        2,
        &["systemd", "FileDescriptorName=http"],
    );
}

/// What is printed is a configuration file with the same settings, those of options included.
#[test]
fn a_check_prints_every_setting() {
    let mix = Mix::released();
    let check = |options: &[&str]| {
        let command = ["serve", "--check-config", "--store", "store"];
        mix.run(&[&command[..], options].concat()).expect(0).stdout
    };
    let printed = check(&["--listen", "127.0.0.1:0", "--max-streams", "7", "--base-path", "/update"]);
    for line in ["[limits]", "max-streams = 7", "[addresses]", "base-path = \"/update\"", "memory-cache = \"64MiB\""] {
        assert!(printed.lines().any(|printed| printed == line), "{line}: {printed}");
    }
    mix.put("printed.toml", &printed);
    assert_eq!(check(&["--config", "printed.toml"]), printed);
}

#[test]
fn a_socket_of_systemd_is_used() {
    let mix = Mix::released();
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap().to_string();
    // As systemd does it: the socket is descriptor 3, and the process that runs in the end is named.
    let serve = "LISTEN_PID=$$ LISTEN_FDS=1 LISTEN_FDNAMES=http exec \
                 \"$0\" serve --store store --listen systemd:http --admin off 3<&0 </dev/null";
    let mut command = shell(mix.dir(), serve);
    command.stdin(Stdio::from(OwnedFd::from(socket.try_clone().unwrap())));
    let running = Running::start(command);
    assert_eq!(get(&address, "/version/format30/latest").1, "10");
    drop((running, socket));
    assert!(TcpStream::connect(address).is_err());
}

#[test]
fn an_unusable_configuration_is_named() {
    let mix = Mix::released();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = taken.local_addr().unwrap().to_string();
    let serve = ["serve", "--store", "store", "--json"];
    for (options, code, says) in [
        (&["--listen", "nonsense"][..], 2, &["listen", "nonsense"][..]),
        (&["--listen", "off"], 2, &["listen and listen-tls are both off", "give one of them an address"]),
        (&["--listen", "127.0.0.1:0", "--max-connections", "many"], 2, &["max-connections", "many"]),
        (&["--listen", "127.0.0.1:0", "--memory-cache", "much"], 2, &["memory-cache"]),
        (&["--listen", "127.0.0.1:0", "--access-log", "some"], 2, &["access-log", "some"]),
        (&["--listen", "127.0.0.1:0", "--listen-tls", "127.0.0.1:0"], 2, &["tls-certificate", "listen-tls"]),
        (&["--listen", "127.0.0.1:0", "--signing-cert", "none.pem"], 2, &["signing-certificate", "none.pem"]),
        (&["--config", "none.toml"], 2, &["none.toml"]),
        (&["--listen", &taken, "--admin", "off"], 10, &["listen", &taken, "in use"]),
        (&["--listen", "127.0.0.1:0", "--admin", &taken], 10, &["admin", &taken]),
    ] {
        mix.refuses(&[&serve[..3], options].concat(), code, says);
    }
    for (text, key) in
        [("lisen = \"127.0.0.1:0\"\n", "lisen"), ("idle-seconds = \"x\"\n", "idle-seconds"), ("= 1\n", "bad.toml")]
    {
        mix.put("bad.toml", text);
        mix.refuses(&[&serve[..3], &["--config", "bad.toml"]].concat(), 2, &["bad.toml", key]);
    }
    fs::remove_file(mix.path("bad.toml")).unwrap();
}
