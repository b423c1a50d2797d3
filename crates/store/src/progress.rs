//! Progress of long work, as typed events. Libraries do not use the terminal: the binary prints bars, lines or JSON.
//!
//! ```text
//! started      a phase begins, with its object where one phase runs for several
//! advanced     how much of it is done, at most 20 times per second
//! finished     it ended well; a phase that failed has no such event
//! ```
//!
//! Always true: between `started` and `finished` of a phase `done` and `bytes` never go back, from however many threads
//! they are counted. Totals may grow while a phase runs; 0 is a total that is not known.

mod meter;
mod nested;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::StoreError;
pub use meter::{Item, Meter};
pub use nested::{About, Merged};

/// Receives events, from many threads.
pub trait Progress: Sync {
    /// Something happened. Called often: it returns at once.
    fn event(&self, event: Event);

    /// True once the operator has asked for an end.
    fn is_cancelled(&self) -> bool {
        false
    }

    /// To be called at safe points: long work ends there.
    ///
    /// # Errors
    /// [`StoreError::Cancelled`] once the operator has asked for an end.
    fn go_on(&self) -> Result<(), StoreError> {
        if self.is_cancelled() { Err(StoreError::Cancelled) } else { Ok(()) }
    }
}

/// Drops every event.
#[derive(Clone, Copy, Debug, Default)]
pub struct Silent;

impl Progress for Silent {
    fn event(&self, _: Event) {}
}

/// The parts of commands that take long.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Phase {
    /// `build`: read and hash the trees.
    Scan,
    /// `build`: plan the manifests and artifacts. `gc`: decide which files are still needed.
    Plan,
    /// Check the plan, the artifacts and the pointers against the rules of the publish guard.
    Guard,
    /// Sign the MoM and the pointers.
    Sign,
    /// Make fullfiles, zero packs and manifest archives.
    Make,
    /// Make deltas of files, for endpoints on earlier releases.
    Deltas,
    /// Make delta packs and manifest deltas, for endpoints on earlier releases.
    Packs,
    /// Sync and read back all artifacts, and write the index.
    Prepare,
    /// Write the release record: from then on the release exists.
    Release,
    /// Move the pointers.
    Publish,
    /// `check` and `adopt`: compare every file with its digest, and unpack it.
    Read,
    /// `check`: verify manifests, signatures and pointers.
    Manifests,
    /// `check`: restore damaged files.
    Repair,
    /// `adopt`: copy files into the store.
    Store,
    /// `gc`: remove files.
    Remove,
    /// `backup` and `restore`: copy files.
    Copy,
    /// `verify`: read the pointers.
    Pointers,
    /// `verify`: install all bundles.
    Install,
    /// `verify`: check the separate signature of the MoM.
    Signature,
    /// `verify`: update from an earlier release.
    Update,
    /// `verify`: install each bundle separately.
    Bundles,
    /// `verify`: fetch and check every fullfile.
    Fullfiles,
}

impl Phase {
    /// The phase as a word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Scan => "scan",
            Self::Plan => "plan",
            Self::Guard => "guard",
            Self::Sign => "sign",
            Self::Make => "make",
            Self::Deltas => "deltas",
            Self::Packs => "packs",
            Self::Prepare => "prepare",
            Self::Release => "release",
            Self::Publish => "publish",
            Self::Read => "read",
            Self::Manifests => "manifests",
            Self::Repair => "repair",
            Self::Store => "store",
            Self::Remove => "remove",
            Self::Copy => "copy",
            Self::Pointers => "pointers",
            Self::Install => "install",
            Self::Signature => "signature",
            Self::Update => "update",
            Self::Bundles => "bundles",
            Self::Fullfiles => "fullfiles",
        }
    }
}

/// An event of a long command.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "event", rename_all = "kebab-case", rename_all_fields = "kebab-case")]
pub enum Event {
    /// A phase begins.
    Started {
        /// The phase.
        phase: Phase,
        /// The object of the phase, if the command runs the phase several times: a version such as `20`; for `guard`
        /// `plan`, `content` or `release`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        object: Option<String>,
        /// Number of items to process; 0 if unknown.
        total: u64,
        /// Number of bytes to read; 0 if unknown.
        total_bytes: u64,
    },
    /// A phase progresses. Sent at most 20 times per second.
    Advanced {
        /// The phase.
        phase: Phase,
        /// Number of items processed. Never decreases.
        done: u64,
        /// Number of items to process; may have grown since the phase began.
        total: u64,
        /// Number of bytes read. Never decreases.
        bytes: u64,
        /// Number of bytes to read; may have grown since the phase began.
        total_bytes: u64,
    },
    /// A phase succeeded. A phase that fails has no such event.
    Finished {
        /// The phase.
        phase: Phase,
        /// Number of items processed.
        done: u64,
        /// Number of bytes read.
        bytes: u64,
    },
    /// A warning; the command continues.
    Warning {
        /// The warning in one line, with its object and the remedy.
        text: String,
    },
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;
    use std::thread;

    use super::meter::TELL_EVERY;
    use super::*;

    #[derive(Default)]
    struct Recorder(Mutex<Vec<Event>>);

    impl Progress for Recorder {
        fn event(&self, event: Event) {
            self.0.lock().unwrap().push(event);
        }
    }

    /// `done` and `bytes` of the events, in order.
    fn counts(events: &[Event]) -> Vec<(u64, u64)> {
        let counts = events.iter().filter_map(|event| match event {
            Event::Advanced { done, bytes, .. } | Event::Finished { done, bytes, .. } => Some((*done, *bytes)),
            _ => None,
        });
        counts.collect()
    }

    #[test]
    fn counts_of_many_threads_never_go_back() {
        let kept = Recorder::default();
        let meter = Meter::begin(&kept, Phase::Scan, 400, 40_000);
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..100 {
                        let mut item = meter.item(100);
                        item.read(30);
                        item.read(50);
                        // Longer than it was said to be.
                        item.read(50);
                        meter.counts().told -= TELL_EVERY;
                    }
                });
            }
        });
        meter.finish();
        let events = kept.0.into_inner().unwrap();
        let counts = counts(&events);
        assert!(counts.len() > 100 && counts.is_sorted() && counts.is_sorted_by_key(|(_, bytes)| *bytes));
        assert_eq!(counts.last(), Some(&(400, 40_000)));
    }

    #[test]
    fn phases_that_are_merged_add_up() {
        let kept = Recorder::default();
        let merged = Merged::begin(&kept, Phase::Scan);
        for _ in 0..3 {
            let meter = Meter::begin(&merged, Phase::Scan, 2, 20);
            meter.advance(1, 10);
            meter.counts().told -= TELL_EVERY;
            meter.advance(1, 10);
            merged.meter.counts().told -= TELL_EVERY;
            meter.finish();
        }
        merged.event(Event::Warning { text: "heard".to_owned() });
        let total = merged.meter.counts().total;
        assert_eq!((total, merged.meter.counts().total_bytes), (6, 60));
        merged.finish();
        let events = kept.0.into_inner().unwrap();
        assert_eq!(events.iter().filter(|event| matches!(event, Event::Started { .. })).count(), 1);
        assert!(events.contains(&Event::Warning { text: "heard".to_owned() }));
        assert_eq!(events.last(), Some(&Event::Finished { phase: Phase::Scan, done: 6, bytes: 60 }));
        assert!(counts(&events).is_sorted());
    }

    #[test]
    fn events_are_json_as_documented() {
        let kept = Recorder::default();
        let about = About::new(&kept, 20);
        let meter = Meter::begin(&about, Phase::Make, 2, 0);
        meter.counts().told -= TELL_EVERY;
        meter.advance(1, 5);
        meter.finish();
        about.event(Event::Warning { text: "text".to_owned() });
        let lines: Vec<String> =
            kept.0.into_inner().unwrap().iter().map(|event| serde_json::to_string(event).unwrap()).collect();
        assert_eq!(
            lines,
            [
                r#"{"event":"started","phase":"make","object":"20","total":2,"total-bytes":0}"#,
                r#"{"event":"advanced","phase":"make","done":1,"total":2,"bytes":5,"total-bytes":0}"#,
                r#"{"event":"finished","phase":"make","done":1,"bytes":5}"#,
                r#"{"event":"warning","text":"text"}"#,
            ]
        );
    }
}
