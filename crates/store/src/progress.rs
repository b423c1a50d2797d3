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
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Phase {
    /// Build: reading and hashing the trees.
    Scan,
    /// Build: working out the manifests, and what has to be made. Collection: what is still needed.
    Plan,
    /// Looking for what would harm an endpoint, in what is planned and in what was made.
    Guard,
    /// Signing.
    Sign,
    /// Fullfiles, zero packs and manifest archives.
    Make,
    /// Deltas of files, for endpoints on earlier releases.
    Deltas,
    /// Packs and manifest deltas, for endpoints on earlier releases.
    Packs,
    /// Reading back, checking and syncing everything that was made.
    Prepare,
    /// The release record, from which on the version exists.
    Release,
    /// Moving the pointers.
    Publish,
    /// Check and adoption: comparing every file with its digest, and what is in it.
    Read,
    /// Check: manifests, signatures and pointers.
    Manifests,
    /// Check: putting back what was damaged.
    Repair,
    /// Adoption: taking files into the store.
    Store,
    /// Collection: removing files.
    Remove,
    /// Backup and restoration: copying files.
    Copy,
    /// Verification: learning the newest version.
    Pointers,
    /// Verification: an installation.
    Install,
    /// Verification: the separate signature of the MoM.
    Signature,
    /// Verification: an update.
    Update,
    /// Verification: each bundle without the others.
    Bundles,
    /// Verification: every single file.
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

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case", rename_all_fields = "kebab-case")]
pub enum Event {
    /// A phase begins.
    Started {
        /// Which.
        phase: Phase,
        /// What it is about, where a command runs the phase more than once: a version, such as `20`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        object: Option<String>,
        /// How many things it will do; 0 if unknown.
        total: u64,
        /// How many bytes it will read; 0 if unknown.
        total_bytes: u64,
    },
    /// More is done.
    Advanced {
        /// In which phase.
        phase: Phase,
        /// How many things are done.
        done: u64,
        /// As in [`Event::Started`]; may have grown.
        total: u64,
        /// How many bytes have been read.
        bytes: u64,
        /// As in [`Event::Started`]; may have grown.
        total_bytes: u64,
    },
    /// A phase ends well.
    Finished {
        /// Which.
        phase: Phase,
        /// How many things were done.
        done: u64,
        /// How many bytes were read.
        bytes: u64,
    },
    /// What a maintainer should hear, though the work goes on.
    Warning {
        /// One line, with the object and the remedy.
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
