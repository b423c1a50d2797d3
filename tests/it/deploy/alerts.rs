//! `deploy/prometheus`: the alerts, their unit tests in `alerts/`, their sections in the manual, and the example configuration.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use clearwell_testkit::{flip_byte, program, sample_store, signer};

use crate::get::status;
use crate::metrics::undocumented;
use crate::prometheus::{Prometheus, without_delays};
use crate::run::{Server, clearwell, run};
use crate::shipped;
use crate::wait::until;

const ALERTS: &str = include_str!("../../../deploy/prometheus/alerts.yml");
const MANUAL: &str = include_str!("../../../docs/monitoring.md");

/// One alerting rule.
#[derive(Debug)]
struct Rule {
    alert: String,
    severity: String,
    text: String,
}

impl Rule {
    /// The rules of `alerts.yml`, which promtool checks; here only its lines are read.
    fn all() -> Vec<Self> {
        let blocks = ALERTS.split("      - alert: ").skip(1);
        let rules = blocks.map(|text| Self {
            alert: text.lines().next().unwrap().to_owned(),
            severity: value(text, "severity").unwrap_or_default().to_owned(),
            text: text.to_owned(),
        });
        rules.collect()
    }

    /// The anchor of its section in the manual: `ClearwellServerDown` -> `clearwell-server-down`.
    fn anchor(&self) -> String {
        let dashed = self.alert.chars().flat_map(|c| [c.is_uppercase().then_some('-'), Some(c.to_ascii_lowercase())]);
        dashed.flatten().skip(1).collect()
    }
}

/// The value of a key, on its line.
fn value<'t>(text: &'t str, key: &str) -> Option<&'t str> {
    text.lines().find_map(|line| line.trim().strip_prefix(key)?.strip_prefix(": "))
}

/// The folder of the unit tests, and the files in it.
fn unit_tests() -> (PathBuf, Vec<String>) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/it/deploy/alerts");
    let mut files: Vec<String> =
        fs::read_dir(&folder).unwrap().map(|file| file.unwrap().file_name().into_string().unwrap()).collect();
    files.sort();
    (folder, files)
}

#[test]
fn every_alert_has_severity_texts_and_a_section_in_the_manual() {
    let rules = Rule::all();
    assert!(rules.len() > 20, "only {} rules found: does the search still see them?", rules.len());
    for rule in &rules {
        let Rule { alert, severity, text } = rule;
        assert!(["critical", "warning", "info"].contains(&severity.as_str()), "{alert}: severity {severity:?}");
        assert!(value(text, "summary").is_some() && value(text, "description").is_some(), "{alert} has no texts");
        let expected = format!("docs/monitoring.md#{}", rule.anchor());
        assert_eq!(value(text, "runbook_url"), Some(&*expected), "{alert}");
        let title = rule.anchor().replace('-', " ");
        let heading = format!("\n### {}{}\n", title[..1].to_uppercase(), &title[1..]);
        let (_, section) =
            MANUAL.split_once(&heading).unwrap_or_else(|| panic!("no {heading:?} in docs/monitoring.md"));
        let section = section.split("\n## ").next().unwrap().split("\n### ").next().unwrap();
        assert!(section.starts_with(&format!("\n`{alert}`, ")), "{alert}: its section begins with its name");
        assert!(section.lines().nth(1).unwrap().contains(severity), "{alert}: its section has severity {severity}");
        for part in ["**Means.**", "**Users notice.**", "**Check.**", "**Do.**"] {
            assert!(section.contains(part), "{alert}: its section has no {part}");
        }
    }
    let names: BTreeSet<&str> = rules.iter().map(|rule| rule.alert.as_str()).collect();
    let described = MANUAL.lines().filter_map(|line| line.strip_prefix("`Clearwell")?.split_once('`'));
    for (name, _) in described {
        assert!(
            names.contains(&*format!("Clearwell{name}")),
            "the manual describes Clearwell{name}, which is not an alert"
        );
    }
}

#[test]
fn every_metric_of_alerts_and_manual_is_documented() {
    for (name, text) in [("alerts.yml", ALERTS), ("docs/monitoring.md", MANUAL)] {
        assert_eq!(undocumented(text), [""; 0], "{name}: not in docs/reference/metrics.md");
    }
}

#[test]
fn every_alert_has_a_case_that_fires_and_one_that_does_not() {
    let (folder, files) = unit_tests();
    let (mut fires, mut silent) = (BTreeSet::new(), BTreeSet::new());
    for file in files {
        let text = fs::read_to_string(folder.join(file)).unwrap();
        let mut alert = "";
        for line in text.lines().map(str::trim) {
            if let Some(name) = line.strip_prefix("alertname: ") {
                alert = name;
            } else if line == "exp_alerts: []" {
                silent.insert(alert.to_owned());
            } else if let Some(severity) = line.strip_prefix("severity: ") {
                fires.insert((alert.to_owned(), severity.trim_matches('"').to_owned()));
            }
        }
    }
    let expected: BTreeSet<_> = Rule::all().into_iter().map(|rule| (rule.alert, rule.severity)).collect();
    assert_eq!(fires, expected, "cases that fire, and rules");
    assert_eq!(silent, expected.into_iter().map(|(alert, _)| alert).collect(), "cases that do not fire, and alerts");
}

#[test]
fn promtool_accepts_the_files_and_the_alerts_pass_their_tests() {
    let Some(promtool) = program("promtool", "the alerts are not checked, and their unit tests do not run") else {
        return;
    };
    let (folder, files) = unit_tests();
    let checks = [vec!["check", "config", "prometheus.yml"], vec!["check", "rules", "alerts.yml"]];
    let prometheus = shipped::file("prometheus");
    let checks = checks.into_iter().map(|args| (&prometheus, args));
    let tests = files.iter().map(|file| (&folder, vec!["test", "rules", file]));
    for (folder, args) in checks.chain(tests) {
        let output = Command::new(&promtool).args(&args).current_dir(folder).output().unwrap();
        let said = [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).unwrap()).concat();
        assert!(output.status.success() && said.contains("SUCCESS"), "promtool {args:?}:\n{said}");
    }
}

/// The alerts of the file without their delays and with short ranges, in a real Prometheus that scrapes a real server: each
/// fires for its cause, and clears when the cause is gone.
#[test]
fn alerts_fire_and_clear() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("store");
    drop(sample_store(&root));
    fs::write(folder.path().join("Swupd_Root.pem"), signer().anchor().pem()).unwrap();
    let options = ["--signing-certificate", "Swupd_Root.pem", "--drain-grace-seconds", "0"];
    let server = Server::start(folder.path(), "store", &options);
    let rules = without_delays(ALERTS).replace("[15m]", "[4s]");
    let Some(prometheus) = Prometheus::start(&[&server.admin], &rules, "no alert is seen to fire and clear") else {
        return;
    };
    let fires = |alert: &str| until(|| prometheus.firing().contains_key(alert));
    let clears = |alert: &str| until(|| !prometheus.firing().contains_key(alert));
    until(|| prometheus.query("clearwell_ready").is_ok_and(|values| values == [1.0]));
    until(|| prometheus.firing().is_empty());

    let index = root.join("meta/index/20");
    let sound = fs::read(&index).unwrap();
    flip_byte(&index);
    until(|| status(&server.listen, "/20/format") == 503);
    fires("ClearwellIndexDamaged");
    fs::write(&index, sound).unwrap();
    until(|| status(&server.listen, "/20/format") == 200);
    clears("ClearwellIndexDamaged");

    // Its bytes can be restored from its archive.
    let manifest = "/20/Manifest.editor";
    flip_byte(&root.join("content").join(&manifest[1..]));
    until(|| status(&server.listen, manifest) == 503);
    fires("ClearwellObjectsDamaged");
    let description = &prometheus.firing()["ClearwellObjectsDamaged"];
    assert!(description.starts_with(&format!("{} refused to serve objects ", server.admin)), "{description}");
    run(folder.path(), &["check", "--store", "store", "--repair"]).expect(12);
    until(|| status(&server.listen, manifest) == 200);
    clears("ClearwellObjectsDamaged");

    // The pointers cannot be read: not a link.
    let link = root.join("content/version");
    fs::rename(&link, root.join("link")).unwrap();
    fs::write(&link, "").unwrap();
    fires("ClearwellNotReady");
    fs::rename(root.join("link"), &link).unwrap();
    clears("ClearwellNotReady");

    let admin = server.admin.clone();
    drop(server);
    fires("ClearwellServerDown");
    let again = ["serve", "--store", "store", "--json", "--listen", "127.0.0.1:0", "--admin", &admin];
    let _server = Server::start_by(clearwell(folder.path(), &again));
    clears("ClearwellServerDown");
}
