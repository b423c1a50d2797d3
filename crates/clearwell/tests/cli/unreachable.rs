//! `verify` on servers that do not exist, or that serve something else.
//!
//! | The server | Exit code |
//! |---|---|
//! | does not exist: name, address, port | 10 |
//! | speaks no TLS, or has a certificate that is not trusted | 10 |
//! | stays silent, or closes the connection without a response | 10 |
//! | responds to the pointer with a status other than 200: 301, 403, 404, 500, … | 10 |
//! | closes the connection in the middle | 10 |
//! | responds with other content: nothing, a web page, other signatures | 1 |
//! | has releases, but not the requested one | 4 |

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::thread;

use crate::mix::Mix;
use crate::run::{Ended, Server};

const QUICK: [&str; 4] = ["--retry-seconds", "0", "--timeout-seconds", "1"];

fn verify(mix: &Mix, url: &str, more: &[&str]) -> Ended {
    mix.run(&[&["verify", "--url", url], &QUICK[..], more].concat())
}

/// A server that does the same with every connection, until the process ends. Returns its URL.
fn server(act: impl Fn(&mut TcpStream) + Send + Sync + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        let act = &act;
        thread::scope(|scope| {
            for connection in listener.incoming() {
                scope.spawn(move || act(&mut connection.unwrap()));
            }
        });
    });
    format!("http://{address}")
}

/// A server that gives every request the same answer.
fn answering(answer: &'static str) -> String {
    server(move |connection| {
        // One answer for each head of a request; a client that disconnects is ignored.
        let mut received = Vec::new();
        let mut buffer = [0; 1024];
        while let Ok(count @ 1..) = connection.read(&mut buffer) {
            received.extend_from_slice(&buffer[..count]);
            while let Some(end) = received.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
                let is_head = received.starts_with(b"HEAD");
                received.drain(..end + 4);
                let end = if is_head { answer.find("\r\n\r\n").unwrap() + 4 } else { answer.len() };
                if connection.write_all(&answer.as_bytes()[..end]).is_err() {
                    return;
                }
            }
        }
    })
}

#[test]
fn an_unresponsive_server_is_a_network_error() {
    let mix = Mix::new();
    let unused = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let plain = answering("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n");
    for (what, url) in [
        ("no listener", format!("http://{unused}")),
        ("the name is unknown", "http://nosuch.invalid/update".to_owned()),
        ("no TLS", plain.replace("http:", "https:")),
        ("silence", server(|connection| drop(connection.read_to_end(&mut Vec::new())))),
        ("it hangs up", server(|_| {})),
        ("something else than HTTP", answering("SSH-2.0-OpenSSH_9.6\r\n\r\n\r\n")),
        ("404", plain.clone()),
        ("403", answering("HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")),
        ("500", answering("HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\n\r\n")),
        ("503", answering("HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n")),
        ("301", answering("HTTP/1.1 301 Moved\r\nLocation: http://nosuch.invalid/\r\nContent-Length: 0\r\n\r\n")),
        ("204", answering("HTTP/1.1 204 No Content\r\n\r\n")),
    ] {
        for more in [&[][..], &["--version", "20"], &["--version", "20", "--bundles", "editor", "--from", "10"]] {
            let ended = verify(&mix, &url, more);
            assert_eq!(ended.code, Some(10), "{what}: {}{}", ended.stdout, ended.stderr);
            let error = ended.error();
            assert!(error.contains("cannot be verified") && error.contains("could not be fetched"), "{what}: {error}");
            assert_eq!(ended.stdout, "");
        }
        let json = verify(&mix, &url, &["--json"]).expect(10).json();
        assert_eq!(json["exit"], 10);
    }
    let ended = verify(&mix, &answering("HTTP/1.1 302 Found\r\nContent-Length: 0\r\n\r\n"), &[]);
    ended.expect(10).says(&["status 302", "do not follow redirects"]);
    // The pointers on another server, which does not exist.
    let more = ["--version-url", &format!("http://{unused}")];
    verify(&mix, &plain, &more).expect(10).says(&[&unused.to_string()]);
}

#[test]
fn other_content_fails_the_check() {
    let mix = Mix::new();
    for (what, url) in [
        ("nothing", answering("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")),
        ("a web page", answering("HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\n<html>It works</html")),
        ("half an answer", answering("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n10")),
    ] {
        let ended = verify(&mix, &url, &[]);
        assert_eq!(ended.code, Some(1), "{what}: {}{}", ended.stdout, ended.stderr);
        assert!(ended.stdout.contains("PROBLEM") && ended.stdout.contains("FAILED"), "{what}: {}", ended.stdout);
    }
}

#[test]
fn a_server_of_ours_is_verified_with_the_certificate_of_the_mix() {
    let mix = Mix::changed();
    mix.build(&[]).expect(0);
    let served = Server::start(mix.dir(), "store", &[]);
    let url = served.url();
    let ended = verify(&mix, &url, &["--from", "10"]).expect(0);
    assert!(!ended.stderr.contains("not checked"), "{}", ended.stderr);
    verify(&mix, &url, &["--version", "99"]).expect(4).says(&["no release 99", "newest is 20"]);
    verify(&mix, &url, &["--from", "15"]).expect(4).says(&["no release 15", "newest is 20"]);
    verify(&mix, &url, &["--bundles", "nosuch"]).expect(3).says(&["no bundle nosuch", "editor, libs and os-core"]);
    verify(&mix, &url, &["--format", "77"]).expect(10).says(&["version/format77/latest could not be fetched"]);

    // Where the configuration says that endpoints fetch.
    mix.run(&["verify", "--url"]).expect(2).says(&["content-url", "clearwell.toml"]);
    let config = std::fs::read_to_string(mix.path("clearwell.toml")).unwrap();
    mix.put("served.toml", format!("{config}content-url = \"{url}/\"\n"));
    mix.run(&["verify", "--config", "served.toml", "--url"]).expect(0);
    mix.put("served.toml", format!("{config}content-url = \"{url}\"\nversion-url = \"http://127.0.0.1:1\"\n"));
    mix.run(&["verify", "--config", "served.toml", "--url"]).expect(10).says(&["127.0.0.1:1"]);

    mix.run(&["init", "other"]).expect(0);
    let ended = verify(&mix, &url, &["--cert", "other/Swupd_Root.pem"]).expect(1);
    assert!(ended.stdout.contains("signature"), "{}", ended.stdout);
    verify(&mix, &url, &["--nosigcheck"]).expect(0).says(&["signatures are not checked"]);
}

#[test]
fn an_untrusted_certificate_is_a_network_error() {
    let mix = Mix::released();
    let pair = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    mix.put("tls.pem", pair.cert.pem());
    mix.put("tls.key", pair.signing_key.serialize_pem());
    let tls = ["--listen-tls", "127.0.0.1:0", "--tls-cert", "tls.pem", "--tls-key", "tls.key"];
    let served = Server::start(mix.dir(), "store", &tls);
    let url = format!("https://{}", served.listen_tls.as_ref().unwrap());
    verify(&mix, &url, &[]).expect(10).says(&["cannot connect", "certificate"]);
    verify(&mix, &url, &["--ca", "tls.pem"]).expect(0);
}
