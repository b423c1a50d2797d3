//! `deploy/varnish/default.vcl`: Varnish as a cache in front of two nodes.

use std::path::{Path, PathBuf};
use std::process::Command;

use clearwell_testkit::{program, root};

use crate::connection::Connection;
use crate::daemon::{Daemon, checks, free_address};
use crate::nodes::{Nodes, PACK};
use crate::shipped::{self, Shipped};
use crate::{answers, load};

const LOST: &str = "deploy/varnish is not tried";

/// The command line of a running Varnish.
struct Admin {
    program: PathBuf,
    folder: PathBuf,
}

impl Admin {
    /// True if Varnish would send a client to the node.
    fn is_up(&self, node: usize) -> bool {
        let output =
            Command::new(&self.program).arg("-n").arg(&self.folder).args(["backend.list", "-j"]).output().unwrap();
        let list: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
        let name = format!("boot.node{}", node + 1);
        list[3][name]["probe_message"][2] == "healthy"
    }
}

fn check(program: &Path, file: &Path) {
    checks(Command::new(program).arg("-C").arg("-f").arg(file));
}

#[test]
fn clients_notice_no_restart_and_no_publication() {
    let Some(varnishd) = program("varnishd", LOST).filter(|_| root("varnishd", LOST)) else { return };
    let Some(varnishadm) = program("varnishadm", LOST) else { return };
    let nodes = Nodes::start(|address| Shipped::read("varnish/serve.toml").with("0.0.0.0:8080", address.to_string()));
    check(&varnishd, &shipped::file("varnish/default.vcl").canonicalize().unwrap());
    let mut config = Shipped::read("varnish/default.vcl");
    for (node, host) in ["10.0.0.11", "10.0.0.12"].into_iter().enumerate() {
        let address = nodes.addresses[node];
        let at = |host: &str, port: &str| format!(".host = \"{host}\";\n    .port = \"{port}\";");
        config = config.with(&at(host, "8080"), at(&address.ip().to_string(), &address.port().to_string()));
    }
    let (file, folder, address) = (nodes.stores.path("default.vcl"), nodes.stores.path("varnish"), free_address());
    config.write(&file);
    check(&varnishd, &file);
    let mut command = Command::new(&varnishd);
    command.args(["-F", "-j", "none", "-s", "malloc,256m"]);
    command.arg("-a").arg(address.to_string()).arg("-n").arg(&folder).arg("-f").arg(&file);
    let _varnish = Daemon::start(command, &nodes.stores.path("varnish.log"), address);
    let admin = Admin { program: varnishadm, folder };
    answers::are_those_of_the_nodes(&nodes, address);
    answers::name_the_client(&nodes, address);

    load::while_clients_run("varnish", &nodes.stores, address, || {
        nodes.publish_one_after_another();
        nodes.roll(|node| admin.is_up(node));
    });
    answers::follow_the_nodes(&nodes, address);
    // A client must not fill the cache with further spellings of one name.
    let spelt = ["/10/%4danifest.MoM.tar", "/10/./Manifest.MoM.tar"];
    let statuses = || spelt.map(|path| Connection::open(address).get(path).status);
    assert_eq!(statuses(), [200, 200]);
    answers::come_from_a_cache(&nodes, address, &["/10/Manifest.MoM.tar", PACK]);
    assert_eq!(statuses(), [503, 503]);
}
