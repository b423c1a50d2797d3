//! The machine: assignment of cores, a separate network namespace, CPU time and memory of processes.

use std::fs;
use std::process::Command;
use std::time::Duration;

use rustix::thread::{CpuSet, UnshareFlags, sched_getaffinity, sched_setaffinity};

/// The cores that this process may use, split between servers and load.
pub(crate) struct Cores {
    server: Option<CpuSet>,
    load: Option<CpuSet>,
}

impl Cores {
    pub(crate) fn split() -> Self {
        let allowed = sched_getaffinity(None).expect("a process may ask for its cores");
        let mut cores = (0..CpuSet::MAX_CPU).filter(|core| allowed.is_set(*core));
        let mut next = || {
            let core = cores.next()?;
            let mut set = CpuSet::new();
            set.set(core);
            Some(set)
        };
        let (server, load) = (next(), next());
        if load.is_none() {
            println!("one core only: servers and load share it, and throughput says little");
            return Self { server: None, load: None };
        }
        Self { server, load }
    }

    /// From now on this process and its children run on the core of the servers.
    pub(crate) fn server(&self) {
        pin(self.server.as_ref());
    }

    /// From now on this process runs on the core of the load.
    pub(crate) fn load(&self) {
        pin(self.load.as_ref());
    }
}

fn pin(set: Option<&CpuSet>) {
    if let Some(set) = set {
        sched_setaffinity(None, set).expect("a core that was allowed");
    }
}

/// Enters a network namespace with `reno` congestion control, where that is allowed.
#[expect(unsafe_code, reason = "a namespace is left by one thread only")]
pub(crate) fn separate_network() {
    // SAFETY: called at the start of `main`, before any other thread and any socket.
    let separated = unsafe { rustix::thread::unshare_unsafe(UnshareFlags::NEWNET) }.is_ok()
        && Command::new("ip").args(["link", "set", "lo", "up"]).status().is_ok_and(|status| status.success())
        && fs::write("/proc/sys/net/ipv4/tcp_congestion_control", "reno").is_ok();
    if !separated {
        println!("no separate network namespace (needs root and ip): the results for large responses are noisier");
    }
    // Thousands of connections per second from one address.
    let _ = fs::write("/proc/sys/net/ipv4/ip_local_port_range", "1024 65535");
}

/// User and system time of processes.
pub(crate) fn cpu(pids: &[u32]) -> Duration {
    let ticks = |pid: &u32| -> u64 {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        // Behind the name in parentheses, which may contain anything, utime and stime are the 12th and 13th.
        let behind = stat.rsplit_once(')').map(|(_, behind)| behind).unwrap_or_default();
        behind.split_ascii_whitespace().skip(11).take(2).filter_map(|field| field.parse::<u64>().ok()).sum()
    };
    let per_second = rustix::param::clock_ticks_per_second();
    Duration::from_secs_f64(pids.iter().map(ticks).sum::<u64>() as f64 / per_second as f64)
}

/// Resident memory of processes in MiB; a page that several share counts by its share (PSS).
pub(crate) fn resident_mib(pids: &[u32]) -> f64 {
    let kib = |pid: &u32| -> f64 {
        let rollup = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap_or_default();
        let line = rollup.lines().find_map(|line| line.strip_prefix("Pss:"));
        line.and_then(|line| line.split_ascii_whitespace().next()?.parse().ok()).unwrap_or_default()
    };
    pids.iter().map(kib).sum::<f64>() / 1024.0
}

/// Direct children of a process.
pub(crate) fn children(parent: u32) -> Vec<u32> {
    let text = fs::read_to_string(format!("/proc/{parent}/task/{parent}/children")).unwrap_or_default();
    text.split_ascii_whitespace().filter_map(|pid| pid.parse().ok()).collect()
}
