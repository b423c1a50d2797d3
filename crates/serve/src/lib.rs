//! The content server.
//!
//! ```text
//! worker: accept -> connection task: (PROXY) (TLS) -> lane --\
//!                                        |-> hyper -+-> Site::exchange
//!                                        \-> http2 -/
//!                             path -> target -> rate -> catalog, pin -> decide -> objects -> respond -> body
//! ```
//!
//! | Module | Noun |
//! |---|---|
//! | [`config`], `settings` | what an operator chooses, and what is made of it |
//! | `uri`, `target` | spellings of a request path, and what it names |
//! | `origin` | where content comes from: the local store is the first [`Origin`] |
//! | `catalog`, `published` | what is there, and what is not there *yet* |
//! | `pointer_view`, `pointer_pin` | which pointers a request sees, and what its connection remembers of that |
//! | `object`, `objects`, `check`, `verified` | bytes that were compared with the index, in memory or as open files |
//! | `respond`, `body`, `buffer`, `page_cache` | status, headers and bytes |
//! | `client`, `connection` | who asks, and how often |
//! | `activity`, `watcher` | what a connection is doing, and the time limits on it |
//! | `exchange`, `access`, `line_limit` | one request for logs, metrics and traces; lines that clients cause |
//! | [`site`](Site) | all of that together; everything but sockets |
//! | `lane` | requests of the usual shape on the wire; hyper has the others |
//! | `http2` | the streams of a connection, and what they may hold |
//! | `socket`, `tls`, `connection_task` | the life of a connection |
//! | `listener`, `inherit`, `takeover` | listening sockets, our own and others' |
//! | `preflight`, `capacity` | what is judged before a start |
//! | `worker`, `admin`, `server`, `reload`, `memory` | threads, their start and end, and what they need |
//!
//! Always true: what leaves was compared with the index, before or on its way; GET and HEAD share one decision, and so do
//! both lanes; nothing is redirected or encoded; neither the origin nor the file system is asked for what is cached.

pub mod config;

mod access;
mod activity;
mod admin;
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
pub use origin::{Download, DownloadWriter, Opened, Origin, OriginError, Snapshot};
pub use reload::Reloader;
pub use server::{Drained, Listening, Running, Server};
pub use site::Site;
pub use target::{BasePath, InvalidBasePath};
