//! Tests across crates, in one binary.
#![expect(clippy::unwrap_used, reason = "helpers of tests stop where a test would")]

mod docs;
mod golden;
mod trust;
