//! The two text formats: OpenMetrics 1.0, which the encoder writes, and Prometheus 0.0.4, which everything reads.
//!
//! ```text
//! OpenMetrics   # TYPE clearwell_http_requests counter         clearwell_http_requests_total 7        # UNIT …, # EOF
//! 0.0.4         # TYPE clearwell_http_requests_total counter   clearwell_http_requests_total 7
//! ```

use std::collections::HashSet;

/// A format of the exposition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TextFormat {
    /// Prometheus 0.0.4, for all who do not ask for the other.
    Prometheus,
    /// OpenMetrics 1.0.
    OpenMetrics,
}

impl TextFormat {
    /// The format that a scraper prefers, by the value of its `Accept` header (RFC 9110, 12.5.1).
    pub fn preferred(accept: &str) -> Self {
        let weight = |wanted: &str| {
            let weights = accept.split(',').filter_map(|range| {
                let mut parts = range.split(';').map(str::trim);
                let is_wanted = parts.next()?.eq_ignore_ascii_case(wanted);
                let weight = parts.find_map(|parameter| parameter.strip_prefix("q=")?.parse::<f64>().ok());
                is_wanted.then(|| weight.unwrap_or(1.0))
            });
            weights.fold(0.0, f64::max)
        };
        let open_metrics = weight("application/openmetrics-text");
        if open_metrics > 0.0 && open_metrics >= weight("text/plain") { Self::OpenMetrics } else { Self::Prometheus }
    }

    /// The content type.
    pub const fn content_type(self) -> &'static str {
        match self {
            Self::Prometheus => "text/plain; version=0.0.4; charset=utf-8",
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }
}

/// OpenMetrics as 0.0.4: a counter is described by the name that its samples have.
pub(crate) fn to_prometheus(open_metrics: &str) -> String {
    let counter = |line: &str| Some(line.strip_prefix("# TYPE ")?.strip_suffix(" counter")?.to_owned());
    let counters: HashSet<String> = open_metrics.lines().filter_map(counter).collect();
    let mut text = String::with_capacity(open_metrics.len() + 1024);
    for line in open_metrics.lines().filter(|line| !line.starts_with("# UNIT ")) {
        let described =
            ["# HELP ", "# TYPE "].into_iter().find_map(|keyword| Some((keyword, line.strip_prefix(keyword)?)));
        match described.and_then(|(keyword, rest)| Some((keyword, rest.split_once(' ')?))) {
            Some((keyword, (name, rest))) if counters.contains(name) => {
                text.extend([keyword, name, "_total ", rest, "\n"]);
            }
            // `# EOF` is a comment here, and still says that nothing is missing.
            _ => text.extend([line, "\n"]),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scrapers_get_what_they_prefer() {
        let ours = "application/openmetrics-text;version=1.0.0;q=0.5,application/openmetrics-text;version=0.0.1;q=0.4,\
            text/plain;version=0.0.4;q=0.3,*/*;q=0.2";
        for (accept, expected) in [
            ("", TextFormat::Prometheus),
            ("*/*", TextFormat::Prometheus),
            ("text/plain", TextFormat::Prometheus),
            (ours, TextFormat::OpenMetrics),
            ("Application/OpenMetrics-Text", TextFormat::OpenMetrics),
            (
                "text/plain;version=0.0.4;q=0.5, application/openmetrics-text;version=1.0.0;q=0.3",
                TextFormat::Prometheus,
            ),
            ("application/openmetrics-text;q=0", TextFormat::Prometheus),
        ] {
            assert_eq!(TextFormat::preferred(accept), expected, "{accept}");
        }
    }

    #[test]
    fn counters_are_described_by_the_name_of_their_samples() {
        let open_metrics = "# HELP a_requests Requests.\n# TYPE a_requests counter\na_requests_total{x=\"# TYPE b counter\"} 1\n\
            # HELP b_bytes Bytes.\n# TYPE b_bytes gauge\n# UNIT b_bytes bytes\nb_bytes 2\n# EOF\n";
        let expected = "# HELP a_requests_total Requests.\n# TYPE a_requests_total counter\na_requests_total{x=\"# TYPE b counter\"} 1\n\
            # HELP b_bytes Bytes.\n# TYPE b_bytes gauge\nb_bytes 2\n# EOF\n";
        assert_eq!(to_prometheus(open_metrics), expected);
    }
}
