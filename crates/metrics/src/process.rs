//! The process itself, under the metric names that Prometheus exporters share.
//!
//! ```text
//! /proc/self/stat     processor time, memory, start       /proc/stat      btime: when the system started
//! /proc/self/fd       an entry for each descriptor
//! ```
//!
//! `prometheus` has a collector for these names too. Its processor time is in whole seconds, too coarse for a rate over
//! a few scrapes, and it needs a parser of all of `/proc`.

use std::fs;

use prometheus::Registry;
use prometheus::core::{Collector, Desc};
use prometheus::proto::MetricFamily;
use rustix::param::{clock_ticks_per_second, page_size};
use rustix::process::{Resource, getrlimit};

use crate::family::{Family, register};

pub(crate) fn register_process(registry: &Registry) {
    let gauge = |name, help| Family::gauge(name, help, &[]);
    let cpu_help = "Processor time of the process, user and system, in seconds";
    register(
        registry,
        ProcessCollector {
            cpu_seconds: Family::counter("process_cpu_seconds_total", cpu_help, &[]),
            start_time: gauge("process_start_time_seconds", "Unix time at which the process started, in seconds"),
            virtual_memory: gauge("process_virtual_memory_bytes", "Virtual memory of the process in bytes"),
            resident_memory: gauge("process_resident_memory_bytes", "Resident memory of the process in bytes"),
            open_descriptors: gauge("process_open_fds", "Open file descriptors"),
            max_descriptors: gauge("process_max_fds", "File descriptors that may be open"),
        },
    );
}

/// Read for each scrape. Values that the system does not report are left out.
struct ProcessCollector {
    cpu_seconds: Family,
    start_time: Family,
    virtual_memory: Family,
    resident_memory: Family,
    open_descriptors: Family,
    max_descriptors: Family,
}

impl Collector for ProcessCollector {
    fn desc(&self) -> Vec<&Desc> {
        [
            &self.cpu_seconds,
            &self.start_time,
            &self.virtual_memory,
            &self.resident_memory,
            &self.open_descriptors,
            &self.max_descriptors,
        ]
        .map(|family| &family.desc)
        .into()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        let stat = fs::read_to_string("/proc/self/stat").ok().as_deref().and_then(Stat::parse);
        let stat = stat.as_ref();
        let seconds = |ticks: u64| ticks as f64 / clock_ticks_per_second() as f64;
        let start_time = stat.and_then(|stat| Some(boot_seconds()? + seconds(stat.start_ticks)));
        let resident_bytes = |stat: &Stat| stat.resident_pages.saturating_mul(page_size() as u64) as f64;
        // Reading the folder takes a descriptor too.
        let descriptors = fs::read_dir("/proc/self/fd").ok().map(|fds| fds.count().saturating_sub(1) as f64);
        [
            (&self.cpu_seconds, stat.map(|stat| seconds(stat.cpu_ticks))),
            (&self.start_time, start_time),
            (&self.virtual_memory, stat.map(|stat| stat.virtual_bytes as f64)),
            (&self.resident_memory, stat.map(resident_bytes)),
            (&self.open_descriptors, descriptors),
            (&self.max_descriptors, getrlimit(Resource::Nofile).current.map(|limit| limit as f64)),
        ]
        .into_iter()
        .filter_map(|(family, value)| Some(family.with(vec![family.sample(&[], value?)])))
        .collect()
    }
}

/// The fields of `/proc/self/stat` that are shown (proc_pid_stat(5)).
#[derive(Debug, PartialEq, Eq)]
struct Stat {
    cpu_ticks: u64,
    start_ticks: u64,
    virtual_bytes: u64,
    resident_pages: u64,
}

impl Stat {
    fn parse(text: &str) -> Option<Self> {
        // The name of the program is in parentheses, and may contain some.
        let (_, after_name) = text.rsplit_once(')')?;
        let fields: Vec<&str> = after_name.split_ascii_whitespace().collect();
        // The manual counts from 1, and the first of these is 3.
        let field = |number: usize| fields.get(number - 3)?.parse::<u64>().ok();
        Some(Self {
            cpu_ticks: field(14)? + field(15)?,
            start_ticks: field(22)?,
            virtual_bytes: field(23)?,
            resident_pages: field(24)?,
        })
    }
}

fn boot_seconds() -> Option<f64> {
    let text = fs::read_to_string("/proc/stat").ok()?;
    text.lines().find_map(|line| line.strip_prefix("btime "))?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_follow_a_program_name_with_any_characters() {
        let line = "4242 (a) R 1) S 1 4242 4242 0 -1 4194304 900 0 3 0 250 50 0 0 20 0 9 0 123456 987654321 4096 18446744073709551615 1";
        let expected = Stat { cpu_ticks: 300, start_ticks: 123_456, virtual_bytes: 987_654_321, resident_pages: 4096 };
        assert_eq!(Stat::parse(line), Some(expected));
        for bad in ["", "4242 (x", "4242 (x) S 1 2 3"] {
            assert_eq!(Stat::parse(bad), None, "{bad}");
        }
    }
}
