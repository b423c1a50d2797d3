//! Metrics of a server, read from its admin address.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use crate::run::Server;

/// The value of one line of the metrics, by its name with labels.
#[track_caller]
pub(crate) fn metric(server: &Server, name: &str) -> u64 {
    let mut stream = TcpStream::connect(&server.admin).unwrap();
    write!(stream, "GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    value.unwrap_or_else(|| panic!("no {name} in\n{text}")).parse().unwrap()
}
