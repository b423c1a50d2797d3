//! Clients that never stop while nodes restart and releases are published, and may not see a single error.

use std::fs;
use std::io::{self, Write as _};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use clearwell_sign::verify;
use clearwell_testkit::signer;

use crate::connection::{Answer, Connection};
use crate::nodes::Stores;
use crate::run::run;
use crate::stock::Stock;

const LATEST: &str = "/version/format30/latest";
const SIGNATURE: &str = "/version/format30/latest.sig";
/// Stock clients, and readers of pointers, that run concurrently.
const CLIENTS: usize = 2;
const READERS: usize = 3;
/// Pointers that a reader reads before it opens another connection.
const PAIRS_PER_CONNECTION: u64 = 9;
/// Between two of them: the nodes and the proxy need the processors too.
const PAUSE: Duration = Duration::from_millis(4);

/// What the clients did, all without an error.
#[derive(Debug, Default)]
struct Tally {
    installs: AtomicU64,
    updates: AtomicU64,
    pairs: AtomicU64,
}

/// Runs clients of the proxy at `address` while `change` goes on, and each of them at least once after it.
pub(crate) fn while_clients_run(name: &str, stores: &Stores, address: SocketAddr, change: impl FnOnce()) {
    let (tally, stop) = (Tally::default(), AtomicBool::new(false));
    thread::scope(|scope| {
        for client in 0..CLIENTS {
            let test = format!("{name}-client-{client}");
            let (tally, stop) = (&tally, &stop);
            let builder = thread::Builder::new().name(test.clone());
            builder.spawn_scoped(scope, move || tally.update(&test, stores, address, stop)).unwrap();
        }
        for _ in 0..READERS {
            scope.spawn(|| tally.read_pairs(address, &stop));
        }
        // Whatever happens, the clients have to end.
        let _stop = StopOnDrop(&stop);
        change();
    });
    let Tally { installs, updates, pairs } = tally;
    let line =
        format!("{name}: {installs:?} installs, {updates:?} updates and {pairs:?} pairs of pointers, no error\n");
    io::stderr().write_all(line.as_bytes()).unwrap();
}

/// One installation and one update through the proxy at `address`.
pub(crate) fn updates(name: &str, stores: &Stores, address: SocketAddr) {
    Tally::default().update(name, stores, address, &AtomicBool::new(true));
}

struct StopOnDrop<'s>(&'s AtomicBool);

impl Drop for StopOnDrop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

impl Tally {
    /// The stock client installs release 10 and updates to the newest, again and again; without one, ours installs the
    /// newest.
    fn update(&self, test: &str, stores: &Stores, address: SocketAddr, stop: &AtomicBool) {
        let (url, certificate) = (format!("http://{address}"), stores.certificate());
        let find = || Stock::find(test, &stores.path("unused"), &certificate);
        let mut found = find();
        let is_stock = found.is_some();
        let mut is_last = false;
        while !is_last {
            is_last = stop.load(Ordering::SeqCst);
            if let Some(mut client) = found {
                client.ask(url.clone());
                client.install(10, 30, "editor").expect(0);
                client.update().expect(0);
                let installed = fs::read_to_string(client.root().join("usr/lib/os-release")).unwrap();
                let is_newest = installed == format!("VERSION_ID={}\n", stores.last().version);
                assert!(!is_last || is_newest, "{installed:?} after the last release");
                client.diagnose().expect(0);
                self.updates.fetch_add(1, Ordering::Relaxed);
            } else {
                let certificate = certificate.to_str().unwrap();
                let args = ["verify", "--url", &url, "--cert", certificate, "--retry-seconds", "0"];
                run(&std::env::temp_dir(), &args).expect(0);
            }
            self.installs.fetch_add(1, Ordering::Relaxed);
            // Each time a new machine.
            found = is_stock.then(|| find().unwrap());
        }
    }

    /// A client that does nothing but what each update begins with: `latest`, its signature, something of that release.
    fn read_pairs(&self, address: SocketAddr, stop: &AtomicBool) {
        let mut connection = Connection::open(address);
        let mut is_last = false;
        while !is_last {
            is_last = stop.load(Ordering::SeqCst);
            let count = self.pairs.fetch_add(1, Ordering::Relaxed);
            if count.is_multiple_of(PAIRS_PER_CONNECTION) {
                connection = Connection::open(address);
            }
            let latest = found(&mut connection, address, LATEST);
            let signature = found(&mut connection, address, SIGNATURE);
            let text = String::from_utf8(latest.body).unwrap();
            verify(text.as_bytes(), &signature.body, signer().anchor(), None)
                .unwrap_or_else(|error| panic!("{text}: {error}"));
            assert_eq!(found(&mut connection, address, &format!("/{text}/format")).body, b"30");
            thread::sleep(PAUSE);
        }
    }
}

/// A response with 200. A connection that ended since the last response is opened again, as libcurl does.
fn found(connection: &mut Connection, address: SocketAddr, path: &str) -> Answer {
    let answer = connection.try_ask("GET", path, &[]).unwrap_or_else(|_| {
        *connection = Connection::open(address);
        connection.get(path)
    });
    assert_eq!(answer.status, 200, "{path}: {answer:?}");
    answer
}
