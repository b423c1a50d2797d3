//! `clearwell health`: what it asks, what it prints, how it ends.

use std::io::{BufRead as _, Read as _, Write as _};
use std::net::TcpListener;
use std::thread;

use crate::mix::Mix;
use crate::run::{Ended, Running, Server, clearwell};

#[test]
fn a_server_is_ready_then_drains_and_then_does_not_respond() {
    let mix = Mix::released();
    let server = Server::start(mix.dir(), "store", &["--drain-grace-seconds", "600"]);
    let admin = format!("http://{}", server.admin);
    let ended = mix.run(&["health", &admin]).expect(0);
    assert_eq!(ended.stdout, format!("{admin}/readyz: ready\n"));
    let public = mix.run(&["health", &server.listen, "--json"]).expect(0).json();
    assert_eq!(public["url"], format!("http://{}/readyz", server.listen));
    assert_eq!(
        (&public["healthy"], &public["status"], &public["answer"]),
        (&true.into(), &200.into(), &"ready".into())
    );

    server.running.terminate();
    let mut draining = mix.run(&["health", &admin, "--json"]);
    for _ in 0..2000 {
        // The signal is on its way.
        if draining.code != Some(0) {
            break;
        }
        draining = mix.run(&["health", &admin, "--json"]);
    }
    let document = draining.expect(1).json();
    assert_eq!((&document["healthy"], &document["status"]), (&false.into(), &503.into()));
    assert_eq!(document["answer"], "not ready: draining");
    let alive = mix.run(&["health", "--alive", &admin]).expect(0);
    assert_eq!(alive.stdout, format!("{admin}/healthz: alive\n"));

    server.running.kill();
    mix.refuses(&["health", &admin], 10, &[&format!("failed to ask {admin}/readyz"), "refused"]);
}

#[test]
fn a_store_without_a_release_is_alive_but_not_ready() {
    let mix = Mix::new();
    mix.run(&["init", "new"]).expect(0);
    let server = Server::start(mix.dir(), "new/store", &[]);
    let ended = mix.run(&["health", &server.admin]).expect(1);
    assert_eq!(ended.stdout, format!("http://{}/readyz: not ready: nothing is published\n", server.admin));
    mix.run(&["health", &server.admin, "--alive"]).expect(0);
}

#[test]
fn a_unix_socket_is_asked_too() {
    let mix = Mix::released();
    let socket = format!("unix:{}", mix.path("admin.sock").display());
    mix.put("serve.toml", format!("admin = \"{socket}\"\n"));
    let options = ["serve", "--store=store", "--config=serve.toml", "--listen=127.0.0.1:0", "--json"];
    let (_server, mut stdout) = Running::start_read(clearwell(mix.dir(), &options));
    let mut text = String::new();
    while !text.contains('}') {
        assert_ne!(stdout.read_line(&mut text).unwrap(), 0, "the server ended before it listened: {text:?}");
    }
    for address in [&["--config=serve.toml"][..], &[&socket]] {
        let ended = mix.run(&[&["health"], address].concat()).expect(0);
        assert_eq!(ended.stdout, format!("{socket}:/readyz: ready\n"));
    }
    mix.refuses(&["health", "unix:/none.sock"], 10, &["unix:/none.sock:/readyz", "No such file"]);
}

#[test]
fn without_an_address_the_configuration_says_it() {
    let mix = Mix::released();
    let server = Server::start(mix.dir(), "store", &[]);
    let port = |address: &str| address.rsplit_once(':').unwrap().1.to_owned();
    mix.put(
        "serve.toml",
        // Only the unit of the server has its credentials.
        format!(
            "listen = \"0.0.0.0:{}\"\nadmin = \"0.0.0.0:{}\"\ntls-key = \"${{CREDENTIALS_DIRECTORY}}/tls.key\"\n",
            port(&server.listen),
            port(&server.admin)
        ),
    );
    let of_file = ["health", "--config", "serve.toml"];
    let says = |ended: Ended, address: &str| {
        assert_eq!(ended.expect(0).stdout, format!("http://{address}/readyz: ready\n"));
    };
    says(mix.run(&of_file), &server.admin);
    says(mix.run_with("CLEARWELL_SERVE_CONFIG", "serve.toml", &["health"]), &server.admin);
    says(mix.run_with("CLEARWELL_SERVE_ADMIN", &server.listen, &of_file), &server.listen);
    says(mix.run_with("CLEARWELL_SERVE_ADMIN", "off", &of_file), &server.listen);
    says(mix.run_with("CLEARWELL_SERVE_ADMIN", format!("systemd:admin, {}", server.admin), &of_file), &server.admin);
}

#[test]
fn an_address_that_cannot_be_asked_is_refused() {
    let mix = Mix::released();
    for bad in ["https://127.0.0.1:8443", "127.0.0.1", "http://127.0.0.1:1/readyz", "unix:run.sock"] {
        mix.refuses(&["health", bad], 2, &[bad, "use http://HOST:PORT, HOST:PORT or unix:/PATH"]);
    }
    mix.refuses(&["health", "--limit-seconds", "0"], 2, &["above 0"]);
    mix.refuses(&["health", "--config", "none.toml"], 2, &["failed to read none.toml"]);
    mix.put("serve.toml", "admin = \"off\"\nlisten = \"systemd:http\"\n");
    let of_file = ["health", "--config", "serve.toml"];
    mix.refuses(&of_file, 2, &["neither admin (off) nor listen (systemd:http)", "give ADDRESS"]);
    mix.put("serve.toml", "[addresses]\nadmin = 1\n");
    mix.refuses(&of_file, 2, &["serve.toml:2:9: addresses.admin: "]);
    mix.put("serve.toml", "");
    mix.run_with("CLEARWELL_SERVE_ADMIN", "here", &of_file)
        .expect(2)
        .says(&["CLEARWELL_SERVE_ADMIN: \"here\" is not an"]);
    mix.refuses(&["health", "host.invalid:1"], 10, &["failed to ask http://host.invalid:1/readyz"]);
}

/// A server that answers every request with these bytes and then closes, or never if there are none.
fn answering(bytes: &'static [u8]) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    thread::spawn(move || {
        let mut kept = Vec::new();
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let _ = stream.read(&mut [0; 1024]);
            let _ = stream.write_all(bytes);
            if bytes.is_empty() {
                kept.push(stream);
            }
        }
    });
    address
}

#[test]
fn other_servers_are_not_healthy() {
    let mix = Mix::released();
    for (bytes, code, says) in [
        (&b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"[..], 1, "HTTP/1.1 404 Not Found"),
        (b"HTTP/1.0 500 Internal Server Error\r\n\r\n\x1b[2J\nmore", 1, ": \\x1b[2J"),
        (b"HTTP/1.1 200 OK\r\n\r\n", 0, "HTTP/1.1 200 OK"),
        (b"SSH-2.0-server\r\n", 10, "the answer is not HTTP/1"),
        (b"HTTP/1.1 ok\r\n\r\n", 10, "the answer is not HTTP/1"),
        (b"\n", 10, "the answer is not HTTP/1"),
    ] {
        let ended = mix.run(&["health", &answering(bytes)]).expect(code);
        assert!(ended.stdout.contains(says) || ended.stderr.contains(says), "{ended:?}");
    }
    let silent = answering(b"");
    let says = format!("http://{silent}/readyz does not respond within 1 s");
    mix.refuses(&["health", &silent, "--limit-seconds", "1"], 10, &[&says]);
}
