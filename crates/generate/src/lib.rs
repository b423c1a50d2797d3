//! Trees in, a release out: manifests, fullfiles and packs.
//!
//! | Module | Noun |
//! |---|---|
//! | [`inputs`] | what a release is planned from |
//! | [`tree`] | every object of the release, hashed |
//! | [`source`] | where inputs come from: a mixer workspace, plain bundle trees |
//! | [`plan`] | every manifest and artifact of the release, as a value |
//! | [`guard`] | what a release must not do to endpoints |
//! | [`build`] | all of it: from inputs to a published release |
//! | [`bump`] | the two releases that change the format |
//! | [`deltas`] | what endpoints on earlier releases fetch |
//! | [`retract`] | taking a release back |
//! | [`rotation`] | where a fleet stands while its signing key changes |
//! | [`remake`] | packs whose bytes were lost, once more |
//! | [`publish`] | moving the pointers to a release |
//! | [`earlier`] | earlier releases, out of a store |
//! | [`progress`] | what a build is doing, as events; the store's |
//! | [`budget`] | memory that workers share |

mod branches;
pub mod budget;
pub mod build;
pub mod bump;
mod compression;
pub mod deltas;
pub mod earlier;
mod error;
mod executable;
mod fullfile;
pub mod guard;
pub mod inputs;
mod make;
mod manifest_tar;
mod member;
mod pack;
pub mod plan;
mod profile;
pub mod publish;
mod put;
pub mod remake;
pub mod retract;
mod reuse;
pub mod rotation;
mod sign_release;
pub mod source;
pub mod tree;

use clearwell_store::fan_out;
pub use clearwell_store::progress;
