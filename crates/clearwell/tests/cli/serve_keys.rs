//! Each key of the server's configuration with values that no start can use: `--check-config` and a start say the same.

use std::collections::BTreeSet;
use std::fs;
use std::process::Command;

use clearwell_serve::config::KEYS;

use crate::mix::Mix;
use crate::run::Ended;

/// Folders and files that rows name.
fn mix() -> Mix {
    let mix = Mix::released();
    let pair = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    mix.put("tls.pem", pair.cert.pem());
    mix.put("tls.key", pair.signing_key.serialize_pem());
    mix.put("other.key", rcgen::KeyPair::generate().unwrap().serialize_pem());
    mix.put("junk.pem", "no certificate");
    mix.put("folder/file", "a file");
    mix
}

/// A usable configuration that a row changes.
const PLAIN: &[&str] = &["--listen", "127.0.0.1:0", "--admin", "off"];
const TLS: &[&str] = &[
    "--listen",
    "off",
    "--listen-tls",
    "127.0.0.1:0",
    "--tls-cert",
    "tls.pem",
    "--tls-key",
    "tls.key",
    "--admin",
    "off",
];

/// Key, base configuration, value, exit code, and parts of the error.
type Row<'a> = (&'a str, &'a [&'a str], &'a str, i32, &'a [&'a str]);

#[test]
fn check_config_refuses_with_the_same_error_as_a_start() {
    let mix = mix();
    let absolute = |path: &str| mix.path(path).display().to_string();
    let long = format!("{}/{}", mix.dir().display(), "x".repeat(110));
    let unix = |path: &str| format!("unix:{}", absolute(path));
    let twice = format!("{0}, {0}", unix("http.sock"));
    // Of which the kernel has none: TEST-NET-1 of RFC 5737.
    let foreign = "192.0.2.1:8080";
    let table: &[Row<'_>] = &[
        ("listen", PLAIN, "off", 2, &["listen", "off"]),
        ("listen", PLAIN, "localhost:80", 2, &["localhost:80"]),
        ("listen", PLAIN, "127.0.0.1:99999", 2, &["99999"]),
        ("listen", PLAIN, foreign, 10, &["listen", foreign]),
        ("listen", PLAIN, "127.0.0.1:0 client-certificates=require", 2, &["listen-tls"]),
        ("listen", PLAIN, "127.0.0.1:65001, 0.0.0.0:65001", 2, &["overlaps"]),
        ("listen", PLAIN, &twice, 2, &["overlaps"]),
        ("listen", PLAIN, "unix:http.sock", 2, &["unix:http.sock"]),
        ("listen", PLAIN, &unix("folder"), 2, &["folder"]),
        ("listen", PLAIN, &unix("folder/file"), 2, &["not a socket"]),
        ("listen", PLAIN, &unix("none/http.sock"), 2, &["in its folder"]),
        ("listen", PLAIN, &unix("folder/file/http.sock"), 2, &["http.sock"]),
        ("listen", PLAIN, &format!("unix:{long}"), 2, &["too long"]),
        ("listen-tls", PLAIN, "127.0.0.1:0", 2, &["tls-certificate", "listen-tls"]),
        ("listen-tls", TLS, foreign, 10, &["listen-tls", foreign]),
        ("listen-tls", TLS, "127.0.0.1:0 client-certificates=require", 2, &["client-ca"]),
        ("admin", PLAIN, foreign, 10, &["admin", foreign]),
        ("admin", PLAIN, "127.0.0.1:0 proxy-protocol", 2, &["admin", "proxy-protocol"]),
        ("admin", PLAIN, "8081", 2, &["8081"]),
        ("workers", PLAIN, "10000", 2, &["workers", "10000", "0 means one per core"]),
        ("workers", PLAIN, "18446744073709551616", 2, &["workers"]),
        ("workers", PLAIN, "-1", 2, &["workers"]),
        ("trusted-proxies", PLAIN, "10.0.0.0/33", 2, &["10.0.0.0/33"]),
        ("takeover", PLAIN, ".", 2, &["takeover"]),
        ("takeover", PLAIN, "folder", 2, &["takeover", "folder"]),
        ("takeover", PLAIN, "folder/file", 2, &["takeover", "not a socket"]),
        ("takeover", PLAIN, "none/takeover.sock", 2, &["takeover", "in its folder"]),
        ("takeover", PLAIN, "", 2, &["takeover"]),
        ("takeover", PLAIN, &long, 2, &["takeover", "too long"]),
        ("base-path", PLAIN, "update/", 2, &["update/"]),
        ("tls-certificate", TLS, "none.pem", 2, &["tls-certificate", "none.pem"]),
        ("tls-certificate", TLS, "junk.pem", 2, &["tls-certificate", "junk.pem"]),
        ("tls-certificate", TLS, "folder", 2, &["tls-certificate", "folder"]),
        ("tls-key", TLS, "none.key", 2, &["tls-key", "none.key"]),
        ("tls-key", TLS, "junk.pem", 2, &["tls-key", "junk.pem"]),
        ("tls-key", TLS, "other.key", 2, &["tls-key", "used together"]),
        ("client-certificates", TLS, "require", 2, &["client-ca"]),
        ("client-certificates", PLAIN, "require", 2, &["client-certificates", "listen-tls"]),
        ("client-certificates", PLAIN, "maybe", 2, &["maybe"]),
        ("client-ca", &[TLS, &["--client-certs", "request"]].concat(), "none.pem", 2, &["client-ca", "none.pem"]),
        ("client-ca", &[TLS, &["--client-certs", "require"]].concat(), "junk.pem", 2, &["client-ca", "junk.pem"]),
        ("signing-certificate", PLAIN, "none.pem", 2, &["signing-certificate", "none.pem"]),
        ("signing-certificate", PLAIN, "junk.pem", 2, &["signing-certificate", "junk.pem"]),
        ("memory-cache", PLAIN, "999999GiB", 2, &["memory-cache", "MiB"]),
        ("memory-cache", PLAIN, "1KiB", 2, &["small-object", "memory-cache"]),
        ("small-object", PLAIN, "1GiB", 2, &["small-object", "memory-cache"]),
        ("open-files", PLAIN, "9999999999", 2, &["open-files", "file descriptors"]),
        ("open-files", PLAIN, "0", 2, &["open-files"]),
        ("whole-for-stock-client", PLAIN, "yes", 2, &["whole-for-stock-client"]),
        ("pointer-hold-seconds", PLAIN, "-1", 2, &["pointer-hold-seconds"]),
        ("retry-after-seconds", PLAIN, "0", 2, &["retry-after-seconds"]),
        ("max-connections", PLAIN, "9999999999", 2, &["max-connections", "file descriptors"]),
        ("max-connections-per-address", PLAIN, "4294967296", 2, &["max-connections-per-address"]),
        (
            "requests-per-second-per-address",
            PLAIN,
            "4000000000",
            2,
            &["requests-per-second-per-address", "0 means no limit"],
        ),
        ("request-burst-per-address", PLAIN, "0", 2, &["request-burst-per-address"]),
        ("max-downloads", PLAIN, "many", 2, &["max-downloads"]),
        ("max-downloads-per-address", PLAIN, "-1", 2, &["max-downloads-per-address"]),
        ("max-disk-queue", PLAIN, "-1", 2, &["max-disk-queue"]),
        ("max-streams", PLAIN, "0", 2, &["max-streams"]),
        ("max-header", PLAIN, "1GiB", 2, &["max-header"]),
        ("max-header-lines", PLAIN, "1000000", 2, &["max-header-lines"]),
        ("handshake-seconds", PLAIN, "0", 2, &["handshake-seconds"]),
        ("header-seconds", PLAIN, "10s", 2, &["header-seconds"]),
        ("idle-seconds", PLAIN, "0", 2, &["idle-seconds"]),
        ("stall-seconds", PLAIN, "4294967296", 2, &["stall-seconds"]),
        ("min-rate", PLAIN, "fast", 2, &["min-rate"]),
        ("access-log", PLAIN, "all", 2, &["access-log"]),
        ("access-log-sample", PLAIN, "0", 2, &["access-log-sample"]),
        ("access-log-format", PLAIN, "combined", 2, &["access-log-file"]),
        ("access-log-file", PLAIN, "none/access.log", 9, &["access-log-file", "none/access.log"]),
        ("access-log-file", PLAIN, "folder", 9, &["access-log-file", "folder"]),
        ("access-log-file", PLAIN, "folder/file/access.log", 9, &["access-log-file"]),
        ("watch-files", PLAIN, "1", 2, &["watch-files"]),
        ("drain-grace-seconds", PLAIN, "99999999999", 2, &["drain-grace-seconds"]),
        ("drain-deadline-seconds", PLAIN, "-1", 2, &["drain-deadline-seconds"]),
    ];
    let serve = ["serve", "--store", "store"];
    for (key, base, value, code, says) in table {
        // An option given twice is an error of the command line, so the row replaces that of the base.
        let option = format!("--{}", key.replace("certificate", "cert"));
        let mut options: Vec<&str> = Vec::new();
        for pair in base.chunks(2).filter(|pair| pair[0] != option) {
            options.extend(pair);
        }
        let value = format!("{option}={value}");
        options.push(&value);
        let checked = mix.refuses(&[&serve[..], &["--check-config"], &options].concat(), *code, says);
        let started = start(&mix, &[&serve[..], &options].concat()).expect(*code);
        assert_eq!(started.error(), checked.error(), "{value}");
    }
    let tried: BTreeSet<&str> = table.iter().map(|row| row.0).collect();
    let all: BTreeSet<&str> = KEYS.iter().map(|key| key.name).collect();
    assert_eq!(tried, all, "every key has a row");
    assert_eq!(fs::read(mix.path("folder/file")).unwrap(), b"a file");
}

/// Starts the server; one that is not refused is ended, which shows in its code.
fn start(mix: &Mix, args: &[&str]) -> Ended {
    let mut command = Command::new("timeout");
    command.current_dir(mix.dir()).args(["60", env!("CARGO_BIN_EXE_clearwell")]).args(args);
    Ended::of(&mut command)
}

#[test]
fn a_takeover_and_an_address_are_two_sockets() {
    let mix = mix();
    let path = mix.path("http.sock").display().to_string();
    let listen = format!("--listen=unix:{path}");
    let takeover = format!("--takeover={path}");
    let options = ["serve", "--store", "store", "--check-config", "--admin", "off", &listen, &takeover];
    mix.refuses(&options, 2, &["takeover", "an address of listen too"]);
}

#[test]
fn check_config_changes_nothing() {
    let mix = mix();
    let listed = |folder: &std::path::Path| {
        let mut names: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        names
    };
    mix.put("old.log", "a line\n");
    let before = (listed(mix.dir()), fs::metadata(mix.path("old.log")).unwrap().modified().unwrap());
    let unix = format!("unix:{}", mix.path("http.sock").display());
    for log in ["new.log", "old.log"] {
        let options =
            ["--listen", &unix, "--takeover", "takeover.sock", "--access-log-file", log, "--access-log", "full"];
        mix.run(&[&["serve", "--store", "store", "--check-config"][..], &options].concat()).expect(0);
    }
    // One that is in use is mostly that of the server which is to be replaced.
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = taken.local_addr().unwrap().to_string();
    mix.run(&["serve", "--store", "store", "--check-config", "--listen", &taken]).expect(0);
    let after = (listed(mix.dir()), fs::metadata(mix.path("old.log")).unwrap().modified().unwrap());
    assert_eq!(after, before);
    assert_eq!(fs::read(mix.path("old.log")).unwrap(), b"a line\n");
}
