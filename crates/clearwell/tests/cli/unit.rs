//! The shipped systemd unit fits the shipped configuration.

use std::path::{Path, PathBuf};

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
