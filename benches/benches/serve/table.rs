//! The results, as ratios and their targets.

use std::fmt;

use crate::workload::{Sample, Unit, Workload};

/// Samples of all workloads.
#[derive(Default)]
pub(crate) struct Table {
    rows: Vec<Row>,
}

struct Row {
    workload: Workload,
    pairs: Vec<(Sample, Option<Sample>, Option<Sample>)>,
}

impl Table {
    pub(crate) fn add(&mut self, workload: &Workload, ours: Sample, theirs: Option<Sample>, floor: Option<Sample>) {
        if self.rows.last().is_none_or(|row| row.workload != *workload) {
            self.rows.push(Row { workload: workload.clone(), pairs: Vec::new() });
        }
        if let Some(row) = self.rows.last_mut() {
            row.pairs.push((ours, theirs, floor));
        }
    }

    /// The row of a workload.
    pub(crate) fn line(&self, workload: &Workload) -> String {
        self.rows.iter().find(|row| row.workload == *workload).map(ToString::to_string).unwrap_or_default()
    }

    /// Requests to our server that failed.
    pub(crate) fn errors(&self) -> u64 {
        self.rows.iter().flat_map(|row| &row.pairs).map(|(ours, ..)| ours.errors).sum()
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{:34} {:>9} {:>9} {:>6} {:>6}   {:>9} {:>9} {:>6} {:>6}   {:>15} {:>15}  {:>11}",
            "workload",
            "ours",
            "nginx",
            "ratio",
            "target",
            "ours",
            "nginx",
            "ratio",
            "target",
            "p50/p99 µs",
            "nginx's",
            "MiB"
        )?;
        self.rows.iter().try_for_each(|row| writeln!(f, "{row}"))
    }
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unit = self.workload.unit();
        let (cost_target, rate_target) = self.workload.targets();
        let of = |figure: &dyn Fn(&Sample) -> f64| {
            let ours = median(self.pairs.iter().map(|(ours, ..)| figure(ours)));
            let theirs = median(self.pairs.iter().filter_map(|(_, theirs, _)| theirs.as_ref().map(figure)));
            let ratio =
                median(self.pairs.iter().filter_map(|(ours, theirs, _)| Some(figure(ours) / figure(theirs.as_ref()?))));
            (ours, theirs, ratio)
        };
        let (cost, their_cost, cost_ratio) = of(&|sample| sample.cost(unit));
        let (rate, their_rate, rate_ratio) = of(&|sample| sample.rate(unit));
        let (p50, their_p50, _) = of(&|sample| sample.percentile(0.5));
        let (p99, their_p99, _) = of(&|sample| sample.percentile(0.99));
        let (mib, their_mib, _) = of(&|sample| sample.resident_mib);
        write!(
            f,
            "{:34} {cost:>9.3} {their_cost:>9.3} {cost_ratio:>6.2} {:>6}   {rate:>9.1} {their_rate:>9.1} \
             {rate_ratio:>6.2} {:>6}   {:>15} {:>15}  {mib:>5.0} {their_mib:>5.0}",
            format!("{} [{}]", self.workload.name(), unit.text()),
            target("≤", cost_target),
            target("≥", rate_target),
            format!("{p50:.0}/{p99:.0}"),
            format!("{their_p50:.0}/{their_p99:.0}"),
        )?;
        let floors: Vec<f64> = self
            .pairs
            .iter()
            .filter_map(|(ours, _, floor)| Some(ours.cost(unit) / floor.as_ref()?.cost(unit)))
            .collect();
        if !floors.is_empty() {
            write!(
                f,
                "\n{:34} {:>9} {:>9} {:>6.2} {:>6}",
                "  over the floor",
                "",
                "",
                median(floors.into_iter()),
                "≤1.4"
            )?;
        }
        match unit {
            Unit::Tail => write!(f, "  (p99 ratio; target in the first column)"),
            Unit::Memory => write!(f, "  (MiB instead of CPU)"),
            Unit::Request | Unit::Gigabyte => Ok(()),
        }
    }
}

fn target(sign: &str, target: Option<f64>) -> String {
    target.map_or_else(|| "-".to_owned(), |target| format!("{sign}{target}"))
}

fn median(figures: impl Iterator<Item = f64>) -> f64 {
    let mut figures: Vec<f64> = figures.collect();
    figures.sort_by(f64::total_cmp);
    figures.get(figures.len() / 2).copied().unwrap_or(f64::NAN)
}
