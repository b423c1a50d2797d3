//! The server as clients see it: mostly in memory, otherwise over sockets of the loopback interface.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail like tests")]

mod abuse;
mod answers;
mod availability;
mod client;
mod differential;
mod draining;
mod fixture;
mod http2;
mod lanes;
mod limit_table;
mod limits;
mod operations;
mod origins;
mod pointers;
mod recording;
mod soak;
mod spellings;
mod tls;
mod wire;
