//! Memory of HTTP/2: the memory of a connection is bounded, whatever it requests and however little it reads, and the
//! memory of many connections returns to the system after they close.

use crate::frames::{MAXIMAL_WINDOW, RawClient, window_update};
use crate::served::Served;
use crate::wait::until;

const PACK: &str = "/20/pack-os-core-from-15.tar";
const PACK_BYTES: usize = 10 << 20;
/// The memory that `serve` assumes for a connection.
const CONNECTION_KIB: u64 = 385;
/// The memory that the process may keep afterwards: caches of its threads, tables that have grown.
const KEPT_KIB: u64 = 12 * 1024;
const CONNECTIONS: usize = 60;
const STREAMS: usize = 64;

fn served() -> Served {
    let pack = vec![7; PACK_BYTES];
    let served = Served::start(&[("pack-os-core-from-15.tar", &pack)], &["--max-downloads-per-address", "0"]);
    // What is loaded once is loaded before anything is measured.
    assert_eq!(served.get(PACK).1.len(), PACK_BYTES);
    let mut client = RawClient::connect(&served.server.listen, MAXIMAL_WINDOW);
    client.ask([PACK]);
    let mut read = 0;
    while read < PACK_BYTES {
        read += client.read(1 << 16);
    }
    drop(client);
    served.wait_for_metric("clearwell_http_requests_in_flight", 0);
    served
}

/// Measures memory with many connections, and after they have closed.
fn measure(served: &Served, connect: impl Fn(&Served) -> Vec<RawClient>) {
    let before = served.settled_kib();
    let crowd = connect(served);
    let at_peak = served.settled_kib();
    let bound = before + CONNECTION_KIB * crowd.len() as u64;
    assert!(at_peak <= bound, "{} connections: {before} KiB before, {at_peak} KiB at their peak", crowd.len());
    drop(crowd);
    served.wait_for_metric("clearwell_http_connections_open{listener=\"cleartext\"}", 0);
    until(|| served.resident_kib() <= before + KEPT_KIB);
    assert_eq!(served.get("/20/format").0, 200);
}

/// Connections that request the pack on each stream, the n-th with the window `window(n)`, once all have a response.
fn connections(served: &Served, window: impl Fn(usize) -> u32) -> Vec<RawClient> {
    let connect = |at| {
        let mut client = RawClient::connect(&served.server.listen, window(at));
        client.ask([PACK; STREAMS]);
        client
    };
    let crowd = (0..CONNECTIONS).map(connect).collect();
    in_flight(served);
    crowd
}

fn in_flight(served: &Served) {
    served.wait_for_metric("clearwell_http_requests_in_flight", (CONNECTIONS * STREAMS) as u64);
}

#[test]
fn streams_that_are_not_read() {
    measure(&served(), |served| connections(served, |_| MAXIMAL_WINDOW));
}

#[test]
fn streams_that_are_read_a_little_and_then_not() {
    measure(&served(), |served| {
        let mut crowd = connections(served, |_| MAXIMAL_WINDOW);
        for client in &mut crowd {
            for _ in 0..20 {
                client.read(10_000);
            }
        }
        in_flight(served);
        crowd
    });
}

#[test]
fn streams_without_a_window() {
    measure(&served(), |served| connections(served, |at| [0, 1, 100, 20_000][at % 4]));
}

#[test]
fn windows_that_open_once_everything_waits() {
    measure(&served(), |served| {
        let mut crowd = connections(served, |_| 0);
        for client in &mut crowd {
            let windows = (0..=2 * STREAMS as u32).filter(|stream| *stream == 0 || stream % 2 == 1);
            client.send(&windows.flat_map(|stream| window_update(stream, 1 << 29)).collect::<Vec<u8>>());
        }
        crowd
    });
}

/// Small objects are kept in memory as a whole: no more of them are sent than the budget allows.
#[test]
fn small_objects_that_are_not_read() {
    let names = (1..20)
        .filter(|from| *from != 10)
        .flat_map(|from| ["os-core", "editor"].map(|bundle| format!("pack-{bundle}-from-{from}.tar")));
    let packs: Vec<(String, Vec<u8>)> = names.enumerate().map(|(at, name)| (name, vec![at as u8; 60_000])).collect();
    let packs: Vec<(&str, &[u8])> = packs.iter().map(|(name, bytes)| (name.as_str(), &bytes[..])).collect();
    // The cache is off: only streams use memory.
    let served = Served::start(&packs, &["--memory-cache", "0"]);
    let paths: Vec<String> = packs.iter().map(|(name, _)| format!("/20/{name}")).collect();
    for path in &paths {
        assert_eq!(served.get(path).1.len(), 60_000);
    }
    measure(&served, |served| {
        let connect = |_| {
            let mut client = RawClient::connect(&served.server.listen, 1);
            client.ask(paths.iter().map(String::as_str));
            client
        };
        (0..CONNECTIONS).map(connect).collect()
    });
}
