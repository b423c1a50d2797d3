//! The shipped units of systemd fit the shipped configuration, and systemd accepts them.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use clearwell_testkit::program;

const UNIT: &str = include_str!("../../../../deploy/systemd/clearwell.service");
const SITE_UNIT: &str = include_str!("../../../../deploy/systemd/clearwell@.service");
const CONFIG: &str = include_str!("../../../../config/serve.toml");

/// Every unit with its name.
fn units() -> Vec<(String, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy/systemd");
    let mut units = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|kind| kind == "service" || kind == "socket" || kind == "timer") {
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            units.push((name, fs::read_to_string(path).unwrap()));
        }
    }
    assert!(units.len() >= 12, "{units:?}");
    units.sort();
    units
}

/// The values of a setting of the unit, in order.
fn settings<'u>(unit: &'u str, key: &str) -> Vec<&'u str> {
    let values = unit.lines().filter_map(|line| line.split_once('=')).filter(|(found, _)| *found == key);
    values.flat_map(|(_, value)| value.split_whitespace()).collect()
}

/// The value of a variable that a unit sets.
fn variable<'u>(unit: &'u str, name: &str) -> &'u str {
    let assignments = settings(unit, "Environment").into_iter();
    assignments.filter_map(|assignment| assignment.split_once('=')).find(|(found, _)| *found == name).unwrap().1
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
    for unit in [UNIT, SITE_UNIT] {
        let takeover = Path::new(variable(unit, "CLEARWELL_SERVE_TAKEOVER"));
        assert!(writable(unit).iter().any(|folder| takeover.starts_with(folder)), "{}", takeover.display());
        // A strict service writes nowhere else, so that the above is not true by accident.
        assert_eq!(settings(unit, "ProtectSystem"), ["strict"]);
    }
    let without: String =
        UNIT.lines().filter(|line| !line.contains("Directory")).map(|line| format!("{line}\n")).collect();
    assert!(writable(&without).is_empty());
}

#[test]
fn the_unit_reads_what_the_configuration_shows() {
    let table = keys(CONFIG);
    let credentials: Vec<&str> =
        settings(UNIT, "LoadCredential").iter().filter_map(|it| it.split(':').next()).collect();
    for key in READ {
        let path = table[key].as_str().unwrap();
        // A credential by its name, else a file outside of the folders that ProtectHome= hides.
        match path.strip_prefix("${CREDENTIALS_DIRECTORY}/") {
            Some(name) => {
                let is_loaded = credentials.iter().any(|id| name.starts_with(&format!("{id}_")));
                assert!(is_loaded, "{key}: {name} is not one of {credentials:?}");
            }
            None => assert!(
                !["/home", "/root", "/run/user"].iter().any(|folder| Path::new(path).starts_with(folder)),
                "{key}: {path}"
            ),
        }
    }
    for unit in [UNIT, SITE_UNIT] {
        let store = Path::new(variable(unit, "CLEARWELL_STORE"));
        assert!(settings(unit, "ReadOnlyPaths").iter().any(|folder| store.starts_with(folder)), "{}", store.display());
        let stamp = format!("{}/meta/layout", store.display());
        assert_eq!(settings(unit, "ConditionPathExists"), [stamp.as_str()]);
    }
}

#[test]
fn the_unit_follows_reloads_with_the_signal_of_the_server() {
    // systemd sends SIGHUP itself for the second; an older one keeps the first and uses ExecReload=.
    assert_eq!(settings(UNIT, "Type"), ["notify", "notify-reload"]);
    assert!(settings(UNIT, "ReloadSignal").is_empty(), "SIGHUP is the default");
    assert!(UNIT.contains("ExecReload=/bin/sh -c \"kill -HUP $MAINPID\"\n"));
    // A server that takes over says so itself, and systemd keeps its sockets.
    assert_eq!(settings(UNIT, "NotifyAccess"), ["all"]);
    assert!(settings(UNIT, "FileDescriptorStoreMax")[0].parse::<u32>().unwrap() >= 64);
}

/// The unit of a site is that of the one store with other names.
#[test]
fn the_units_of_sites_follow_those_of_the_one_store() {
    let units = units();
    let unit = |name: &str| &units.iter().find(|(found, _)| found == name).unwrap_or_else(|| panic!("{name}")).1;
    for name in ["clearwell", "clearwell-check", "clearwell-gc"] {
        for kind in ["service", "timer"] {
            if (name, kind) == ("clearwell", "timer") {
                continue;
            }
            let settings = |text: &str| -> Vec<String> {
                let settings = text.lines().filter(|line| !line.starts_with('#') && !line.starts_with("Description="));
                settings.map(str::to_owned).collect()
            };
            let one = [
                ("/var/lib/clearwell/store", "/var/lib/clearwell/sites/%i"),
                ("/etc/clearwell/serve.toml", "/etc/clearwell/sites/%i.toml"),
                ("/run/clearwell/", "/run/clearwell-%i/"),
                ("RuntimeDirectory=clearwell", "RuntimeDirectory=clearwell-%i"),
                ("LogsDirectory=clearwell", "LogsDirectory=clearwell/%i"),
            ];
            let expected =
                one.iter().fold(unit(&format!("{name}.{kind}")).clone(), |text, (one, site)| text.replace(one, site));
            assert_eq!(settings(unit(&format!("{name}@.{kind}"))), settings(&expected), "{name}@.{kind}");
        }
    }
}

/// systemd-analyze and the version of its systemd.
fn analyze() -> Option<(PathBuf, u32)> {
    let analyze = program("systemd-analyze", "the units are checked by our own tests only")?;
    let version = Command::new(&analyze).arg("--version").output().unwrap();
    let version = String::from_utf8(version.stdout).unwrap();
    Some((analyze, version.split_whitespace().nth(1)?.parse().ok()?))
}

fn text(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

#[test]
fn systemd_accepts_the_units() {
    let Some((analyze, version)) = analyze() else { return };
    let folder = tempfile::tempdir().unwrap();
    let mut paths = Vec::new();
    for (name, unit) in units() {
        // The program of the units is not installed where tests run.
        let unit = unit.replace("/usr/bin/clearwell", env!("CARGO_BIN_EXE_clearwell"));
        paths.push(folder.path().join(name));
        fs::write(paths.last().unwrap(), unit).unwrap();
    }
    let verified = Command::new(analyze).args(["verify", "--man=no"]).args(&paths).output().unwrap();
    let said = text(&verified);
    // The one thing that systemd before 253 does not know, and ignores.
    let is_known =
        |line: &str| version < 253 && line.ends_with("Failed to parse service type, ignoring: notify-reload");
    let about_us: Vec<&str> = said.lines().filter(|line| line.contains("clearwell") && !is_known(line)).collect();
    assert!(verified.status.success() && about_us.is_empty(), "{said}");
}

#[test]
fn every_service_is_confined() {
    let Some((analyze, _)) = analyze() else { return };
    let folder = tempfile::tempdir().unwrap();
    for (name, unit) in units().iter().filter(|(name, _)| name.ends_with(".service")) {
        let path = folder.path().join(name.replace('@', "@site"));
        fs::write(&path, unit).unwrap();
        // The threshold is ten times the score: 2.0.
        let arguments = ["security", "--offline=true", "--threshold=20", "--no-pager"];
        let scored = Command::new(&analyze).args(arguments).arg(&path).output().unwrap();
        assert!(scored.status.success(), "{name}: {}", text(&scored));
        assert!(text(&scored).contains("Overall exposure level"), "{name}: {}", text(&scored));
    }
}
