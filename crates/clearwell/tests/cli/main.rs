//! The binary in fresh folders: what it prints, how it ends, and that nothing is lost where it refuses.
//!
//! Every refusal is checked the same way ([`mix::Mix::refuses`]): its exit code, one error that names the object and the
//! remedy, the same error as JSON, and a store whose releases and pointers are byte for byte what they were and still
//! satisfy an endpoint.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail like tests")]

mod adopt;
mod attributes;
mod backup;
mod bad_bundles;
mod bad_keys;
mod bad_stores;
mod bad_trees;
mod bad_versions;
mod check;
mod configured;
mod content_url;
mod defaults;
mod deltas;
mod disk;
mod format_bump;
mod health;
mod help;
mod history;
mod init;
mod interrupt;
mod json;
mod kill;
mod left_out;
mod logs;
mod man;
mod mix;
mod modes;
mod older;
mod options;
mod options_table;
mod progress;
mod releases;
mod reproducible;
mod retention;
mod rotation;
mod run;
mod serve;
mod serve_keys;
mod staged;
mod staging;
mod stock;
mod successor;
mod unit;
mod unknown;
mod unreachable;
mod versions;
mod workspace;
