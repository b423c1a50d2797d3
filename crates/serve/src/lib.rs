//! The content server.
//!
//! ```text
//! worker: accept -> connection task: (PROXY) (TLS) -> fast lane --\
//!                                                  |-> hyper ------+-> Site::exchange
//!                                                  \-> HTTP/2 ----/
//! Site::exchange: path -> target -> admission -> catalog, pin -> conditions -> objects -> respond -> body
//! ```
//!
//! | Module | Content |
//! |---|---|
//! | [`config`], `settings` | the configuration, and what is derived from it |
//! | `uri`, `target` | normalization of request paths, and what they name |
//! | `admission`, `client` | every limit on connections and requests; the counts of each client |
//! | `origin` | where content comes from: the local store is the first [`Origin`] |
//! | `catalog`, `published` | what is released, and what is not released *yet* |
//! | `pointer_view`, `pointer_pin` | which pointers a request sees, and what its connection remembers of that |
//! | `object`, `objects`, `check`, `verified` | bytes that were compared with the index, in memory or as open files |
//! | `respond`, `body`, `buffer`, `page_cache` | status, headers and bytes of responses |
//! | `connection` | the client of a connection, its pointers and its activity |
//! | `activity`, `watcher` | what a connection is doing, and the time limits on it |
//! | `exchange`, `access`, `line_limit` | one request in metrics, access log and traces; a limit for log lines |
//! | [`site`](Site) | all of that together; everything but sockets |
//! | `lane` | the fast lane: plain requests, without an HTTP library |
//! | `http2` | the streams of a connection, and their memory |
//! | `socket`, `tls`, `connection_task` | a connection from accept to close |
//! | `listener`, `inherit`, `takeover` | listening sockets: opened, inherited, handed over |
//! | `preflight`, `capacity` | checks before the start |
//! | `worker`, `admin`, `server`, `reload`, `memory` | threads, start, reload and stop |
//!
//! Elsewhere: conditions, ranges, request heads and the headers of proxies are in `clearwell-http`.
//!
//! Always true: bytes are compared with the index before or while they are sent; all paths share one decision, and so do
//! GET and HEAD; there are no redirects and no content codings; cached objects need neither the origin nor the file
//! system.

pub mod config;

mod access;
mod activity;
mod admin;
mod admission;
mod body;
mod buffer;
mod capacity;
mod catalog;
mod check;
mod client;
mod connection;
mod connection_task;
mod error;
mod exchange;
#[cfg(any(test, fuzzing))]
#[doc(hidden)]
pub mod fuzzing;
mod health;
mod http2;
mod inherit;
mod io;
mod lane;
mod line_limit;
mod listener;
mod memory;
mod object;
mod objects;
mod origin;
mod page_cache;
mod phase;
mod pointer_pin;
mod pointer_view;
mod preflight;
mod proxied_pins;
mod published;
mod reload;
mod respond;
mod server;
mod settings;
mod site;
mod socket;
mod takeover;
mod target;
mod tls;
mod uri;
mod verified;
mod watcher;
mod worker;

pub use body::Body;
pub use config::ServeConfig;
pub use connection::Connection;
pub use error::ServeError;
pub use health::NotReady;
pub use inherit::KEPT;
pub use origin::{Download, DownloadWriter, Opened, Origin, OriginError, Snapshot};
pub use reload::Reloader;
pub use server::{Drained, Listening, Running, Server};
pub use site::Site;
pub use target::{BasePath, InvalidBasePath};
