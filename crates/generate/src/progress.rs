//! What a build is doing, as typed events. The library knows no terminal: the binary draws bars, lines or JSON.
//!
//! Events of one phase arrive in order of their counts only if one worker sends them: whoever draws keeps the highest.

use serde::{Deserialize, Serialize};

/// Receives events, from many threads at once.
pub trait Progress: Sync {
    /// Something happened. Called often: it returns at once.
    fn event(&self, event: Event);
}

/// Drops every event.
#[derive(Clone, Copy, Debug, Default)]
pub struct Silent;

impl Progress for Silent {
    fn event(&self, _: Event) {}
}

/// The parts of a build, in the order they run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Phase {
    /// Reading and hashing the trees.
    Scan,
    /// Working out the manifests, and what has to be made.
    Plan,
    /// Fullfiles, zero packs and manifest archives.
    Make,
    /// Packs and manifest deltas for endpoints on earlier releases.
    Deltas,
    /// Signing.
    Sign,
    /// Looking for what would harm an endpoint.
    Guard,
    /// Reading back, checking and syncing everything that was made.
    Prepare,
    /// The release record, from which on the version exists.
    Release,
    /// Moving the pointers.
    Publish,
}

impl Phase {
    /// The phase as a word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Scan => "scan",
            Self::Plan => "plan",
            Self::Make => "make",
            Self::Deltas => "deltas",
            Self::Sign => "sign",
            Self::Guard => "guard",
            Self::Prepare => "prepare",
            Self::Release => "release",
            Self::Publish => "publish",
        }
    }
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum Event {
    /// A phase begins.
    Started {
        /// Which.
        phase: Phase,
        /// How many things it will do; 0 if unknown.
        total: u64,
        /// How many bytes it will read; 0 if unknown.
        total_bytes: u64,
    },
    /// One more thing is done.
    Advanced {
        /// In which phase.
        phase: Phase,
        /// How many things are done.
        done: u64,
        /// How many bytes have been read.
        bytes: u64,
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
    /// What a maintainer should hear, though the build goes on.
    Warning {
        /// One line, with the object and the remedy.
        text: String,
    },
}
