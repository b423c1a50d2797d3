//! Builds on small mixes: what they make, that they make it again, and what stops them.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail like tests")]

mod deltas;
mod faults;
mod interrupted;
mod mix;
mod packs;
mod publication;
mod refusals;
mod releases;
mod retraction;
mod segments;
mod staged;
