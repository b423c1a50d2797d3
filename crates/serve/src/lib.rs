//! The content server.
//!
//! ```text
//! listener -> connection -> Site::answer
//!                             path -> target -> catalog, pin -> decide -> objects -> respond -> body
//! ```
//!
//! | Module | Noun |
//! |---|---|
//! | [`config`] | what an operator chooses |
//! | `target` | what a request path names |
//! | `catalog`, `published` | what is there, what is not there *yet*, and which pointers a connection sees |
//! | `etag`, `range`, `decide` | the conditions of RFC 9110, without I/O |
//! | `object`, `objects` | bytes that were compared with the index, in memory or as open files |
//! | `respond`, `body` | status, headers and bytes |
//! | `exchange`, `connection` | one request for logs and metrics; whether a connection still moves |
//! | [`site`](Site) | all of that together; everything but sockets |
//! | `tls`, `listener`, `admin`, `server` | sockets |
//!
//! Always true: what leaves was compared with the index when it was read; GET and HEAD share one decision; nothing is
//! redirected or encoded; the file system is not touched for what is at hand.

pub mod config;

mod admin;
mod body;
mod catalog;
mod connection;
mod decide;
mod error;
mod etag;
mod exchange;
mod health;
mod io;
mod listener;
mod object;
mod objects;
mod phase;
mod published;
mod range;
mod respond;
mod server;
mod site;
mod target;
mod tls;

pub use body::Body;
pub use config::ServeConfig;
pub use connection::Connection;
pub use error::ServeError;
pub use health::NotReady;
pub use server::{Drained, Running, Server};
pub use site::Site;
pub use target::{BasePath, InvalidBasePath};
