//! What `clearwell serve` logs, as programs read it: one JSON object a line, with plain values.

use std::fs::{self, File};
use std::io::{BufRead as _, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};

use serde_json::Value;

use crate::mix::Mix;
use crate::run::{Running, clearwell};
use crate::serve::{get, wait_for};

/// A server, and the file that its log goes to.
struct Logged<'m> {
    mix: &'m Mix,
    running: Running,
    /// What it printed: where it listens.
    printed: Value,
}

impl<'m> Logged<'m> {
    fn start(mix: &'m Mix, options: &[&str]) -> Self {
        let serve = ["serve", "--store", "store", "--json", "--log-style", "json", "--drain-grace-seconds", "0"];
        let mut command = clearwell(mix.dir(), &[&serve, options].concat());
        command.stderr(File::create(mix.path("log")).unwrap());
        let (running, mut stdout) = Running::start_logged(command);
        let mut text = String::new();
        while serde_json::from_str::<Value>(&text).is_err() {
            assert_ne!(stdout.read_line(&mut text).unwrap(), 0, "{}", fs::read_to_string(mix.path("log")).unwrap());
        }
        Self { mix, running, printed: serde_json::from_str(&text).unwrap() }
    }

    /// The fields of every line that is complete.
    fn lines(&self) -> Vec<Value> {
        let text = fs::read_to_string(self.mix.path("log")).unwrap();
        let complete = &text[..text.rfind('\n').map_or(0, |end| end + 1)];
        let line = |line: &str| -> Value {
            let line: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
            line["fields"].clone()
        };
        complete.lines().map(line).collect()
    }

    fn said(&self, message: &str) -> Vec<Value> {
        self.lines().into_iter().filter(|line| line["message"] == message).collect()
    }

    fn address(&self, key: &str) -> String {
        self.printed[key].as_str().unwrap().to_owned()
    }

    fn has_metric(&self, line: &str) -> bool {
        get(&self.address("admin"), "/metrics").1.lines().any(|found| found == line)
    }
}

/// The mix's certificate is used for TLS: the clients do not check the name in it.
const TLS: [&str; 6] = ["--listen-tls", "127.0.0.1:0", "--tls-cert", "Swupd_Root.pem", "--tls-key", "private.pem"];
const ADDRESSES: [&str; 4] = ["--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"];

#[test]
fn values_of_requests_are_plain() {
    let mix = Mix::released();
    let server = Logged::start(&mix, &[&ADDRESSES[..], &["--access-log", "full"]].concat());
    let mut stream = TcpStream::connect(server.address("listen")).unwrap();
    let agent = "a \"b\" \\c";
    write!(
        stream,
        "GET /10/Manifest.os%2Dcore?\\x HTTP/1.1\r\nHost: x\r\nUser-Agent: {agent}\r\nReferer: \"r\"\r\n\
         traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01\r\nConnection: close\r\n\r\n"
    )
    .unwrap();
    stream.read_to_end(&mut Vec::new()).unwrap();
    let request = || server.lines().into_iter().find(|line| line["status"] == 200);
    wait_for(|| request().is_some());
    let request = request().unwrap();
    for (field, value) in [
        ("client", "127.0.0.1"),
        ("method", "GET"),
        ("path", "/10/Manifest.os%2Dcore?\\x"),
        ("version", "HTTP/1.1"),
        ("agent", agent),
        ("referer", "\"r\""),
        ("trace_id", "4bf92f3577b34da6a3ce929d0e0e4736"),
    ] {
        assert_eq!(request[field], value, "{request}");
    }
}

#[test]
fn every_address_is_logged_with_its_real_port() {
    let mix = Mix::released();
    let socket = format!("unix:{}", mix.path("http.sock").display());
    let third = format!("{} proxy-protocol", clearwell_testkit::ipv6_loopback());
    let listen = format!("127.0.0.1:0,{socket},{third}");
    let server = Logged::start(&mix, &[&TLS[..], &["--listen", &listen, "--admin", "127.0.0.1:0"]].concat());
    let lines = server.said("listening");
    let found: Vec<(&str, bool)> =
        lines.iter().map(|line| (line["listener"].as_str().unwrap(), line["tls"].as_bool().unwrap())).collect();
    assert_eq!(
        found,
        [("listen", false), ("listen", false), ("listen", false), ("listen-tls", true), ("admin", false)]
    );
    let addresses: Vec<&str> = lines.iter().map(|line| line["address"].as_str().unwrap()).collect();
    assert_eq!(addresses[1], socket);
    for at in [0, 2, 3, 4] {
        let address: SocketAddr = addresses[at].parse().unwrap();
        assert!(address.port() > 0 && TcpStream::connect(address).is_ok(), "{address}");
    }
    assert_eq!(lines[2]["configured"], third);
    let urls: Vec<String> = found
        .iter()
        .zip(&addresses)
        .map(|((_, tls), address)| format!("http{}://{address}", if *tls { "s" } else { "" }))
        .collect();
    assert_eq!(server.printed["all"], serde_json::json!(urls));
    let first = [server.address("listen"), server.address("listen-tls"), server.address("admin")];
    assert_eq!(first, [addresses[0], addresses[3], addresses[4]]);
}

#[test]
fn failed_handshakes_are_logged_and_cannot_flood_the_log() {
    let mix = Mix::released();
    let server = Logged::start(&mix, &[&TLS[..], &ADDRESSES].concat());
    let tls = server.address("listen-tls");
    let mut clients = Vec::new();
    for _ in 0..30 {
        let mut stream = TcpStream::connect(&tls).unwrap();
        clients.push(stream.local_addr().unwrap().to_string());
        stream.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
        // Anything the server sends before it closes.
        let _ = stream.read_to_end(&mut Vec::new());
    }
    wait_for(|| server.has_metric("clearwell_http_connections_ended_early_total{reason=\"tls_handshake\"} 30"));
    let lines = server.said("TLS handshake failed");
    // Ten for each ten seconds; a slow machine may see another window begin.
    assert!((10..30).contains(&lines.len()), "{lines:#?}");
    for line in lines {
        assert!(clients.iter().any(|client| line["client"] == **client), "{line}");
        assert!(line["reason"].as_str().unwrap().contains("corrupt message"), "{line}");
    }
}

#[test]
fn refused_reloads_are_counted_by_kind_and_logged_with_their_cause() {
    let mix = Mix::released();
    for name in ["Swupd_Root.pem", "private.pem"] {
        fs::copy(mix.path(name), mix.path(format!("tls-{name}"))).unwrap();
    }
    let good = "watch-files = false\ntls-certificate = \"tls-Swupd_Root.pem\"\ntls-key = \"tls-private.pem\"\n\
        listen-tls = \"127.0.0.1:0\"\n";
    mix.put("serve.toml", good);
    let server = Logged::start(&mix, &[&ADDRESSES[..], &["--config", "serve.toml"]].concat());
    let refused = || server.said("the new configuration is refused; the old one stays in use");
    let refused_are = |configurations: u32, certificates: u32| {
        let line = |kind: &str, count| format!("clearwell_http_reloads_refused_total{{kind=\"{kind}\"}} {count}");
        server.has_metric(&line("configuration", configurations))
            && server.has_metric(&line("certificates", certificates))
    };
    assert!(refused_are(0, 0));
    for (config, certificate, counts, cause) in [
        (format!("{good}idle-seconds = \"x\"\n"), None, (1, 0), "idle-seconds"),
        (format!("{good}workers = 7\n"), None, (2, 0), "workers cannot change"),
        (format!("{good}access-log-file = \"no/folder/log\"\n"), None, (3, 0), "No such file"),
        (good.to_owned(), Some("junk"), (3, 1), "tls-Swupd_Root.pem"),
    ] {
        mix.put("serve.toml", config);
        if let Some(junk) = certificate {
            mix.put("tls-Swupd_Root.pem", junk);
        }
        server.running.hang_up();
        wait_for(|| refused_are(counts.0, counts.1));
        let lines = refused();
        assert_eq!(lines.len(), (counts.0 + counts.1) as usize);
        let error = lines.last().unwrap()["error"].as_str().unwrap().to_owned();
        assert!(error.contains(cause) && !error.starts_with('"'), "{error}");
    }
}
