//! The shipped systemd unit fits the shipped configuration.

use std::path::{Path, PathBuf};
use std::process::Command;

use clearwell_testkit::program;

const UNIT: &str = include_str!("../../../../deploy/clearwell.service");
const CONFIG: &str = include_str!("../../../../config/serve.toml");

/// The values of a setting of the unit, in order.
fn settings<'u>(unit: &'u str, key: &str) -> Vec<&'u str> {
    let values = unit.lines().filter_map(|line| line.split_once('=')).filter(|(found, _)| *found == key);
    values.flat_map(|(_, value)| value.split_whitespace()).collect()
}

/// Folders that a unit lets its service write to.
fn writable(unit: &str) -> Vec<PathBuf> {
    let mut folders = Vec::new();
    for (key, root) in [
        ("RuntimeDirectory", "/run"),
        ("LogsDirectory", "/var/log"),
        ("StateDirectory", "/var/lib"),
        ("CacheDirectory", "/var/cache"),
        ("ReadWritePaths", "/"),
    ] {
        folders.extend(settings(unit, key).into_iter().map(|name| Path::new(root).join(name)));
    }
    folders
}

/// The keys of all sections. Keys without a default count as set.
fn keys(config: &str) -> toml::Table {
    let sections: toml::Table = config.replace("#= ", "").parse().unwrap();
    sections.into_iter().flat_map(|(_, section)| toml::Table::try_from(section).unwrap()).collect()
}

/// Paths that serve.toml shows for what the server makes: sockets and logs.
fn written(config: &str) -> Vec<(String, PathBuf)> {
    let mut paths = Vec::new();
    for (key, value) in &keys(config) {
        let Some(path) = value.as_str().filter(|value| value.starts_with('/')) else { continue };
        if !READ.contains(&key.as_str()) {
            paths.push((key.clone(), path.into()));
        }
    }
    // Addresses that comments show.
    let shown = config.split('"').filter_map(|quoted| quoted.strip_prefix("unix:"));
    paths.extend(shown.map(|path| ("listen".to_owned(), path.split(' ').next().unwrap().into())));
    paths
}

/// Keys of files that the server only reads.
const READ: [&str; 4] = ["tls-certificate", "tls-key", "client-ca", "signing-certificate"];

#[test]
fn the_unit_lets_the_server_write_what_the_configuration_shows() {
    let (folders, paths) = (writable(UNIT), written(CONFIG));
    let keys: Vec<&str> = paths.iter().map(|(key, _)| key.as_str()).collect();
    assert!(["takeover", "access-log-file", "listen"].iter().all(|key| keys.contains(key)), "{keys:?}");
    for (key, path) in &paths {
        assert!(
            folders.iter().any(|folder| path.starts_with(folder)),
            "{key}: {} is not below {folders:?}",
            path.display()
        );
    }
    // A strict service writes nowhere else, so that the above is not true by accident.
    assert_eq!(settings(UNIT, "ProtectSystem"), ["strict"]);
    let without: String =
        UNIT.lines().filter(|line| !line.contains("Directory")).map(|line| format!("{line}\n")).collect();
    assert!(writable(&without).is_empty());
}

#[test]
fn the_unit_reads_what_the_configuration_shows() {
    let hidden: &[&str] = match settings(UNIT, "ProtectHome")[..] {
        ["yes"] => &["/home", "/root", "/run/user"],
        _ => &[],
    };
    let table = keys(CONFIG);
    for key in READ {
        let path = Path::new(table[key].as_str().unwrap());
        assert!(!hidden.iter().any(|folder| path.starts_with(folder)), "{key}: {}", path.display());
    }
    for command in ["ExecStart", "ExecStartPre"] {
        let words = settings(UNIT, command);
        let store = words.iter().position(|word| *word == "--store").map(|at| words[at + 1]).unwrap();
        assert_eq!(settings(UNIT, "ReadOnlyPaths"), [store], "{command}");
    }
}

#[test]
fn the_unit_follows_reloads_with_the_signal_of_the_server() {
    assert_eq!(settings(UNIT, "Type"), ["notify-reload"]);
    assert_eq!(settings(UNIT, "ReloadSignal"), ["SIGHUP"]);
    assert!(settings(UNIT, "ExecReload").is_empty(), "systemd sends the signal itself");
}

#[test]
fn systemd_accepts_the_unit() {
    let Some(analyze) = program("systemd-analyze", "the unit is checked by our own tests only") else { return };
    let version = Command::new(&analyze).arg("--version").output().unwrap();
    let version = String::from_utf8(version.stdout).unwrap();
    let number: u32 = version.split_whitespace().nth(1).and_then(|number| number.parse().ok()).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("clearwell.service");
    // The program of the unit is not installed where tests run.
    let unit = UNIT.replace("/usr/bin/clearwell", env!("CARGO_BIN_EXE_clearwell"));
    // systemd before 253 knows neither of these; the rest is checked all the same.
    let unit =
        if number < 253 { unit.replace("notify-reload", "notify").replace("ReloadSignal=SIGHUP", "") } else { unit };
    std::fs::write(&path, unit).unwrap();
    let verified = Command::new(analyze).arg("verify").arg("--man=no").arg(&path).output().unwrap();
    let said = String::from_utf8_lossy(&verified.stderr);
    let about_us: Vec<&str> = said.lines().filter(|line| line.contains("clearwell")).collect();
    assert!(verified.status.success() && about_us.is_empty(), "{said}");
}
