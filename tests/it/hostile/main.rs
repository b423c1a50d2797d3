//! Attacks on the shipped binary: hostile content, clients, files and names, each with a bound that must not be exceeded.
//!
//! They run separate processes, so that memory and files can be limited and measured. The test target belongs to the
//! package of the binary, because cargo gives the path of the binary only to the tests of that package.

#![expect(clippy::unwrap_used, reason = "helpers of tests stop where a test would")]

mod access_log;
mod archives;
mod bounded;
mod changed_files;
mod download;
mod fifos;
mod files;
mod frames;
mod http;
mod http2_memory;
mod indexes;
mod limits;
mod metrics;
#[path = "../../../crates/clearwell/tests/cli/mix.rs"]
#[expect(dead_code, reason = "the tests of the command line use the rest")]
mod mix;
mod names;
mod packs;
mod ranges;
mod records;
#[path = "../../../crates/clearwell/tests/cli/run.rs"]
#[expect(dead_code, reason = "the tests of the command line use the rest")]
mod run;
mod served;
mod terminal;
mod trees;
mod upstream;
mod verify_url;
mod wait;
