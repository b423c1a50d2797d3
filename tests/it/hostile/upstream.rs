//! A server under the control of a test: it serves a tree, and delays, falsifies or never ends the responses for some
//! paths.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// How a path is answered.
#[derive(Clone)]
pub(crate) enum Answer {
    /// The file of the tree.
    File,
    /// Other bytes.
    Bytes(Vec<u8>),
    /// An endless body.
    Endless,
    /// A huge `Content-Length` and no body.
    Declared(u64),
    /// One byte at a time, with pauses.
    Drip,
    /// An endless header.
    EndlessHeader,
    /// A redirect to itself.
    Loop,
    /// No response.
    Silence,
}

/// A server; its threads end with the test.
pub(crate) struct Upstream {
    address: SocketAddr,
}

impl Upstream {
    /// Serves a tree; `answer` decides the response for each path.
    pub(crate) fn start(www: &Path, answer: impl Fn(&str) -> Answer + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (www, answer) = (www.to_owned(), Arc::new(answer));
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (www, answer) = (www.clone(), Arc::clone(&answer));
                // The thread ends when the client disconnects.
                std::thread::spawn(move || drop(serve(stream, &www, &*answer)));
            }
        });
        Self { address }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

fn serve(mut stream: TcpStream, www: &Path, answer: &dyn Fn(&str) -> Answer) -> std::io::Result<()> {
    let mut lines = BufReader::new(stream.try_clone()?).lines();
    while let Some(request) = lines.next().transpose()? {
        while lines.next().transpose()?.is_some_and(|line| !line.is_empty()) {}
        let mut words = request.split(' ');
        let (is_head, path) = (words.next() == Some("HEAD"), words.next().unwrap_or_default().to_owned());
        let mut whole = |status: &str, bytes: &[u8]| {
            write!(stream, "HTTP/1.1 {status}\r\nContent-Length: {}\r\n\r\n", bytes.len())?;
            if is_head { Ok(()) } else { stream.write_all(bytes) }
        };
        match answer(&path) {
            Answer::Bytes(bytes) => whole("200 OK", &bytes)?,
            Answer::File => match fs::read(file(www, &path)) {
                Ok(bytes) => whole("200 OK", &bytes)?,
                Err(_) => whole(if path == "/" { "200 OK" } else { "404 Not Found" }, b"")?,
            },
            Answer::Loop => write!(stream, "HTTP/1.1 302 Found\r\nLocation: {path}\r\nContent-Length: 0\r\n\r\n")?,
            Answer::Silence => std::thread::sleep(Duration::from_secs(600)),
            Answer::EndlessHeader => {
                write!(stream, "HTTP/1.1 200 OK\r\n")?;
                loop {
                    write!(stream, "X: {}\r\n", "x".repeat(1000))?;
                }
            }
            _ if is_head => whole("200 OK", b"")?,
            Answer::Declared(length) => write!(stream, "HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n")?,
            Answer::Endless => {
                write!(stream, "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n")?;
                loop {
                    stream.write_all(&[0; 64 << 10])?;
                }
            }
            Answer::Drip => {
                write!(stream, "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n")?;
                loop {
                    stream.write_all(b"x")?;
                    std::thread::sleep(Duration::from_millis(50));
                }
            }
        }
    }
    Ok(())
}

fn file(www: &Path, path: &str) -> PathBuf {
    www.join(path.trim_start_matches('/'))
}
