//! The exposition as Prometheus's own tool judges it: by its rules, written down here, and by itself where it is on PATH.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail like tests")]

use std::collections::BTreeMap;
use std::io::Write as _;
use std::process::{Command, Stdio};
use std::time::Instant;

use clearwell_format::resource::ResourceKind;
use clearwell_format::{FormatNumber, Version};
use clearwell_metrics::{CertificateUse, FormatState, ListenerKind, Metrics, RequestKind, TextFormat};
use clearwell_sign::{GenerateOptions, KeyBits, generate};
use clearwell_testkit::program;

/// With everything in it that only work brings.
fn exposition() -> String {
    let metrics = Metrics::new();
    let version = |number| Version::new(number).unwrap();
    drop(metrics.http.request(RequestKind::Resource(ResourceKind::ZeroPack), Instant::now()));
    drop(metrics.http.connection(ListenerKind::Tls));
    metrics.fleet.moves(version(10), version(20));
    let state = FormatState { format: FormatNumber::new(30).unwrap(), version: version(20) };
    metrics.store.show(7, &[state], 2, 4096);
    let options = GenerateOptions { bits: KeyBits::Rsa2048, ..GenerateOptions::new("Test") };
    let certificate = generate(&options, 1_893_456_000).unwrap().certificate_pem;
    metrics.certificates.show(CertificateUse::Tls, certificate.as_bytes()).unwrap();
    metrics.expose()
}

/// A family of metrics: its type, its help, and the names and labels of its samples.
#[derive(Debug, Default)]
struct Family<'t> {
    kind: &'t str,
    help: &'t str,
    samples: Vec<(&'t str, &'t str)>,
}

/// Reads format 0.0.4. A sample belongs to the family of its name; those of a histogram have a suffix.
fn families(text: &str) -> BTreeMap<&str, Family<'_>> {
    let mut families: BTreeMap<&str, Family<'_>> = BTreeMap::new();
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            let (name, help) = rest.split_once(' ').unwrap();
            families.entry(name).or_default().help = help;
        } else if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').unwrap();
            families.entry(name).or_default().kind = kind;
        } else if !line.starts_with('#') {
            let end = line.find(['{', ' ']).unwrap();
            let (name, rest) = line.split_at(end);
            let labels = rest.strip_prefix('{').map_or("", |rest| &rest[..rest.rfind('}').unwrap()]);
            let part = ["_bucket", "_sum", "_count"].iter().find_map(|suffix| name.strip_suffix(suffix));
            let whole = part.filter(|whole| families.get(whole).is_some_and(|family| family.kind == "histogram"));
            families.entry(whole.unwrap_or(name)).or_default().samples.push((name, labels));
        }
    }
    families
}

/// What `promtool check metrics` complains about (client_golang, prometheus/testutil/promlint).
fn complaints(text: &str) -> Vec<String> {
    let mut complaints = Vec::new();
    for (name, family) in families(text) {
        let Family { kind, help, samples } = &family;
        let mut complain = |what: &str| complaints.push(format!("{name}: {what}"));
        if help.trim().is_empty() {
            complain("no help text");
        }
        if !["counter", "gauge", "histogram"].contains(kind) {
            complain("no type");
        }
        if (*kind == "counter") != name.ends_with("_total") {
            complain("counters end with _total, and nothing else does");
        }
        if *kind != "histogram" && ["_bucket", "_sum", "_count"].iter().any(|suffix| name.ends_with(suffix)) {
            complain("the suffix is for histograms");
        }
        let mut words = name.split('_');
        if !name.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_')) {
            complain("lower-case letters, digits and underscores");
        }
        if words.clone().any(|word| ["counter", "gauge", "histogram", "summary"].contains(&word)) {
            complain("the type is no part of the name");
        }
        if let Some(unit) = words.find(|word| ABBREVIATED.contains(word) || NOT_BASE.contains(word)) {
            complain(&format!("{unit} is not a base unit, or abbreviated"));
        }
        for (_, labels) in samples.iter().filter(|_| *kind != "histogram") {
            if labels.contains("le=\"") || labels.contains("quantile=\"") {
                complain("labels of histograms");
            }
        }
        if samples.is_empty() {
            complain("no sample");
        }
    }
    complaints
}

const ABBREVIATED: &[&str] = &["s", "ms", "us", "ns", "sec", "b", "kb", "mb", "gb", "tb", "pb", "m", "h", "d"];
const NOT_BASE: &[&str] = &[
    "milliseconds",
    "microseconds",
    "nanoseconds",
    "minutes",
    "hours",
    "days",
    "weeks",
    "bits",
    "kilobytes",
    "kibibytes",
    "megabytes",
    "mebibytes",
    "gigabytes",
    "gibibytes",
    "percent",
];

#[test]
fn prometheus_has_nothing_to_complain_about() {
    let text = exposition();
    assert_eq!(complaints(&text), [""; 0], "{text}");
}

#[test]
fn complaints_are_seen() {
    for (text, complaint) in [
        ("# TYPE a_total counter\na_total 1\n", "no help text"),
        ("# HELP a A.\n# TYPE a counter\na_total 1\n", "_total"),
        ("# HELP a_total A.\n# TYPE a_total gauge\na_total 1\n", "_total"),
        ("# HELP a_count A.\n# TYPE a_count gauge\na_count 1\n", "suffix"),
        ("# HELP a_ms A.\n# TYPE a_ms gauge\na_ms 1\n", "ms is not"),
        ("# HELP aB A.\n# TYPE aB gauge\naB 1\n", "lower-case"),
        ("# HELP a A.\n# TYPE a gauge\na{le=\"1\"} 1\n", "labels"),
        ("# HELP a_gauge A.\n# TYPE a_gauge gauge\na_gauge 1\n", "type is no part"),
        ("# HELP a A.\n# TYPE a gauge\n", "no sample"),
    ] {
        assert!(complaints(text).iter().any(|found| found.contains(complaint)), "{text}: {:?}", complaints(text));
    }
}

#[test]
fn promtool_has_nothing_to_complain_about() {
    let Some(promtool) = program("promtool", "the metrics are judged by our copy of its rules alone") else { return };
    let mut command = Command::new(promtool);
    command.args(["check", "metrics"]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut promtool = command.spawn().unwrap();
    promtool.stdin.take().unwrap().write_all(exposition().as_bytes()).unwrap();
    let output = promtool.wait_with_output().unwrap();
    let said = [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).unwrap()).concat();
    assert!(output.status.success() && said.is_empty(), "{said}");
}

#[test]
fn the_process_and_the_program_are_shown() {
    let text = exposition();
    let value = |name: &str| -> f64 {
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line.unwrap_or_else(|| panic!("{name} in\n{text}")).parse().unwrap()
    };
    assert!(value("process_cpu_seconds_total") >= 0.0);
    assert!(value("process_open_fds") >= 3.0 && value("process_open_fds") < value("process_max_fds"));
    let (resident, virtual_memory) = (value("process_resident_memory_bytes"), value("process_virtual_memory_bytes"));
    assert!(resident > 100_000.0 && resident < virtual_memory, "{resident} of {virtual_memory}");
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs_f64();
    let age = now - value("process_start_time_seconds");
    assert!((-5.0..3600.0).contains(&age), "started {age} s ago");
    let build = format!("clearwell_build_info{{version=\"{}\"", env!("CARGO_PKG_VERSION"));
    assert!(text.lines().any(|line| line.starts_with(&build) && line.ends_with(" 1")), "{text}");
}

#[test]
fn open_metrics_has_the_same_samples() {
    let metrics = Metrics::new();
    let samples = |format| -> Vec<String> {
        let own = |line: &&str| line.starts_with("clearwell_");
        metrics.expose_as(format).lines().filter(own).map(str::to_owned).collect()
    };
    assert_eq!(samples(TextFormat::OpenMetrics), samples(TextFormat::Prometheus));
    assert!(metrics.expose_as(TextFormat::OpenMetrics).contains("# TYPE clearwell_http_requests counter\n"));
}
