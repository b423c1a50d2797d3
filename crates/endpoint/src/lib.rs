//! What a stock swupd endpoint does, in Rust: fetch, check, apply.
//!
//! ```text
//! Source ──> fetch ──> manifests ──> packs ──> deltas ──> fullfiles ──> place
//! (server,   (retries, (MoM, its     (many     (from      (one file     (in a root
//!  store,     counts)   signature,    files)    installed  each)         folder, or
//!  tree)                bundles)                files)                   simulated)
//! ```
//!
//! An [`Endpoint`] makes the same requests in the same order as the stock client, with the same fallbacks, and ends
//! with the same exit code; every hash is compared on the way. It reports more than the client does: a [`Report`]
//! counts requests and bytes, lists the files that no pack contained, and names everything that is wrong as a
//! [`Problem`].
//!
//! Always true: nothing is read or written outside the endpoint's folder, whatever a release contains; nothing is
//! installed that was not compared with a hash out of a manifest that was compared with a signed one.
//!
//! Elsewhere: manifests, paths and archives are `clearwell-format`, signatures `clearwell-sign`.

mod deltas;
mod disk;
mod endpoint;
mod error;
mod exit;
mod fetch;
mod files;
mod fullfiles;
mod manifests;
mod operation;
mod packs;
mod pointers;
mod pool;
mod problem;
mod report;
pub mod source;
mod spool;
mod staging;
mod state;
mod verify;

pub use disk::Ownership;
pub use endpoint::{Endpoint, EndpointOptions, Root};
pub use error::EndpointError;
pub use exit::ExitCode;
pub use fetch::Retry;
pub use files::Level;
pub use pool::Pool;
pub use problem::{Problem, ProblemKind};
pub use report::{FaultyFile, FileFault, Report, SingleFile, Traffic};
pub use verify::{Check, CheckOutcome, VerifyOptions, VerifyReport, verify};
