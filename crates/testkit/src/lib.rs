//! Builders and damage, for tests only.
//!
//! ```no_run
//! # let folder = std::path::Path::new("x");
//! let sample = clearwell_testkit::sample_store(folder);           // releases 10 and 20, signed, published
//! let editor = &sample.releases[1].manifests[&"editor".parse().unwrap()];
//! ```
//!
//! Everything is made in memory from a few [`TestObject`]s, with real hashes, real archives and real signatures, and
//! without the generator: what tests compare with must not come from what they test. Helpers panic where a test
//! would unwrap.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail like tests")]

mod copy;
mod damage;
mod object;
mod page;
mod release;
mod sample;
mod signing;
mod skip;
mod www;

pub use copy::copy_store;
pub use damage::{cut_off, flip_byte};
pub use object::TestObject;
pub use page::{GENERATED, assert_page};
pub use release::{ReleaseBuilder, TestRelease};
pub use sample::{SampleStore, sample_releases, sample_store};
pub use signing::{key_pem, pointers, signer};
pub use skip::{ipv6_loopback, program, root, skipped};
pub use www::{Www, sample_www};
