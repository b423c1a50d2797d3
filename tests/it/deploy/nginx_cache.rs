//! `deploy/nginx/cache.conf`: nginx as a cache in front of two nodes.

use std::net::SocketAddr;

use clearwell_testkit::{ipv6_loopback, program};

use crate::connection::Connection;
use crate::daemon::{free_address, free_address_on};
use crate::nodes::{Nodes, PACK};
use crate::shipped::Shipped;
use crate::wait::until;
use crate::{answers, load, nginx_static};

#[test]
fn clients_notice_no_restart_and_no_publication() {
    let Some(program) = program("nginx", "deploy/nginx/cache.conf is not tried") else { return };
    let nodes = Nodes::start(|address| {
        Shipped::read("nginx/serve.toml").with("0.0.0.0:8080", address.to_string()).with("10.0.0.0/24", "127.0.0.0/8")
    });
    let address = free_address();
    let six = free_address_on(ipv6_loopback().parse::<SocketAddr>().unwrap().ip());
    let config = Shipped::read("nginx/cache.conf")
        .with("/var/cache/nginx/clearwell", nodes.stores.path("cache").to_str().unwrap())
        .with("listen 80;\n", format!("listen {address};\n    listen {six};\n"))
        .with("10.0.0.11:8080", nodes.addresses[0].to_string())
        .with("10.0.0.12:8080", nodes.addresses[1].to_string());
    let _nginx = nginx_static::start(&program, &nodes.stores, &config, address);
    answers::are_those_of_the_nodes(&nodes, address);
    answers::name_the_client(&nodes, address);
    assert_eq!(Connection::open(six).get("/version/latest_version?six").status, 200);
    let client = format!("{} - - ", six.ip());
    until(|| nodes.logs().lines().any(|line| line.starts_with(&client) && line.contains("?six")));

    load::while_clients_run("nginx-cache", &nodes.stores, address, || {
        // nginx asks no node how it is: a node is up when it accepts connections.
        nodes.publish_one_after_another();
        nodes.roll(|_| true);
    });
    answers::follow_the_nodes(&nodes, address);
    answers::come_from_a_cache(&nodes, address, &["/10/Manifest.MoM.tar", PACK]);
}
