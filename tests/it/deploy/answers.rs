//! What a client is answered through a proxy: what the node answers, and nothing that the stock client fails on.

use std::net::{Ipv4Addr, SocketAddr};

use crate::connection::{Answer, Connection};
use crate::nodes::{Nodes, PACK};
use crate::wait::until;

const IMMUTABLE: &str = "public, max-age=31536000, immutable";
const STOCK: &str = "User-Agent: swupd-client/7.0.0";
const LATEST: &str = "/version/format30/latest";

fn assert_same(what: &str, through: &Answer, direct: &Answer) {
    assert_eq!(through.status, direct.status, "{what}: {through:?}");
    assert!(through.body == direct.body, "{what}: other bytes");
    for name in ["etag", "cache-control", "content-type", "content-length", "content-range"] {
        assert_eq!(through.header(name), direct.header(name), "{name} of {what}");
    }
    for name in ["content-encoding", "location", "set-cookie"] {
        assert_eq!(through.header(name), "", "{name} of {what}");
    }
}

/// Compares a proxy with a node.
pub(crate) fn are_those_of_the_nodes(nodes: &Nodes, proxy: SocketAddr) {
    let mut through = Connection::open(proxy);
    let mut direct = nodes.connect(0);
    let fullfile = nodes.stores.fullfile();
    let [first, last] = ["Range: bytes=0-0", "Range: bytes=-3"];
    let across = "Range: bytes=4194300-4194310";
    for (path, lines) in [
        ("/10/Manifest.MoM.tar", &[][..]),
        ("/10/format?query=1", &[]),
        ("/10/format", &["Cookie: request=uncached", STOCK]),
        ("/10/format", &["Accept-Encoding: gzip, br"]),
        (
            "/10/format",
            &["Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMAAABkAAQCAAAAAAIAAAAA"],
        ),
        (PACK, &[STOCK]),
        (PACK, &[across]),
        (PACK, &[first]),
        (PACK, &[last]),
        (PACK, &["Range: bytes=8999999-"]),
        (&fullfile, &[STOCK]),
        (&fullfile, &["Range: bytes=5-", STOCK]),
        ("//10///format", &[]),
        (LATEST, &[]),
        (LATEST, &["Cookie: request=uncached"]),
        ("/version/latest_version.sig", &[]),
        ("/", &[]),
        ("/10", &[]),
        ("/10/", &[]),
        ("/10/nothing", &[]),
        ("/10/pack-os-core-from-7.tar", &[STOCK]),
        ("/990/Manifest.MoM.tar", &[]),
        ("/.pointers/1/version/latest_version", &[]),
        ("/version/format30/", &[]),
    ] {
        // HEAD has no ranges (RFC 9110 §14.2), though some proxies answer as if it had.
        let has_range = lines.iter().any(|line| line.starts_with("Range"));
        // Twice: the second answer may come from a cache.
        for method in if has_range { ["GET", "GET"].iter() } else { ["HEAD", "GET", "HEAD", "GET"].iter() } {
            let (through, direct) = (through.ask(method, path, lines), direct.ask(method, path, lines));
            assert_same(&format!("{method} {path} {lines:?}"), &through, &direct);
        }
    }
    let missing = through.get("/990/Manifest.MoM.tar");
    assert_eq!((missing.status, missing.header("retry-after")), (503, "10"));
    for path in [PACK, "/10/format", LATEST] {
        let etag = direct.ask("HEAD", path, &[]).header("etag").to_owned();
        assert!(etag.starts_with('"') && etag.len() > 60, "{etag}");
        let same = through.ask("GET", path, &[&format!("If-None-Match: {etag}")]);
        assert_eq!((same.status, same.header("etag")), (304, &*etag), "{path}");
    }
    let beyond = through.ask("GET", PACK, &["Range: bytes=9000000-"]);
    assert_eq!((beyond.status, beyond.header("content-range")), (416, "bytes */9000000"));
    let posted = Connection::open(proxy).ask("POST", "/10/format", &["Content-Length: 0"]);
    assert_eq!((posted.status, posted.header("allow")), (405, "GET, HEAD"));
}

/// Neither "does not exist" nor "not yet" outlives its reason, and pointers are new at once, also when they go back.
pub(crate) fn follow_the_nodes(nodes: &Nodes, proxy: SocketAddr) {
    let stores = &nodes.stores;
    let ask = |path: &str| Connection::open(proxy).get(path);
    let latest = || String::from_utf8(ask(LATEST).body).unwrap();
    let before = latest();
    let last = stores.last().clone();
    let pack = format!("/{}/pack-editor-from-7.tar", last.version);
    assert_eq!(ask(&pack).status, 404);
    for store in 0..2 {
        stores.add(store, &last, "pack-editor-from-7.tar", b"added later");
    }
    let next = stores.next();
    let manifest = format!("/{}/Manifest.MoM.tar", next.version);
    assert_eq!(ask(&manifest).status, 503);
    for store in 0..2 {
        stores.release(store, &next);
        stores.publish(store, &next);
    }
    assert_eq!(latest(), next.version.to_string());
    assert_eq!(ask(&manifest).status, 200);
    // The index of the release is opened again with the publication.
    assert_eq!(ask(&pack).status, 200);
    assert_eq!(ask(&pack).header("cache-control"), IMMUTABLE);
    for store in 0..2 {
        stores.retract(store);
    }
    assert_eq!(latest(), before);
    assert_eq!(ask(&manifest).status, 200, "endpoints that have the release still need its content");
}

/// The access logs of the nodes name the client, and not what it claims to be.
pub(crate) fn name_the_client(nodes: &Nodes, proxy: SocketAddr) {
    let client = Ipv4Addr::new(127, 99, 88, 77);
    let claim = "X-Forwarded-For: 192.0.2.66";
    let mut connection = Connection::from(client, proxy);
    assert_eq!(connection.ask("GET", "/version/latest_version?who", &[claim]).status, 200);
    assert_eq!(connection.ask("GET", "/10/Manifest.editor", &[claim]).status, 200);
    for path in ["/version/latest_version", "/10/Manifest.editor"] {
        until(|| nodes.logs().lines().any(|line| line.starts_with(&format!("{client} - - ")) && line.contains(path)));
    }
    assert!(!nodes.logs().contains("192.0.2.66"));
}

/// Objects that were asked for before are served while no node is there; pointers are not: an old `latest` would hide a
/// release.
pub(crate) fn come_from_a_cache(nodes: &Nodes, proxy: SocketAddr, paths: &[&str]) {
    let mut client = Connection::open(proxy);
    let before: Vec<Answer> = paths.iter().map(|path| client.get(path)).collect();
    nodes.stop(0);
    nodes.stop(1);
    for (path, before) in paths.iter().zip(&before) {
        assert_same(path, &Connection::open(proxy).get(path), before);
    }
    let latest = Connection::open(proxy).get(LATEST);
    assert!(matches!(latest.status, 502..=504), "{latest:?}");
    assert!(!latest.header("cache-control").contains("max-age"), "{latest:?}");
}
