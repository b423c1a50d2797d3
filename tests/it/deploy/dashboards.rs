//! `deploy/grafana`: the form of the dashboards, and every query of them in a real Prometheus that scrapes a real server.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use clearwell_format::{FormatNumber, Version};
use clearwell_store::Store;
use clearwell_testkit::{pointers, sample_store, signer};
use serde_json::Value;

use crate::get::status;
use crate::metrics::undocumented;
use crate::prometheus::{Prometheus, without_delays};
use crate::run::{Ended, Server, run};
use crate::shipped;
use crate::wait::until;

const DASHBOARDS: [&str; 2] = ["operations.json", "releases-and-adoption.json"];
const MANUAL: &str = include_str!("../../../docs/monitoring.md");
/// The columns of a dashboard.
const COLUMNS: u64 = 24;
/// Units as Grafana names them.
const UNITS: [&str; 11] =
    ["Bps", "bool_yes_no", "bytes", "cps", "dateTimeFromNow", "none", "percentunit", "reqpm", "reqps", "s", "short"];
/// Kinds of panels that Grafana has without plugins.
const PANELS: [&str; 8] = ["bargauge", "gauge", "heatmap", "piechart", "row", "stat", "table", "timeseries"];

fn dashboard(name: &str) -> Value {
    serde_json::from_str(&fs::read_to_string(shipped::file("grafana").join(name)).unwrap()).unwrap()
}

fn list<'v>(value: &'v Value, key: &str) -> &'v [Value] {
    value[key].as_array().map_or(&[], Vec::as_slice)
}

fn text<'v>(value: &'v Value, key: &str) -> &'v str {
    value[key].as_str().unwrap_or_else(|| panic!("no {key} in {value}"))
}

/// The queries of a dashboard, each with the title of its panel: those of panels, annotations and variables.
fn queries(dashboard: &Value) -> Vec<(String, String)> {
    let mut queries = Vec::new();
    for panel in list(dashboard, "panels") {
        let exprs = list(panel, "targets").iter().map(|target| text(target, "expr").to_owned());
        queries.extend(exprs.map(|expr| (text(panel, "title").to_owned(), expr)));
    }
    for annotation in list(&dashboard["annotations"], "list") {
        queries.push((text(annotation, "name").to_owned(), text(annotation, "expr").to_owned()));
    }
    let variables = list(&dashboard["templating"], "list").iter().filter(|variable| variable["type"] == "query");
    for variable in variables {
        // label_values(SELECTOR, LABEL)
        let inner = text(variable, "definition").strip_prefix("label_values(").unwrap().strip_suffix(')').unwrap();
        let (selector, label) = inner.rsplit_once(", ").unwrap();
        queries.push((text(variable, "name").to_owned(), format!("group by ({label}) ({selector})")));
    }
    queries
}

#[test]
fn the_form_of_the_dashboards() {
    let mut uids = BTreeSet::new();
    for name in DASHBOARDS {
        let dashboard = dashboard(name);
        assert!(uids.insert(text(&dashboard, "uid").to_owned()), "{name}: its uid is not unique");
        assert!(dashboard["schemaVersion"].as_u64().unwrap() >= 39, "{name}: the schema of Grafana 11");
        assert!(dashboard["id"].is_null(), "{name}: an id belongs to one installation");
        let variables: BTreeMap<&str, &str> = list(&dashboard["templating"], "list")
            .iter()
            .map(|variable| (text(variable, "name"), text(variable, "type")))
            .collect();
        for (variable, kind) in [("datasource", "datasource"), ("job", "query"), ("instance", "query")] {
            assert_eq!(variables.get(variable), Some(&kind), "{name}: variable {variable}");
        }
        let whole = dashboard.to_string();
        assert_eq!(
            whole.matches("\"uid\":\"${datasource}\"").count(),
            whole.matches("\"type\":\"prometheus\"").count()
        );
        assert_eq!(
            undocumented(&queries(&dashboard).iter().map(|(_, query)| query.as_str()).collect::<String>()),
            [""; 0]
        );

        let (mut ids, mut cells) = (BTreeSet::new(), BTreeSet::new());
        for panel in list(&dashboard, "panels") {
            let (kind, title) = (text(panel, "type"), text(panel, "title"));
            let of = format!("{name}: {title}");
            assert!(ids.insert(panel["id"].as_u64().unwrap()), "{of}: its id is not unique");
            assert!(PANELS.contains(&kind), "{of}: {kind}");
            let side = |key: &str| panel["gridPos"][key].as_u64().unwrap_or_else(|| panic!("{of}: no {key}"));
            let (x, y, width, height) = (side("x"), side("y"), side("w"), side("h"));
            assert!(width > 0 && height > 0 && x + width <= COLUMNS, "{of}: it is wider than the dashboard");
            for cell in (x..x + width).flat_map(|x| (y..y + height).map(move |y| (x, y))) {
                assert!(cells.insert(cell), "{of}: it overlaps another panel at {cell:?}");
            }
            if kind == "row" {
                continue;
            }
            assert!(text(panel, "description").ends_with('.'), "{of}: a description in sentences");
            assert_eq!(text(&panel["datasource"], "uid"), "${datasource}", "{of}");
            let defaults = &panel["fieldConfig"]["defaults"];
            assert!(UNITS.contains(&text(defaults, "unit")), "{of}: unit {}", defaults["unit"]);
            assert!(!list(&defaults["thresholds"], "steps").is_empty(), "{of}: no thresholds");
            let targets = list(panel, "targets");
            assert!(!targets.is_empty(), "{of}: no query");
            let references: BTreeSet<&str> = targets.iter().map(|target| text(target, "refId")).collect();
            assert_eq!(references.len(), targets.len(), "{of}: refIds are not unique");
            for target in targets {
                let expr = text(target, "expr");
                assert_eq!(text(&target["datasource"], "uid"), "${datasource}", "{of}");
                let is_filtered =
                    expr.contains("job=~\"$job\", instance=~\"$instance\"") || expr.starts_with("ALERTS{");
                assert!(is_filtered, "{of}: not by job and server: {expr}");
            }
        }
    }
}

#[test]
fn links_of_the_dashboards_lead_to_sections_of_the_manual() {
    let anchors: BTreeSet<String> = MANUAL
        .lines()
        .filter(|line| line.starts_with('#'))
        .map(|line| line.trim_start_matches('#').trim().to_lowercase().replace(' ', "-"))
        .collect();
    for name in DASHBOARDS {
        let dashboard = dashboard(name);
        let links =
            list(&dashboard, "panels").iter().flat_map(|panel| list(panel, "links")).chain(list(&dashboard, "links"));
        let urls: Vec<&str> = links.map(|link| text(link, "url")).filter(|url| !url.is_empty()).collect();
        assert!(urls.len() > 5, "{name}: {urls:?}");
        for url in urls {
            let anchor = url.strip_prefix("docs/monitoring.md#").unwrap_or_else(|| panic!("{name}: {url}"));
            assert!(anchors.contains(anchor), "{name}: the manual has no section #{anchor}");
        }
    }
}

/// Queries that may be empty, and why. None: the traffic of the test makes data for all of them.
const MAY_BE_EMPTY: [(&str, &str); 0] = [];

#[test]
fn every_query_returns_data_from_a_real_server() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    drop(sample_store(&at("store")));
    fs::write(at("Swupd_Root.pem"), signer().anchor().pem()).unwrap();
    let pair = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    fs::write(at("tls.pem"), pair.cert.pem()).unwrap();
    fs::write(at("tls.key"), pair.signing_key.serialize_pem()).unwrap();
    fs::write(at("serve.toml"), "access-log = \"off\"\n").unwrap();
    let options = [
        "--config",
        "serve.toml",
        "--signing-certificate",
        "Swupd_Root.pem",
        "--listen-tls",
        "127.0.0.1:0",
        "--tls-cert",
        "tls.pem",
        "--tls-key",
        "tls.key",
    ];
    let server = Server::start(folder.path(), "store", &options);
    let rules = without_delays(&fs::read_to_string(shipped::file("prometheus/alerts.yml")).unwrap());
    let Some(prometheus) = Prometheus::start(&[&server.admin], &rules, "no query of the dashboards runs") else {
        return;
    };
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                traffic(folder.path(), &server);
            }
        });
        // A reload that is refused makes an alert fire.
        fs::write(at("serve.toml"), "access-log = \"of\"\n").unwrap();
        server.running.hang_up();
        let ended = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            for name in DASHBOARDS {
                for (title, query) in queries(&dashboard(name)) {
                    returns_data(&prometheus, &format!("{name}: {title}"), &query);
                }
            }
        }));
        done.store(true, Ordering::Relaxed);
        ended.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
    });
}

/// Endpoints install, update and miss a delta, and the release is published again.
fn traffic(folder: &Path, server: &Server) {
    let tls = format!("https://{}", server.listen_tls.as_ref().unwrap());
    for (url, more) in [(server.url(), &[][..]), (tls, &["--ca", "tls.pem"])] {
        let args = ["verify", "--url", &url, "--cert", "Swupd_Root.pem", "--from", "10"];
        let Ended { code, stderr, .. } = run(folder, &[&args, more].concat());
        assert_eq!(code, Some(0), "{stderr}");
    }
    for path in ["/20/pack-editor-from-7.tar", "/20/Manifest-editor-delta-from-7", "/nothing"] {
        assert_eq!(status(&server.listen, path), 404);
    }
    let set = pointers(FormatNumber::new(30).unwrap(), Version::new(20).unwrap());
    Store::open(folder.join("store")).unwrap().writer("test").unwrap().publish(&set).unwrap();
}

/// Waits until a query returns a number, with what Grafana puts in for its variables.
fn returns_data(prometheus: &Prometheus, of: &str, query: &str) {
    let mut filled = query.to_owned();
    for (variable, value) in [
        ("$__rate_interval", "10s"),
        ("$__range", "1m"),
        ("$job", "clearwell"),
        ("$instance", ".*"),
        ("$checks_per_day", "21"),
    ] {
        filled = filled.replace(variable, value);
    }
    assert!(!filled.contains('$'), "{of}: a variable that Grafana does not fill: {filled}");
    let may_be_empty = MAY_BE_EMPTY.iter().any(|(title, _)| *title == of);
    until(|| {
        let values = prometheus.query(&filled).unwrap_or_else(|error| panic!("{of}: {error}: {filled}"));
        may_be_empty || values.iter().any(|value| value.is_finite())
    });
}
