//! What operators copy from `deploy/`, each with the program that reads it and, where it belongs there, the shipped binary.
//!
//! A test whose program is not on `PATH` is skipped, loudly. The test target belongs to the package of the binary,
//! because cargo gives the path of the binary only to the tests of that package.

#![expect(clippy::unwrap_used, reason = "helpers of tests stop where a test would")]

mod alerts;
mod answers;
mod connection;
mod daemon;
mod dashboards;
mod get;
mod haproxy;
mod load;
mod metrics;
mod nginx_cache;
mod nginx_static;
mod nodes;
mod prometheus;
#[path = "../../../crates/clearwell/tests/cli/run.rs"]
#[expect(dead_code, reason = "the tests of the command line use the rest")]
mod run;
mod shipped;
#[path = "../../../crates/clearwell/tests/cli/stock.rs"]
#[expect(dead_code, reason = "the tests of the command line use the rest")]
mod stock;
mod varnish;
#[path = "../hostile/wait.rs"]
mod wait;
