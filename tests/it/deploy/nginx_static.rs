//! `deploy/nginx/static.conf`: nginx serves the content of a store.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use clearwell_testkit::program;

use crate::connection::Connection;
use crate::daemon::{Daemon, checks, free_address};
use crate::load;
use crate::nodes::{PACK, Stores};
use crate::shipped::Shipped;

/// Checks a file that is included within `http { }`, and starts nginx with it.
pub(crate) fn start(program: &Path, stores: &Stores, config: &Shipped, address: SocketAddr) -> Daemon {
    let (file, main, folder) = (stores.path("clearwell.conf"), stores.path("nginx.conf"), stores.path("nginx"));
    config.write(&file);
    std::fs::create_dir_all(&folder).unwrap();
    let (file, folder) = (file.display(), folder.display());
    let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map(|kind| format!("{kind}_temp_path {folder}/{kind};\n"))
        .concat();
    let text = format!(
        "daemon off; pid {folder}/pid; error_log stderr; user root;\nevents {{ }}\n\
         http {{\n{temporary}access_log off;\ninclude {file};\n}}\n"
    );
    std::fs::write(&main, text).unwrap();
    checks(Command::new(program).arg("-t").arg("-c").arg(&main));
    let mut command = Command::new(program);
    command.arg("-c").arg(&main);
    Daemon::start(command, &stores.path("nginx.log"), address)
}

#[test]
fn nginx_serves_the_content_as_it_stands() {
    let Some(program) = program("nginx", "deploy/nginx/static.conf is not tried") else { return };
    let stores = Stores::create(1);
    let address = free_address();
    let config = Shipped::read("nginx/static.conf")
        .with("/var/lib/clearwell/store", stores.store(0).to_str().unwrap())
        .with("listen 80;", format!("listen {address};"));
    let _nginx = start(&program, &stores, &config, address);

    let mut client = Connection::open(address);
    let file = stores.store(0).join("content").join(PACK.trim_start_matches('/'));
    let pack = std::fs::read(file).unwrap();
    let immutable = "public, max-age=31536000, immutable";
    let found = client.get(PACK);
    assert!(found.status == 200 && found.body == pack);
    assert_eq!((found.header("cache-control"), found.header("content-encoding")), (immutable, ""));
    let head = client.ask("HEAD", PACK, &[]);
    assert_eq!((head.header("content-length"), head.header("etag")), ("9000000", found.header("etag")));
    let part = client.ask("GET", PACK, &["Range: bytes=4194300-4194310"]);
    assert!(part.status == 206 && part.body == pack[4_194_300..=4_194_310]);
    let same = client.ask("GET", PACK, &[&format!("If-None-Match: {}", found.header("etag"))]);
    assert_eq!((same.status, same.header("cache-control")), (304, immutable));
    assert_eq!(client.ask("GET", PACK, &["Range: bytes=9000000-"]).status, 416);
    let whole = client.ask("GET", "/10/files/none.tar", &["Range: bytes=1-"]);
    assert_eq!(whole.status, 404);

    for path in ["/version/latest_version", "/version/format30/latest"] {
        let pointer = client.ask("GET", path, &["Accept-Encoding: gzip"]);
        assert_eq!((pointer.status, &*pointer.body, pointer.header("cache-control")), (200, &b"10"[..], "no-cache"));
    }
    for path in [
        "/10",
        "/10/",
        "/version",
        "/version/format30/",
        "/10/nothing",
        "/20/Manifest.MoM.tar",
        "/.pointers/1/version/latest_version",
        "/.pointers/",
        "/%2epointers/1/version/latest_version",
        "/10/..%2f.pointers/1/version/latest_version",
        "/10/../../meta/layout",
    ] {
        let hidden = client.get(path);
        assert!(matches!(hidden.status, 400 | 404), "{path}: {hidden:?}");
        assert!(!hidden.header("cache-control").contains("max-age"), "{path}: {hidden:?}");
        if hidden.status == 400 {
            client = Connection::open(address);
        }
    }
    assert_eq!(client.ask("HEAD", "/", &[]).status, 200);
    assert_eq!(client.get("/").header("cache-control"), "no-store");
    assert_eq!(Connection::open(address).ask("POST", PACK, &["Content-Length: 0"]).status, 405);

    let (latest, fullfile) = (|| Connection::open(address).get("/version/format30/latest").body, stores.fullfile());
    assert_eq!(client.ask("GET", &fullfile, &["Range: bytes=1-"]).status, 200, "fullfiles have no ranges");
    load::updates("nginx-static", &stores, address);
    let next = stores.next();
    stores.release(0, &next);
    assert_eq!(latest(), b"10");
    stores.publish(0, &next);
    assert_eq!(latest(), b"20");
    load::updates("nginx-static", &stores, address);
    stores.retract(0);
    assert_eq!(latest(), b"10");
}
