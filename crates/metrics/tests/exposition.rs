//! The exposition against the rules of `promtool check metrics`, against promtool itself where it is on PATH, and
//! docs/reference/metrics.md, which is written from it.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail like tests")]

use std::collections::BTreeMap;
use std::io::Write as _;
use std::process::{Command, Stdio};
use std::time::Instant;

use clearwell_format::resource::ResourceKind;
use clearwell_format::{FormatNumber, Version};
use clearwell_metrics::{
    BytePath, CacheResult, CertificateUse, EndReason, FleetRequest, FormatState, ListenerKind, Metrics, ReloadKind,
    RequestKind, Resumption, ShedReason, StatusClass, TlsVersion,
};
use clearwell_sign::{GenerateOptions, KeyBits, generate};
use clearwell_testkit::{GENERATED, assert_page, program};

/// With every family and label value, those included that only work creates.
fn exposition() -> String {
    let metrics = Metrics::new();
    let version = |number| Version::new(number).unwrap();
    drop(metrics.http.request(RequestKind::Resource(ResourceKind::ZeroPack), Instant::now()));
    drop(metrics.http.connection(ListenerKind::Tls));
    metrics.fleet.count(FleetRequest::Delta { from: version(10), to: version(20) });
    let format = FormatNumber::new(30).unwrap();
    metrics.fleet.latest_reads(format).inc();
    metrics.server.show_build(env!("CARGO_PKG_VERSION"), "0123abc");
    let state = FormatState { format, version: version(20), published: Some(1_700_000_000) };
    metrics.store.show(7, &[state], 2, 4096);
    metrics.store.show_free(1 << 40);
    metrics.server.show_memory_limit(1 << 36);
    let options = GenerateOptions { bits: KeyBits::Rsa2048, ..GenerateOptions::new("Test") };
    let certificate = generate(&options, 1_893_456_000).unwrap().certificate_pem;
    for certificate_use in CertificateUse::ALL {
        metrics.certificates.show(certificate_use, certificate.as_bytes()).unwrap();
    }
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

/// The rules of `promtool check metrics` that a text breaks (client_golang, prometheus/testutil/promlint).
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
            complain("the type is not part of the name");
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
fn the_exposition_follows_the_rules_of_promtool() {
    let text = exposition();
    assert_eq!(complaints(&text), [""; 0], "{text}");
}

#[test]
fn broken_rules_are_found() {
    for (text, complaint) in [
        ("# TYPE a_total counter\na_total 1\n", "no help text"),
        ("# HELP a A.\n# TYPE a counter\na_total 1\n", "_total"),
        ("# HELP a_total A.\n# TYPE a_total gauge\na_total 1\n", "_total"),
        ("# HELP a_count A.\n# TYPE a_count gauge\na_count 1\n", "suffix"),
        ("# HELP a_ms A.\n# TYPE a_ms gauge\na_ms 1\n", "ms is not"),
        ("# HELP aB A.\n# TYPE aB gauge\naB 1\n", "lower-case"),
        ("# HELP a A.\n# TYPE a gauge\na{le=\"1\"} 1\n", "labels"),
        ("# HELP a_gauge A.\n# TYPE a_gauge gauge\na_gauge 1\n", "type is not part"),
        ("# HELP a A.\n# TYPE a gauge\n", "no sample"),
    ] {
        assert!(complaints(text).iter().any(|found| found.contains(complaint)), "{text}: {:?}", complaints(text));
    }
}

#[test]
fn promtool_accepts_the_exposition() {
    let Some(promtool) = program("promtool", "the metrics are checked against our copy of its rules only") else {
        return;
    };
    let mut command = Command::new(promtool);
    command.args(["check", "metrics"]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut promtool = command.spawn().unwrap();
    promtool.stdin.take().unwrap().write_all(exposition().as_bytes()).unwrap();
    let output = promtool.wait_with_output().unwrap();
    let said = [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).unwrap()).concat();
    assert!(output.status.success() && said.is_empty(), "{said}");
}

/// Labels with values that are not a fixed set, with what the reference writes in place of the values.
const OPEN_LABELS: &[(&str, &str, &str)] = &[
    ("clearwell_build_info", "commit", "the commit it was built from, or `unknown`"),
    ("clearwell_build_info", "version", "the program's version"),
    ("clearwell_fleet_deltas_total", "from", "a version, or `other`"),
    ("clearwell_fleet_deltas_total", "to", "a version, or `other`"),
    ("clearwell_fleet_installations_total", "version", "a version, or `other`"),
    ("clearwell_fleet_latest_reads_total", "format", "a format number"),
    ("clearwell_fleet_moms_total", "version", "a version, or `other`"),
    ("clearwell_pointer_generation", "format", "a format number"),
    ("clearwell_released_timestamp_seconds", "format", "a format number"),
    ("clearwell_released_version", "format", "a format number"),
];

/// The values of each label of a family, both in order of appearance. `le` is the exposition format's.
fn label_values<'t>(family: &Family<'t>) -> Vec<(&'t str, Vec<&'t str>)> {
    let mut labels: Vec<(&str, Vec<&str>)> = Vec::new();
    let pairs = family.samples.iter().flat_map(|(_, labels)| labels.split(',').filter(|pair| !pair.is_empty()));
    for (label, value) in pairs.map(|pair| pair.split_once('=').unwrap()) {
        if label == "le" {
            continue;
        }
        let at = labels.iter().position(|(known, _)| *known == label).unwrap_or_else(|| {
            labels.push((label, Vec::new()));
            labels.len() - 1
        });
        let value = value.trim_matches('"');
        if !labels[at].1.contains(&value) {
            labels[at].1.push(value);
        }
    }
    labels
}

fn open_label(name: &str, label: &str) -> Option<&'static str> {
    OPEN_LABELS.iter().find(|open| (open.0, open.1) == (name, label)).map(|open| open.2)
}

/// The row of the reference for a family.
fn row(name: &str, family: &Family<'_>) -> String {
    let labels = label_values(family).into_iter().map(|(label, values)| {
        let values = open_label(name, label).map_or_else(
            || values.iter().map(|value| format!("`{value}`")).collect::<Vec<_>>().join(", "),
            str::to_owned,
        );
        format!("`{label}`: {values}")
    });
    let labels = labels.collect::<Vec<_>>().join("; ");
    format!("| `{name}` | {} | {labels} | {} |", family.kind, family.help)
}

/// What the values of a label mean, if these are the values of an enum.
fn meanings(values: &[&str]) -> Vec<(&'static str, &'static str)> {
    macro_rules! of {
        ($($name:ident),+) => {
            [
                RequestKind::all().map(|kind| (kind.as_str(), kind.meaning())).collect::<Vec<_>>(),
                $($name::ALL.iter().map(|value| (value.as_str(), value.meaning())).collect(),)+
            ]
        };
    }
    let enums = of!(
        StatusClass,
        BytePath,
        ListenerKind,
        EndReason,
        ShedReason,
        TlsVersion,
        Resumption,
        ReloadKind,
        CacheResult,
        CertificateUse
    );
    let same = |known: &Vec<(&str, &str)>| {
        known.len() == values.len() && known.iter().all(|(value, _)| values.contains(value))
    };
    enums.into_iter().find(same).unwrap_or_default()
}

/// Labels with the same fixed values, the metrics that have them, and the meanings.
type Labels<'t> = BTreeMap<(&'t str, Vec<(&'static str, &'static str)>), Vec<&'t str>>;

#[test]
fn reference() {
    let text = exposition();
    let families = families(&text);
    let mut page = format!(
        "# Metrics\n\n{GENERATED}\n\n{INTRODUCTION}\n## Names\n\n| Name | Type | Labels | Meaning |\n|---|---|---|---|\n"
    );
    let mut labels = Labels::new();
    for (name, family) in &families {
        page += &(row(name, family) + "\n");
        for (label, values) in label_values(family).into_iter().filter(|(label, _)| open_label(name, label).is_none()) {
            let meanings = meanings(&values);
            assert!(!meanings.is_empty(), "{name}: the values of {label} are not those of an enum: {values:?}");
            labels.entry((label, meanings)).or_default().push(name);
        }
    }
    page += "\n## Label values\n";
    for ((label, meanings), metrics) in labels {
        let metrics: Vec<String> = metrics.iter().map(|name| format!("`{name}`")).collect();
        page += &format!("\n### `{label}` of {}\n\n| Value | Meaning |\n|---|---|\n", metrics.join(", "));
        meanings.iter().for_each(|(value, meaning)| page += &format!("| `{value}` | {meaning} |\n"));
    }
    assert_page("docs/reference/metrics.md", &page);
}

const INTRODUCTION: &str = "\
`clearwell serve` serves `/metrics` on its admin address in the Prometheus text format 0.0.4. Names, labels and label
values are a contract: dashboards and alerts may rely on them.

Counters and labels with a fixed set of values exist from the start, at zero. `clearwell_certificate_not_after_seconds` exists
for the certificates that the configuration names; `clearwell_released_version`, `clearwell_released_timestamp_seconds`,
`clearwell_pointer_generation` and `clearwell_fleet_latest_reads_total` for the formats that are published;
`clearwell_store_free_bytes` and `clearwell_memory_limit_bytes` if the system says them. The metrics of the fleet with versions begin
with the published ones, and have up to 500 versions, or pairs of versions, per process; further ones count as `other`.

What the metrics of the fleet can say about machines, and what they cannot, is in [monitoring](../monitoring.md#releases-and-adoption).
";
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
    let build = format!("clearwell_build_info{{commit=\"0123abc\",version=\"{}\"}}", env!("CARGO_PKG_VERSION"));
    assert!(text.lines().any(|line| line.starts_with(&build) && line.ends_with(" 1")), "{text}");
}
