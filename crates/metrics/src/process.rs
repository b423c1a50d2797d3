//! The process itself, under the names that all exporters have for it, and what it was built from.
//!
//! ```text
//! /proc/self/stat     processor time, memory, start       /proc/stat      btime: when the system started
//! /proc/self/fd       an entry for each descriptor
//! ```

use std::fmt;
use std::fs;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::{ConstGauge, Gauge};
use prometheus_client::registry::Registry;
use rustix::param::{clock_ticks_per_second, page_size};
use rustix::process::{Resource, getrlimit};

/// The commit that packagers build, if they say so.
const COMMIT: Option<&str> = option_env!("CLEARWELL_COMMIT");

pub(crate) fn register_build(registry: &mut Registry) {
    let info = Family::<Vec<(&'static str, &'static str)>, Gauge>::default();
    let version = ("version", env!("CARGO_PKG_VERSION"));
    let commit = COMMIT.filter(|commit| !commit.is_empty()).map(|commit| ("commit", commit));
    info.get_or_create(&std::iter::once(version).chain(commit).collect()).set(1);
    registry.register("build_info", "The program that runs; always 1", info);
}

/// Read anew for each scrape. What the system does not tell is left out.
#[derive(Debug)]
pub(crate) struct ProcessCollector;

impl Collector for ProcessCollector {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let mut show = |name, help, metric: &dyn Figure| metric.write(name, help, &mut encoder);
        if let Some(stat) = fs::read_to_string("/proc/self/stat").ok().as_deref().and_then(Stat::parse) {
            let seconds = |ticks: u64| ticks as f64 / clock_ticks_per_second() as f64;
            let help = "Processor time of the process, user and system, in seconds";
            show("process_cpu_seconds", help, &ConstCounter::new(seconds(stat.cpu_ticks)))?;
            if let Some(boot) = boot_seconds() {
                let help = "Unix time at which the process started, in seconds";
                show("process_start_time_seconds", help, &ConstGauge::new(boot + seconds(stat.start_ticks)))?;
            }
            let help = "Virtual memory of the process in bytes";
            show("process_virtual_memory_bytes", help, &ConstGauge::new(stat.virtual_bytes))?;
            let resident = stat.resident_pages.saturating_mul(page_size() as u64);
            show("process_resident_memory_bytes", "Memory of the process in bytes", &ConstGauge::new(resident))?;
        }
        if let Ok(descriptors) = fs::read_dir("/proc/self/fd") {
            // Reading the folder takes one.
            let open = descriptors.count().saturating_sub(1) as u64;
            show("process_open_fds", "Open file descriptors", &ConstGauge::new(open))?;
        }
        if let Some(limit) = getrlimit(Resource::Nofile).current {
            show("process_max_fds", "File descriptors that may be open", &ConstGauge::new(limit))?;
        }
        Ok(())
    }
}

/// A metric of any type.
trait Figure {
    fn write(&self, name: &str, help: &str, encoder: &mut DescriptorEncoder<'_>) -> Result<(), fmt::Error>;
}

impl<M: EncodeMetric> Figure for M {
    fn write(&self, name: &str, help: &str, encoder: &mut DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        self.encode(encoder.encode_descriptor(name, help, None, self.metric_type())?)
    }
}

/// What `/proc/self/stat` tells (proc_pid_stat(5)).
#[derive(Debug, PartialEq, Eq)]
struct Stat {
    cpu_ticks: u64,
    start_ticks: u64,
    virtual_bytes: u64,
    resident_pages: u64,
}

impl Stat {
    fn parse(text: &str) -> Option<Self> {
        // The name of the program stands in parentheses, and may have some.
        let (_, behind) = text.rsplit_once(')')?;
        let fields: Vec<&str> = behind.split_ascii_whitespace().collect();
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
    fn figures_stand_behind_a_name_that_may_be_anything() {
        let line = "4242 (a) R 1) S 1 4242 4242 0 -1 4194304 900 0 3 0 250 50 0 0 20 0 9 0 123456 987654321 4096 18446744073709551615 1";
        let expected = Stat { cpu_ticks: 300, start_ticks: 123_456, virtual_bytes: 987_654_321, resident_pages: 4096 };
        assert_eq!(Stat::parse(line), Some(expected));
        for bad in ["", "4242 (x", "4242 (x) S 1 2 3"] {
            assert_eq!(Stat::parse(bad), None, "{bad}");
        }
    }
}
