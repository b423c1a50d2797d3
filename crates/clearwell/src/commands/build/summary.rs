//! What a build did, as text.

use std::time::Duration;

use clearwell_generate::build::BuildOutcome;

use crate::page::Page;
use crate::ui::{bytes_text, seconds_text};

/// What a build did, for a person.
pub(crate) fn summary(outcome: &BuildOutcome) -> Page {
    let conclusion = conclusion(outcome.generation);
    let mut text = Page::of(format_args!("release {} (format {}) {conclusion}", outcome.version, outcome.format));
    for (kind, made) in &outcome.made {
        let reused =
            if made.reused > 0 { format!("  ({} from an interrupted build)", made.reused) } else { String::new() };
        let _ = writeln!(text, "  {kind:16} {:>8}  {:>10}{reused}", made.number, bytes_text(made.bytes));
    }
    text.gap();
    let _ = writeln!(text, "  {:32} {:>10} {:>10}  delta packs", "bundle", "version", "zero pack");
    for bundle in &outcome.bundles {
        let zero_pack = bundle.zero_pack_bytes.map_or_else(|| "-".to_owned(), bytes_text);
        let updates: Vec<String> =
            bundle.update_bytes.iter().map(|(from, bytes)| format!("from {from}: {}", bytes_text(*bytes))).collect();
        let _ = writeln!(text, "  {:32} {:>10} {zero_pack:>10}  {}", bundle.bundle, bundle.version, updates.join(", "));
    }
    text.append(&times(outcome));
    text
}

/// Time spent: phases of a tenth of a second or more, and the slowest files.
fn times(outcome: &BuildOutcome) -> Page {
    let seconds = |milliseconds: u64| seconds_text(Duration::from_millis(milliseconds));
    let phases = outcome.phases.iter().filter(|phase| phase.milliseconds >= 100);
    let phases: Vec<String> = phases.map(|phase| format!("{} {}", phase.phase, seconds(phase.milliseconds))).collect();
    let slowest = outcome.slowest.iter().filter(|slow| slow.milliseconds >= 1000);
    let slowest: Vec<String> = slowest.map(|slow| format!("{} {}", slow.object, seconds(slow.milliseconds))).collect();
    let mut text = Page::default();
    for (name, list) in [("time", phases), ("slowest", slowest)] {
        if !list.is_empty() {
            text.gap();
            let _ = writeln!(text, "  {name:8} {}", list.join(", "));
        }
    }
    text
}

/// What became of a built release: `published (pointer generation 3)`.
pub(crate) fn conclusion(generation: Option<u64>) -> String {
    match generation {
        Some(generation) => format!("published (pointer generation {generation})"),
        None => "staged; publish it with \"clearwell publish\"".to_owned(),
    }
}
