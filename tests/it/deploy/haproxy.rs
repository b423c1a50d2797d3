//! `deploy/haproxy`: HAProxy in front of two nodes.

use std::cell::RefCell;
use std::fs;
use std::io::{Read as _, Write as _};
use std::net::SocketAddr;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::Command;

use clearwell_testkit::program;

use crate::connection::Connection;
use crate::daemon::{Daemon, checks, free_address, free_address_on};
use crate::nodes::Nodes;
use crate::shipped::Shipped;
use crate::wait::until;
use crate::{answers, load};

const LOST: &str = "deploy/haproxy is not tried";

/// HAProxy with a shipped file.
struct HaProxy {
    socket: PathBuf,
    _daemon: Daemon,
}

impl HaProxy {
    /// Checks the file and starts HAProxy, with the nodes at these addresses.
    fn start(program: &Path, nodes: &Nodes, config: Shipped, address: SocketAddr) -> Self {
        let path = |name| nodes.stores.path(name);
        let (file, socket) = (path("haproxy.cfg"), path("haproxy.sock"));
        let config = config.with("/run/haproxy/admin.sock", socket.to_str().unwrap());
        // Each connection needs two descriptors, of which a test has fewer than a service.
        config.with("    maxconn 20000", "    maxconn 1000").write(&file);
        checks(Command::new(program).arg("-c").arg("-f").arg(&file));
        let mut command = Command::new(program);
        command.arg("-db").arg("-f").arg(&file);
        let daemon = Daemon::start(command, &path("haproxy.log"), address);
        Self { socket, _daemon: daemon }
    }

    /// True if HAProxy would send a client to the node.
    fn is_up(&self, node: usize) -> bool {
        let mut stream = UnixStream::connect(&self.socket).unwrap();
        stream.write_all(b"show stat\n").unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        let line = text.lines().find(|line| line.starts_with(&format!("nodes,node{},", node + 1))).unwrap();
        line.split(',').nth(17) == Some("UP")
    }
}

/// A certificate and its key for `updates.example.org`, as PEM.
fn certificate() -> [String; 2] {
    let pair = rcgen::generate_simple_self_signed(["updates.example.org".to_owned()]).unwrap();
    [pair.cert.pem(), pair.signing_key.serialize_pem()]
}

#[test]
fn clients_notice_no_restart_and_no_publication() {
    let Some(program) = program("haproxy", LOST) else { return };
    let nodes = Nodes::start(|address| Shipped::read("haproxy/serve.toml").with("0.0.0.0:8080", address.to_string()));
    let (address, tls_address) = (free_address(), free_address());
    let [certificate, key] = certificate();
    let pem = nodes.stores.path("updates.pem");
    fs::write(&pem, format!("{certificate}{key}")).unwrap();
    let config = Shipped::read("haproxy/haproxy.cfg")
        .with("/etc/haproxy/updates.pem", pem.to_str().unwrap())
        .with("bind :80\n", format!("bind {address}\n"))
        .with("bind :443", format!("bind {tls_address}"))
        .with("10.0.0.11:8080", nodes.addresses[0].to_string())
        .with("10.0.0.12:8080", nodes.addresses[1].to_string());
    let proxy = HaProxy::start(&program, &nodes, config, address);
    answers::are_those_of_the_nodes(&nodes, address);
    answers::name_the_client(&nodes, address);
    let mut tls = Connection::open_tls(tls_address, &certificate);
    assert_eq!(tls.get("/version/latest_version").body, b"10");

    load::while_clients_run("haproxy", &nodes.stores, address, || {
        nodes.publish_one_after_another();
        nodes.roll(|node| proxy.is_up(node));
    });
    answers::follow_the_nodes(&nodes, address);
}

#[test]
fn tls_passes_through() {
    let Some(program) = program("haproxy", LOST) else { return };
    let [certificate, key] = certificate();
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    fs::write(path("tls.pem"), &certificate).unwrap();
    fs::write(path("tls.key"), key).unwrap();
    let tls_addresses = RefCell::new(Vec::new());
    let nodes = Nodes::start(|address| {
        let tls_address = free_address_on(address.ip());
        tls_addresses.borrow_mut().push(tls_address);
        Shipped::read("haproxy/serve.toml")
            .with("#= ", "")
            .with("0.0.0.0:8080", address.to_string())
            .with("0.0.0.0:8443", tls_address.to_string())
            .with("/etc/clearwell/tls.pem", path("tls.pem"))
            .with("/etc/clearwell/tls.key", path("tls.key"))
    });
    let address = free_address();
    let mut config = Shipped::read("haproxy/tls-passthrough.cfg").with("bind :443", format!("bind {address}"));
    for (node, shipped) in ["10.0.0.11:8443", "10.0.0.12:8443"].into_iter().enumerate() {
        let check = format!("{} port {}", tls_addresses.borrow()[node], nodes.addresses[node].port());
        config = config.with(shipped, check);
    }
    // The ports of the nodes differ here, and with them those of the checks.
    let proxy = HaProxy::start(&program, &nodes, config.with("check port 8080", "check"), address);
    let ask = || Connection::open_tls(address, &certificate).get("/version/latest_version");
    until(|| proxy.is_up(0) && proxy.is_up(1));
    assert_eq!(ask().body, b"10");
    for node in 0..2 {
        nodes.stop(node);
        assert_eq!((0..4).map(|_| ask().status).collect::<Vec<_>>(), [200; 4], "node {node} is down");
        nodes.launch(node);
        until(|| proxy.is_up(node));
    }
}
