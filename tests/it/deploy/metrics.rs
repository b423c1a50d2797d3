//! What queries read: every metric, and every label value of a fixed set, is documented.

use std::collections::BTreeSet;

const DOCUMENTED: &str = include_str!("../../../docs/reference/metrics.md");

/// Metrics of Prometheus itself, and of node_exporter.
const FOREIGN: [&str; 4] = ["ALERTS", "up", "node_systemd_timer_last_trigger_seconds", "node_systemd_unit_state"];
/// Labels whose values are a fixed set.
const CLOSED_LABELS: [&str; 8] = ["certificate", "class", "kind", "listener", "path", "reason", "result", "resumed"];

/// The names of metrics in a text: words that begin as ours and those of the process do, and the foreign ones.
pub(crate) fn names(text: &str) -> BTreeSet<String> {
    let words = text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
    let is_ours = |word: &str| word.starts_with("clearwell_") || word.starts_with("process_");
    words.filter(|word| is_ours(word) || word.starts_with("node_systemd_")).map(str::to_owned).collect()
}

/// What a text with queries names and `docs/reference/metrics.md` does not have.
pub(crate) fn undocumented(text: &str) -> Vec<String> {
    let is_row = |name: &str| {
        let family = ["_bucket", "_sum", "_count"].iter().find_map(|suffix| name.strip_suffix(suffix)).unwrap_or(name);
        [name, family].iter().any(|name| DOCUMENTED.contains(&format!("\n| `{name}` |")))
    };
    let missing = names(text).into_iter().filter(|name| !FOREIGN.contains(&name.as_str()) && !is_row(name));
    let values = label_values(text).into_iter().filter(|(_, value)| !DOCUMENTED.contains(&format!("`{value}`")));
    missing.chain(values.map(|(label, value)| format!("{label}=\"{value}\""))).collect()
}

/// Labels with the values that selectors compare them with; a regular expression is split at its alternatives.
fn label_values(text: &str) -> Vec<(&'static str, String)> {
    let mut values = Vec::new();
    for label in CLOSED_LABELS {
        for operator in ["=\"", "!=\"", "=~\"", "!~\""] {
            for (at, found) in text.match_indices(&format!("{label}{operator}")) {
                let is_whole = !text[..at].ends_with(|c: char| c.is_ascii_alphanumeric() || c == '_');
                let rest = &text[at + found.len()..];
                let value = &rest[..rest.find('"').unwrap()];
                if is_whole {
                    values.extend(value.split('|').map(|value| (label, value.to_owned())));
                }
            }
        }
    }
    values
}

#[test]
fn what_is_not_documented_is_found() {
    let query = "rate(clearwell_http_requests_total{kind=\"manifest\", class=~\"5xx|6xx\", reason=\"x\"}[5m]) + clearwell_nothing";
    assert_eq!(undocumented(query), ["clearwell_nothing", "class=\"6xx\"", "reason=\"x\""]);
    assert_eq!(undocumented("clearwell_http_request_duration_seconds_bucket + process_open_fds"), [""; 0]);
}
