//! The server compared with nginx: CPU per request, throughput, latency and memory.
//!
//! ```text
//! cargo bench -p clearwell-benches --bench serve                      every workload, with a table at the end
//! cargo bench -p clearwell-benches --bench serve -- --only 'tls|http2' --pairs 3 --seconds 2
//! cargo bench -p clearwell-benches --bench serve -- --smoke           each workload once, briefly; what CI runs
//! ```
//!
//! Servers run as separate processes on the first core, with one worker; the load runs on the second. Our server is this
//! program again, with metrics and a sampled access log. Each pair measures ours and nginx in sequence on the same store;
//! the table shows the median of the pairs' ratios and the target. The floor is a loop that answers every request with
//! one prepared response.
//!
//! As root everything happens in a network namespace with the `reno` congestion control: the pacing of others doubles
//! the cost of large responses and makes it noisy, for all servers alike. CPU is user and system time of the server's
//! processes from `/proc/PID/stat`. On a machine with other load, put `chrt -f 10` in front of the built bench: a server
//! that waits for the scheduler wakes up once for each request, which costs more than the request. Without nginx on PATH
//! only our own figures are printed, with a message.
#![expect(clippy::print_stdout, reason = "a bench prints what it measured")]

mod corpus;
mod floor;
mod http2;
mod load;
mod machine;
mod peers;
mod table;
mod tls;
mod workload;

use std::time::Duration;

use crate::corpus::{Corpus, Scale};
use crate::peers::ServerProcess;
use crate::table::Table;
use crate::workload::{Run, Workload};

/// What to measure, and for how long.
struct Options {
    smoke: bool,
    only: Option<String>,
    pairs: usize,
    time: Duration,
}

impl Options {
    fn of(arguments: &[String]) -> Self {
        let smoke = arguments.iter().any(|argument| argument == "--smoke");
        let value = |name: &str| {
            let at = arguments.iter().position(|argument| argument == name)?;
            arguments.get(at + 1)
        };
        let number = |name: &str| value(name).map(|text| text.parse::<f64>().expect("a number"));
        Self {
            smoke,
            only: value("--only").cloned(),
            pairs: number("--pairs").map_or(if smoke { 1 } else { 5 }, |pairs| pairs as usize),
            time: Duration::from_secs_f64(number("--seconds").unwrap_or(if smoke { 0.2 } else { 2.0 })),
        }
    }
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["--role", "clearwell", folder] => return peers::serve(folder.as_ref()),
        ["--role", "floor"] => return floor::serve(),
        _ => {}
    }
    let options = Options::of(&arguments);
    machine::separate_network();
    let cores = machine::Cores::split();
    let corpus = Corpus::make(if options.smoke { Scale::Smoke } else { Scale::Full });
    let nginx = peers::has_nginx();
    if !nginx {
        println!("SKIPPED: the comparison; nginx is not on PATH");
    }
    let mut table = Table::default();
    let wanted = |workload: &Workload| {
        options.only.as_ref().is_none_or(|only| only.split('|').any(|word| workload.name().contains(word)))
    };
    for workload in Workload::all(options.smoke).into_iter().filter(wanted) {
        let mut ours = ServerProcess::clearwell(&corpus, &cores);
        let mut theirs = nginx.then(|| ServerProcess::nginx(&corpus, &cores));
        let mut floor = workload.has_floor().then(|| ServerProcess::floor(&corpus, &cores));
        cores.load();
        let run = |peer: &mut ServerProcess, time, rate| workload.run(&Run { peer, corpus: &corpus, time, rate });
        // The first responses come from cold caches.
        let warm_up = if options.smoke { options.time } else { Duration::from_secs(1) };
        for peer in [Some(&mut ours), theirs.as_mut(), floor.as_mut()].into_iter().flatten() {
            if !workload.is_once() {
                run(peer, warm_up, None);
            }
        }
        let rate = workload.share_of_peak().map(|share| {
            let peak = run(theirs.as_mut().unwrap_or(&mut ours), warm_up, None);
            peak.per_second() * share
        });
        let windows = workload.windows_of_a_pair(options.time);
        let (pairs, time) = match workload.is_once() {
            true => (1, options.time),
            false => (options.pairs * windows as usize, options.time / windows),
        };
        for _ in 0..pairs {
            let of_ours = run(&mut ours, time, rate);
            let of_theirs = theirs.as_mut().map(|peer| run(peer, time, rate));
            let of_floor = floor.as_mut().map(|peer| run(peer, time, rate));
            table.add(&workload, of_ours, of_theirs, of_floor);
        }
        println!("{}", table.line(&workload));
    }
    println!("\n{table}");
    assert!(table.errors() == 0, "{} requests failed", table.errors());
}
