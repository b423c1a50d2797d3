//! Workloads: their requests, and the targets for cost and throughput.

use std::time::Duration;

use crate::corpus::{Corpus, Random};
use crate::load::{self, Pace, Plan, Request};
use crate::peers::ServerProcess;
use crate::{http2, tls};

/// One row of the table of results.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Workload {
    kind: Kind,
    connections: usize,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Kind {
    Small,
    Mixed,
    Large,
    Ranges,
    SmallTls,
    LargeTls,
    SmallHttp2,
    NewConnection,
    NewConnectionTls,
    Tail,
    Idle,
}

/// The unit of cost.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Unit {
    /// Microseconds of CPU for each request; requests per second.
    Request,
    /// Seconds of CPU for each gigabyte; gigabytes per second.
    Gigabyte,
    /// 99th percentile of the latency, in microseconds.
    Tail,
    /// Resident MiB.
    Memory,
}

impl Unit {
    pub(crate) const fn text(self) -> &'static str {
        match self {
            Self::Request => "µs, 1/s",
            Self::Gigabyte => "s/GB, GB/s",
            Self::Tail => "p99 µs, 1/s",
            Self::Memory => "MiB",
        }
    }
}

/// A measurement to make.
pub(crate) struct Run<'a> {
    pub(crate) peer: &'a ServerProcess,
    pub(crate) corpus: &'a Corpus,
    pub(crate) time: Duration,
    /// Requests per second; `None`: as many as possible.
    pub(crate) rate: Option<f64>,
}

/// One measurement.
#[derive(Debug, Default)]
pub(crate) struct Sample {
    pub(crate) requests: u64,
    pub(crate) bytes: u64,
    pub(crate) errors: u64,
    pub(crate) elapsed: Duration,
    pub(crate) cpu: Duration,
    pub(crate) resident_mib: f64,
    /// Microseconds, ascending.
    pub(crate) latencies: Vec<u32>,
}

impl Sample {
    pub(crate) fn per_second(&self) -> f64 {
        self.requests as f64 / self.elapsed.as_secs_f64()
    }

    pub(crate) fn cost(&self, unit: Unit) -> f64 {
        match unit {
            Unit::Request => self.cpu.as_secs_f64() * 1e6 / self.requests as f64,
            Unit::Gigabyte => self.cpu.as_secs_f64() * 1e9 / self.bytes as f64,
            Unit::Tail => self.percentile(0.99),
            Unit::Memory => self.resident_mib,
        }
    }

    pub(crate) fn rate(&self, unit: Unit) -> f64 {
        match unit {
            Unit::Gigabyte => self.bytes as f64 / 1e9 / self.elapsed.as_secs_f64(),
            Unit::Request | Unit::Tail | Unit::Memory => self.per_second(),
        }
    }

    /// In microseconds.
    pub(crate) fn percentile(&self, share: f64) -> f64 {
        let at = (self.latencies.len() as f64 * share) as usize;
        self.latencies
            .get(at.min(self.latencies.len().saturating_sub(1)))
            .map_or(f64::NAN, |latency| f64::from(*latency))
    }
}

/// The headers of the stock client; libcurl offers an upgrade with each request in cleartext.
const CLEARTEXT: &str = "Host: localhost\r\nUser-Agent: swupd-client/7.0.0\r\nAccept: */*\r\n\
    Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQCAAAAAAIAAAAA\r\n";
const OVER_TLS: &str = "Host: localhost\r\nUser-Agent: swupd-client/7.0.0\r\nAccept: */*\r\n";
const LAST: &str = "Host: localhost\r\nUser-Agent: swupd-client/7.0.0\r\nAccept: */*\r\nConnection: close\r\n";

impl Workload {
    pub(crate) fn all(smoke: bool) -> Vec<Self> {
        let of = |kind, connections: usize| Self {
            kind,
            connections: if smoke { connections.min(32) } else { connections },
        };
        vec![
            of(Kind::Small, 64),
            of(Kind::Small, 512),
            of(Kind::Mixed, 60),
            of(Kind::Large, 4),
            of(Kind::Ranges, 16),
            of(Kind::SmallTls, 64),
            of(Kind::LargeTls, 4),
            of(Kind::SmallHttp2, 8),
            of(Kind::NewConnection, 32),
            of(Kind::NewConnectionTls, 16),
            of(Kind::Tail, 64),
            of(Kind::Idle, 10_000),
        ]
    }

    pub(crate) fn name(&self) -> String {
        match self.kind {
            Kind::Small => format!("small, {} connections", self.connections),
            Kind::Mixed => "mixed fleet".into(),
            Kind::Large => "large packs".into(),
            Kind::Ranges => "ranges of large packs".into(),
            Kind::SmallTls => "small, tls".into(),
            Kind::LargeTls => "large packs, tls".into(),
            Kind::SmallHttp2 => "small, http2".into(),
            Kind::NewConnection => "new connection each".into(),
            Kind::NewConnectionTls => "new connection each, tls".into(),
            Kind::Tail => "p99 at 70 % of nginx's peak".into(),
            Kind::Idle => format!("{} idle connections", self.connections),
        }
    }

    pub(crate) const fn unit(&self) -> Unit {
        match self.kind {
            Kind::Large | Kind::LargeTls => Unit::Gigabyte,
            Kind::Tail => Unit::Tail,
            Kind::Idle => Unit::Memory,
            _ => Unit::Request,
        }
    }

    /// The largest ratio of costs and the smallest ratio of throughputs, both to nginx.
    pub(crate) const fn targets(&self) -> (Option<f64>, Option<f64>) {
        match self.kind {
            Kind::Small if self.connections > 64 => (Some(0.65), Some(1.25)),
            Kind::Small => (Some(0.65), Some(1.4)),
            Kind::Mixed => (Some(0.7), Some(1.3)),
            Kind::Large => (Some(1.0), Some(1.0)),
            Kind::Ranges => (None, None),
            Kind::SmallTls => (Some(0.6), Some(1.35)),
            Kind::LargeTls => (Some(0.4), Some(1.3)),
            Kind::SmallHttp2 => (Some(0.95), Some(1.0)),
            Kind::NewConnection => (Some(0.95), Some(1.0)),
            Kind::NewConnectionTls => (Some(0.65), Some(1.0)),
            Kind::Tail | Kind::Idle => (Some(1.0), None),
        }
    }

    pub(crate) fn has_floor(&self) -> bool {
        self.kind == Kind::Small
    }

    /// The rate of requests, as a share of nginx's peak.
    pub(crate) fn share_of_peak(&self) -> Option<f64> {
        (self.kind == Kind::Tail).then_some(0.7)
    }

    /// The number of windows into which the time of a pair is divided. A pause of ten milliseconds, which virtual machines
    /// have now and then, decides the 99th percentile of a whole second: most of many short windows do not contain one.
    pub(crate) fn windows_of_a_pair(&self, time: Duration) -> u32 {
        if self.kind == Kind::Tail { (time.as_millis() / 250).clamp(1, 20) as u32 } else { 1 }
    }

    /// True if servers are measured once, directly after their start.
    pub(crate) fn is_once(&self) -> bool {
        self.kind == Kind::Idle
    }

    pub(crate) fn run(&self, run: &Run<'_>) -> Sample {
        if self.kind == Kind::SmallHttp2 {
            return http2::drive(run, self.connections, 16);
        }
        let is_tls = matches!(self.kind, Kind::SmallTls | Kind::LargeTls | Kind::NewConnectionTls);
        load::drive(&Plan {
            address: if is_tls { run.peer.tls_address } else { run.peer.address },
            pids: &run.peer.pids,
            tls: is_tls.then(|| tls::client(&run.corpus.path("tls.pem"), &[b"http/1.1"])),
            connections: self.connections,
            requests: self.requests(run.corpus),
            pace: match (self.kind, run.rate) {
                (Kind::Idle, _) => Pace::Once,
                (Kind::NewConnection | Kind::NewConnectionTls, _) => Pace::NewConnection,
                (_, Some(rate)) => Pace::Rate(rate),
                (_, None) => Pace::Peak,
            },
            time: run.time,
        })
    }

    /// Requests to choose from; frequent ones are listed several times.
    fn requests(&self, corpus: &Corpus) -> Vec<Request> {
        let get = |headers: &'static str| move |path: &String| Request::new("GET", path, headers);
        match self.kind {
            Kind::Small | Kind::Tail => corpus.small.iter().map(get(CLEARTEXT)).collect(),
            // One object: the memory of caches is not part of this workload.
            Kind::Idle => corpus.small[..1].iter().map(get(CLEARTEXT)).collect(),
            Kind::SmallTls | Kind::SmallHttp2 => corpus.small.iter().map(get(OVER_TLS)).collect(),
            Kind::NewConnection | Kind::NewConnectionTls => corpus.small.iter().map(get(LAST)).collect(),
            Kind::Large => corpus.large.iter().map(get(CLEARTEXT)).collect(),
            Kind::LargeTls => corpus.large.iter().map(get(OVER_TLS)).collect(),
            Kind::Ranges => {
                let mut random = Random(7);
                let part = 256 << 10;
                (0..2000)
                    .map(|_| {
                        let first = random.below(corpus.large_bytes as usize - part);
                        let range = format!("Range: bytes={first}-{}\r\n{CLEARTEXT}", first + part - 1);
                        Request::new("GET", random.of(&corpus.large), &range)
                    })
                    .collect()
            }
            Kind::Mixed => {
                let mut random = Random(9);
                // In the order of an update: the size of each pack first, then packs and manifests, then fullfiles.
                (0..4000)
                    .map(|_| match random.below(100) {
                        0..10 => Request::new("HEAD", random.of(&corpus.packs), CLEARTEXT),
                        10..18 => Request::new("GET", random.of(&corpus.packs), CLEARTEXT),
                        18..28 => Request::new("GET", random.of(&corpus.manifests), CLEARTEXT),
                        28..30 => Request::new("GET", "/version/format30/latest", CLEARTEXT),
                        _ => Request::new("GET", random.of(&corpus.small), CLEARTEXT),
                    })
                    .collect()
            }
        }
    }
}
