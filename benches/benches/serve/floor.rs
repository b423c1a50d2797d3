//! The floor: a loop over epoll that reads anything and writes one prepared response. No single-threaded server that
//! reads and writes once per request can cost less.

use std::collections::HashMap;
use std::io::{ErrorKind, Read, Write};

use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token};

/// The mean size of small objects.
const BODY_BYTES: usize = 7300;
const LISTENER: Token = Token(usize::MAX);

pub(crate) fn serve() {
    let mut text = format!(
        "HTTP/1.1 200 OK\r\ndate: Sun, 06 Nov 1994 08:49:37 GMT\r\ncontent-length: {BODY_BYTES}\r\n\
         content-type: application/octet-stream\r\nx: {}\r\n\r\n",
        "x".repeat(160)
    )
    .into_bytes();
    text.resize(text.len() + BODY_BYTES, b'x');

    let mut listener = TcpListener::bind("127.0.0.1:0".parse().expect("an address")).expect("a free port");
    let address = listener.local_addr().expect("it is bound");
    println!("{address}\n{address}");
    let mut poll = Poll::new().expect("epoll");
    poll.registry().register(&mut listener, LISTENER, Interest::READABLE).expect("a listener");
    let mut connections: HashMap<Token, TcpStream> = HashMap::new();
    let mut events = Events::with_capacity(1024);
    let mut next = 0;
    let mut buffer = [0; 16384];
    loop {
        poll.poll(&mut events, None).expect("epoll");
        for event in &events {
            if event.token() == LISTENER {
                while let Ok((mut stream, _)) = listener.accept() {
                    next += 1;
                    poll.registry().register(&mut stream, Token(next), Interest::READABLE).expect("a connection");
                    connections.insert(Token(next), stream);
                }
                continue;
            }
            let Some(stream) = connections.get_mut(&event.token()) else { continue };
            match stream.read(&mut buffer) {
                Ok(1..) => {
                    // Fits into the socket's buffer: the client waits for the response before it sends the next request.
                    let _ = stream.write(&text);
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                _ => drop(connections.remove(&event.token())),
            }
        }
    }
}
