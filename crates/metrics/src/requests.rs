//! Requests: their number, kind, outcome, duration and size.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use clearwell_format::resource::ResourceKind;
use prometheus::core::{Collector, Desc};
use prometheus::proto::{Bucket, Histogram, MetricFamily};

use crate::family::Family;
use crate::label::label_values;
use crate::per_core::{SHARDS, own_shard};

/// What a request asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RequestKind {
    /// A resource of the content tree, whether it exists or not.
    Resource(ResourceKind),
    /// The root itself, which clients ask before parallel downloads.
    Root,
    /// Health.
    Health,
    /// Any other path.
    Unknown,
}

impl RequestKind {
    const COUNT: usize = ResourceKind::ALL.len() + 3;

    /// Every kind.
    pub fn all() -> impl Iterator<Item = Self> {
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

    /// The label value.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Resource(kind) => kind.label(),
            Self::Root => "root",
            Self::Health => "health",
            Self::Unknown => "unknown",
        }
    }

    /// What the label value means.
    pub const fn meaning(self) -> &'static str {
        match self {
            Self::Resource(ResourceKind::Pointer) => "A pointer such as `latest`, or its signature.",
            Self::Resource(ResourceKind::Manifest) => "A manifest, the MoM or its signature.",
            Self::Resource(ResourceKind::DeltaManifest) => "A manifest delta.",
            Self::Resource(ResourceKind::Fullfile) => "A fullfile.",
            Self::Resource(ResourceKind::ZeroPack) => "A zero pack: all files of a bundle.",
            Self::Resource(ResourceKind::DeltaPack) => "A delta pack: an update from one earlier version.",
            Self::Resource(ResourceKind::Delta) => "A binary delta between two files.",
            Self::Resource(ResourceKind::VersionInfo) => "A small text file of a version, such as `format`.",
            Self::Root => "`/`, which clients ask before parallel downloads.",
            Self::Health => "`/healthz` or `/readyz` on a public address.",
            Self::Unknown => "Any other path.",
        }
    }
}

label_values! {
    /// The first digit of a status, if one was sent.
    pub enum StatusClass {
        /// 200 and 206.
        Success = "2xx",
        /// 304.
        Redirection = "3xx",
        /// 404, 405, 412, 416, 429 and similar.
        ClientError = "4xx",
        /// 500 and 503.
        ServerError = "5xx",
        /// The client disconnected before a status was known.
        None = "none",
    }
}

impl StatusClass {
    /// The class of a status code.
    pub const fn of(status: u16) -> Self {
        match status {
            0..300 => Self::Success,
            300..400 => Self::Redirection,
            400..500 => Self::ClientError,
            500.. => Self::ServerError,
        }
    }
}

label_values! {
    /// How the bytes of a body went to the socket.
    pub enum BytePath {
        /// From memory.
        Memory = "memory",
        /// From the file to the socket, in the kernel.
        Sendfile = "sendfile",
        /// From the file through a buffer.
        Copy = "copy",
    }
}

/// Upper bounds of the buckets of durations, in nanoseconds: 100 microseconds to about 26 seconds, each four times the
/// previous one. The last bucket has no bound.
const BOUNDS: [u64; 10] = {
    let mut bounds = [100_000; 10];
    let mut at = 1;
    while at < bounds.len() {
        bounds[at] = bounds[at - 1] * 4;
        at += 1;
    }
    bounds
};

/// The counts of requests, in a shard for each core: counting is an addition without contention, and a scrape sums.
#[derive(Debug)]
pub(crate) struct RequestTally {
    shards: [Shard; SHARDS],
}

/// The counts of one core, on separate cache lines.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Shard {
    /// By [`RequestKind::index`].
    kinds: [KindCounts; RequestKind::COUNT],
    /// By [`BytePath`].
    sent_by_path: [AtomicU64; BytePath::ALL.len()],
    begun: AtomicU64,
    ended: AtomicU64,
}

#[derive(Debug, Default)]
struct KindCounts {
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
        &self.shards[own_shard()]
    }

    /// A request that ended.
    pub(crate) fn count(&self, kind: RequestKind, class: StatusClass, sent_bytes: u64, took: Duration) {
        let counts = &self.shard().kinds[kind.index()];
        let nanoseconds = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        let bucket = BOUNDS.iter().position(|bound| nanoseconds <= *bound).unwrap_or(BOUNDS.len());
        add(&counts.classes[class as usize], 1);
        add(&counts.sent_bytes, sent_bytes);
        add(&counts.buckets[bucket], 1);
        add(&counts.nanoseconds, nanoseconds);
    }

    pub(crate) fn sent(&self, path: BytePath, bytes: u64) {
        add(&self.shard().sent_by_path[path as usize], bytes);
    }

    fn sum(&self, count: impl Fn(&Shard) -> &AtomicU64) -> u64 {
        self.shards.iter().map(|shard| count(shard).load(Ordering::Relaxed)).fold(0, u64::wrapping_add)
    }

    fn of_kind(&self, kind: RequestKind, count: impl Fn(&KindCounts) -> &AtomicU64) -> u64 {
        self.sum(|shard| count(&shard.kinds[kind.index()]))
    }

    /// Reads `ended` first: with a request that begins and ends between the two reads, the result is not negative.
    fn in_flight(&self) -> i64 {
        let ended = self.sum(|shard| &shard.ended);
        i64::try_from(self.sum(|shard| &shard.begun).wrapping_sub(ended)).unwrap_or_default()
    }
}

fn add(count: &AtomicU64, number: u64) {
    count.fetch_add(number, Ordering::Relaxed);
}

/// Sums the counts for a scrape.
pub(crate) struct RequestCollector {
    tally: Arc<RequestTally>,
    requests: Family,
    sent_bytes: Family,
    sent_bytes_by_path: Family,
    durations: Family,
    in_flight: Family,
}

impl RequestCollector {
    pub(crate) fn new(tally: Arc<RequestTally>) -> Self {
        Self {
            tally,
            requests: Family::counter(
                "clearwell_http_requests_total",
                "Requests answered, by kind and class of status",
                &["kind", "class"],
            ),
            sent_bytes: Family::counter(
                "clearwell_http_sent_bytes_total",
                "Bytes of bodies handed to connections",
                &["kind"],
            ),
            sent_bytes_by_path: Family::counter(
                "clearwell_http_sent_bytes_by_path_total",
                "Bytes of bodies, by their path to the socket",
                &["path"],
            ),
            durations: Family::histogram(
                "clearwell_http_request_duration_seconds",
                "Time from the header of a request to the last byte of its answer",
                &["kind"],
            ),
            in_flight: Family::gauge("clearwell_http_requests_in_flight", "Requests whose answer is not complete", &[]),
        }
    }

    fn duration_histogram(&self, kind: RequestKind) -> Histogram {
        let in_bucket = |at: usize| self.tally.of_kind(kind, |counts| &counts.buckets[at]);
        let mut cumulative = 0;
        let mut buckets = Vec::with_capacity(BOUNDS.len());
        for (at, bound) in BOUNDS.iter().enumerate() {
            cumulative += in_bucket(at);
            let mut bucket = Bucket::default();
            bucket.set_upper_bound(*bound as f64 / 1e9);
            bucket.set_cumulative_count(cumulative);
            buckets.push(bucket);
        }
        let mut histogram = Histogram::default();
        histogram.set_bucket(buckets);
        // The encoder writes the bucket without a bound, from the count.
        histogram.set_sample_count(cumulative + in_bucket(BOUNDS.len()));
        histogram.set_sample_sum(self.tally.of_kind(kind, |counts| &counts.nanoseconds) as f64 / 1e9);
        histogram
    }
}

impl Collector for RequestCollector {
    fn desc(&self) -> Vec<&Desc> {
        [&self.requests, &self.sent_bytes, &self.sent_bytes_by_path, &self.durations, &self.in_flight]
            .map(|family| &family.desc)
            .into()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        let Self { tally, requests, sent_bytes, sent_bytes_by_path, durations, in_flight } = self;
        let (mut by_class, mut by_kind, mut by_duration) = (Vec::new(), Vec::new(), Vec::new());
        for kind in RequestKind::all() {
            for class in StatusClass::ALL {
                let count = tally.of_kind(kind, |counts| &counts.classes[class as usize]);
                by_class.push(requests.sample(&[kind.as_str(), class.as_str()], count as f64));
            }
            let bytes = tally.of_kind(kind, |counts| &counts.sent_bytes);
            by_kind.push(sent_bytes.sample(&[kind.as_str()], bytes as f64));
            by_duration.push(durations.distribution(&[kind.as_str()], self.duration_histogram(kind)));
        }
        let by_path = BytePath::ALL.map(|path| {
            let bytes = tally.sum(|shard| &shard.sent_by_path[path as usize]);
            sent_bytes_by_path.sample(&[path.as_str()], bytes as f64)
        });
        vec![
            requests.with(by_class),
            sent_bytes.with(by_kind),
            sent_bytes_by_path.with(by_path.into()),
            durations.with(by_duration),
            in_flight.with(vec![in_flight.sample(&[], tally.in_flight() as f64)]),
        ]
    }
}

/// A request in flight: counted and timed when dropped, also if its client disconnects.
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

    /// `bytes` more of the body were handed to the connection.
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
    fn an_index_is_the_position_among_all_kinds() {
        for (at, kind) in RequestKind::all().enumerate() {
            assert_eq!(kind.index(), at, "{kind:?}");
        }
    }

    #[test]
    fn classes_of_statuses() {
        for (status, class) in [(200, "2xx"), (206, "2xx"), (304, "3xx"), (404, "4xx"), (416, "4xx"), (503, "5xx")] {
            assert_eq!(StatusClass::of(status).as_str(), class);
        }
    }

    #[test]
    fn counts_of_many_threads_are_summed() {
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
        assert_eq!(tally.of_kind(RequestKind::Root, |counts| &counts.sent_bytes), 6000);
        assert_eq!(tally.of_kind(RequestKind::Root, |counts| &counts.buckets[2]), 2000);
        assert_eq!(tally.of_kind(RequestKind::Unknown, |counts| &counts.classes[StatusClass::None as usize]), 2000);
        assert_eq!(tally.in_flight(), 0);
    }
}
