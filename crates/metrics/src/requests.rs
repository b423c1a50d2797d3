//! Requests: how many, of what kind, with what end, how long and how large.
//!
//! Counted by each core in a place of its own and summed at scrape, so that counting is an addition which no other core
//! waits for.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use clearwell_format::resource::ResourceKind;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet};
use prometheus_client::metrics::MetricType;

use crate::label_value;
use crate::per_core::{PLACES, own_place};

/// What a request asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RequestKind {
    /// A resource of the content tree, there or not.
    Resource(ResourceKind),
    /// The root itself, which clients ask before parallel downloads.
    Root,
    /// Health.
    Health,
    /// Nothing that has a name here.
    Unknown,
}

impl RequestKind {
    const COUNT: usize = ResourceKind::ALL.len() + 3;

    fn all() -> impl Iterator<Item = Self> {
        let others = [Self::Root, Self::Health, Self::Unknown];
        ResourceKind::ALL.into_iter().map(Self::Resource).chain(others)
    }

    /// Position in [`RequestKind::all`].
    const fn index(self) -> usize {
        match self {
            Self::Resource(kind) => kind as usize,
            Self::Root => ResourceKind::ALL.len(),
            Self::Health => ResourceKind::ALL.len() + 1,
            Self::Unknown => ResourceKind::ALL.len() + 2,
        }
    }

    /// The label.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Resource(kind) => kind.as_str(),
            Self::Root => "root",
            Self::Health => "health",
            Self::Unknown => "unknown",
        }
    }
}
label_value!(RequestKind);

/// The first digit of a status, if it came to one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum StatusClass {
    /// 200 and 206.
    Success,
    /// 304.
    Redirection,
    /// 404, 405, 412, 416 and their like.
    ClientError,
    /// 503.
    ServerError,
    /// The client went away before there was one.
    None,
}

impl StatusClass {
    const ALL: [Self; 5] = [Self::Success, Self::Redirection, Self::ClientError, Self::ServerError, Self::None];

    /// The class of a status code.
    pub const fn of(status: u16) -> Self {
        match status {
            0..300 => Self::Success,
            300..400 => Self::Redirection,
            400..500 => Self::ClientError,
            500.. => Self::ServerError,
        }
    }

    /// The label.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Success => "2xx",
            Self::Redirection => "3xx",
            Self::ClientError => "4xx",
            Self::ServerError => "5xx",
            Self::None => "none",
        }
    }
}
label_value!(StatusClass);

/// How the bytes of a body went to the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum BytePath {
    /// From memory.
    Memory,
    /// From the file to the socket, in the kernel.
    Sendfile,
    /// From the file through a buffer.
    Copy,
}

impl BytePath {
    const ALL: [Self; 3] = [Self::Memory, Self::Sendfile, Self::Copy];

    /// The label.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Memory => "memory",
            Self::Sendfile => "sendfile",
            Self::Copy => "copy",
        }
    }
}
label_value!(BytePath);

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RequestLabels {
    kind: RequestKind,
    class: StatusClass,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct KindLabels {
    kind: RequestKind,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct PathLabels {
    path: BytePath,
}

/// Upper bounds of the buckets of durations, in nanoseconds: 100 microseconds to about 26 seconds, each four times the
/// one before. Behind them is one without a bound.
const BOUNDS: [u64; 10] = {
    let mut bounds = [100_000; 10];
    let mut at = 1;
    while at < bounds.len() {
        bounds[at] = bounds[at - 1] * 4;
        at += 1;
    }
    bounds
};

/// Everything about requests.
#[derive(Debug)]
pub(crate) struct RequestTally {
    shards: [Shard; PLACES],
}

/// The figures of one core, on cache lines of their own.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Shard {
    /// By [`RequestKind::index`].
    kinds: [KindFigures; RequestKind::COUNT],
    /// By [`BytePath`].
    sent_by_path: [AtomicU64; BytePath::ALL.len()],
    begun: AtomicU64,
    ended: AtomicU64,
}

#[derive(Debug, Default)]
struct KindFigures {
    /// By [`StatusClass`].
    classes: [AtomicU64; StatusClass::ALL.len()],
    sent_bytes: AtomicU64,
    buckets: [AtomicU64; BOUNDS.len() + 1],
    nanoseconds: AtomicU64,
}

impl RequestTally {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self { shards: Default::default() })
    }

    fn shard(&self) -> &Shard {
        &self.shards[own_place()]
    }

    /// A request that is over.
    pub(crate) fn count(&self, kind: RequestKind, class: StatusClass, sent_bytes: u64, took: Duration) {
        let figures = &self.shard().kinds[kind.index()];
        let nanoseconds = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        let bucket = BOUNDS.iter().position(|bound| nanoseconds <= *bound).unwrap_or(BOUNDS.len());
        add(&figures.classes[class as usize], 1);
        add(&figures.sent_bytes, sent_bytes);
        add(&figures.buckets[bucket], 1);
        add(&figures.nanoseconds, nanoseconds);
    }

    pub(crate) fn sent(&self, path: BytePath, bytes: u64) {
        add(&self.shard().sent_by_path[path as usize], bytes);
    }

    fn sum(&self, figure: impl Fn(&Shard) -> &AtomicU64) -> u64 {
        self.shards.iter().map(|shard| figure(shard).load(Ordering::Relaxed)).fold(0, u64::wrapping_add)
    }

    fn of_kind(&self, kind: RequestKind, figure: impl Fn(&KindFigures) -> &AtomicU64) -> u64 {
        self.sum(|shard| figure(&shard.kinds[kind.index()]))
    }

    /// Ended first: a request that begins meanwhile must not make it look as if more ended than began.
    fn in_flight(&self) -> i64 {
        let ended = self.sum(|shard| &shard.ended);
        i64::try_from(self.sum(|shard| &shard.begun).wrapping_sub(ended)).unwrap_or_default()
    }
}

fn add(figure: &AtomicU64, number: u64) {
    figure.fetch_add(number, Ordering::Relaxed);
}

/// What a scrape reads.
#[derive(Debug)]
pub(crate) struct RequestCollector(pub(crate) Arc<RequestTally>);

impl Collector for RequestCollector {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let tally = &self.0;
        let none = None::<&prometheus_client::metrics::exemplar::Exemplar<KindLabels, u64>>;
        let help = "Requests answered, by what was asked and class of status";
        let mut requests = encoder.encode_descriptor("requests", help, None, MetricType::Counter)?;
        for kind in RequestKind::all() {
            for class in StatusClass::ALL {
                let count = tally.of_kind(kind, |figures| &figures.classes[class as usize]);
                requests.encode_family(&RequestLabels { kind, class })?.encode_counter(&count, none)?;
            }
        }
        let help = "Bytes of bodies handed to connections";
        let mut sent = encoder.encode_descriptor("sent_bytes", help, None, MetricType::Counter)?;
        for kind in RequestKind::all() {
            let bytes = tally.of_kind(kind, |figures| &figures.sent_bytes);
            sent.encode_family(&KindLabels { kind })?.encode_counter(&bytes, none)?;
        }
        let help = "Bytes of bodies, by the way they took to the socket";
        let mut sent = encoder.encode_descriptor("sent_bytes_by_path", help, None, MetricType::Counter)?;
        for path in BytePath::ALL {
            let bytes = tally.sum(|shard| &shard.sent_by_path[path as usize]);
            sent.encode_family(&PathLabels { path })?.encode_counter(&bytes, none)?;
        }
        let help = "Time from the header of a request to the last byte of its answer";
        let mut durations = encoder.encode_descriptor("request_duration_seconds", help, None, MetricType::Histogram)?;
        for kind in RequestKind::all() {
            let bound = |at: usize| BOUNDS.get(at).map_or(f64::INFINITY, |bound| *bound as f64 / 1e9);
            let buckets: Vec<(f64, u64)> =
                (0..=BOUNDS.len()).map(|at| (bound(at), tally.of_kind(kind, |figures| &figures.buckets[at]))).collect();
            let count = buckets.iter().map(|(_, count)| count).sum();
            let seconds = tally.of_kind(kind, |figures| &figures.nanoseconds) as f64 / 1e9;
            let labels = KindLabels { kind };
            durations.encode_family(&labels)?.encode_histogram::<KindLabels>(seconds, count, &buckets, None)?;
        }
        let help = "Requests whose answer is not complete";
        let mut in_flight = encoder.encode_descriptor("requests_in_flight", help, None, MetricType::Gauge)?;
        in_flight.encode_gauge(&tally.in_flight())
    }
}

/// A request in flight: counted, timed and summed when dropped, also if its client goes away.
#[derive(Debug)]
pub struct RequestGuard {
    tally: Arc<RequestTally>,
    kind: RequestKind,
    class: StatusClass,
    sent_bytes: u64,
    began: Instant,
}

impl RequestGuard {
    pub(crate) fn new(tally: Arc<RequestTally>, kind: RequestKind, began: Instant) -> Self {
        add(&tally.shard().begun, 1);
        Self { tally, kind, class: StatusClass::None, sent_bytes: 0, began }
    }

    /// The status is known.
    pub fn answered(&mut self, class: StatusClass) {
        self.class = class;
    }

    /// So many more bytes of the body were handed to the connection.
    pub fn sent(&mut self, path: BytePath, bytes: u64) {
        self.sent_bytes += bytes;
        self.tally.sent(path, bytes);
    }

    /// When the request began.
    pub const fn began(&self) -> Instant {
        self.began
    }

    /// Bytes of the body handed over so far.
    pub const fn sent_bytes(&self) -> u64 {
        self.sent_bytes
    }
}

impl Drop for RequestGuard {
    fn drop(&mut self) {
        add(&self.tally.shard().ended, 1);
        self.tally.count(self.kind, self.class, self.sent_bytes, self.began.elapsed());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_lie_where_they_are_looked_for() {
        for (at, kind) in RequestKind::all().enumerate() {
            assert_eq!(kind.index(), at, "{kind:?}");
        }
        assert!(StatusClass::ALL.iter().enumerate().all(|(at, class)| *class as usize == at));
        assert!(BytePath::ALL.iter().enumerate().all(|(at, path)| *path as usize == at));
    }

    #[test]
    fn classes_of_statuses() {
        for (status, class) in [(200, "2xx"), (206, "2xx"), (304, "3xx"), (404, "4xx"), (416, "4xx"), (503, "5xx")] {
            assert_eq!(StatusClass::of(status).as_str(), class);
        }
    }

    #[test]
    fn what_many_threads_count_is_one_sum() {
        let tally = RequestTally::new();
        std::thread::scope(|scope| {
            for _ in 0..20 {
                scope.spawn(|| {
                    for _ in 0..100 {
                        tally.count(RequestKind::Root, StatusClass::Success, 3, Duration::from_millis(1));
                        drop(RequestGuard::new(Arc::clone(&tally), RequestKind::Unknown, Instant::now()));
                    }
                });
            }
        });
        assert_eq!(tally.of_kind(RequestKind::Root, |figures| &figures.sent_bytes), 6000);
        assert_eq!(tally.of_kind(RequestKind::Root, |figures| &figures.buckets[2]), 2000);
        assert_eq!(tally.of_kind(RequestKind::Unknown, |figures| &figures.classes[StatusClass::None as usize]), 2000);
        assert_eq!(tally.in_flight(), 0);
    }
}
