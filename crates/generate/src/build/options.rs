//! Choices of a build that have defaults.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroUsize;

use clearwell_store::{PhaseTime, SourceRecord};

use crate::compression::Method;
use crate::guard::Rule;
use crate::profile::Profile;

/// How a release is made from its inputs.
#[derive(Clone, Debug)]
pub struct BuildOptions {
    /// From how many earlier releases endpoints update with packs made for them. Others take the packs for new
    /// installations.
    pub deltas: usize,
    /// Stop before the pointers move: [`publish`](crate::publish::publish) moves them later.
    pub stage: bool,
    /// Release also what differs in nothing but its version.
    pub empty: bool,
    /// Make fullfiles. Without them endpoints cannot repair themselves.
    pub fullfiles: bool,
    /// Make zero packs.
    pub zero_packs: bool,
    /// How much time is given for how few bytes.
    pub profile: Profile,
    /// Compressions to try for each fullfile with the profile `small`; the smallest result is kept.
    pub compression: Vec<Method>,
    /// Threads that make artifacts. The result does not depend on it.
    pub workers: NonZeroUsize,
    /// Memory that workers share, in bytes; `None` for half of what the machine or the control group has.
    pub memory_bytes: Option<u64>,
    /// Rules of the guard that the maintainer overrules.
    pub allowed: BTreeSet<Rule>,
    /// The time at which certificates must be valid, in seconds since the epoch.
    pub now: i64,
    /// The origin of the inputs, for the release record.
    pub sources: Vec<SourceRecord>,
    /// The options as they were typed, for the release record.
    pub typed: BTreeMap<String, String>,
    /// Phases that ran before, such as the scan.
    pub phases: Vec<PhaseTime>,
}

impl BuildOptions {
    /// The defaults. `now` is in seconds since the epoch.
    pub fn new(now: i64) -> Self {
        Self {
            deltas: 3,
            stage: false,
            empty: false,
            fullfiles: true,
            zero_packs: true,
            profile: Profile::default(),
            compression: Method::DEFAULT.to_vec(),
            workers: std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN),
            memory_bytes: None,
            allowed: BTreeSet::new(),
            now,
            sources: Vec::new(),
            typed: BTreeMap::new(),
            phases: Vec::new(),
        }
    }
}
