//! Trees in, a release out: manifests, fullfiles and packs.
//!
//! | Module | Noun |
//! |---|---|
//! | [`inputs`] | what a release is planned from |
//! | [`tree`] | every object of the release, hashed |
//! | [`source`] | where inputs come from: a mixer workspace, plain bundle trees |
//! | [`plan`] | every manifest and artifact of the release, as a value |
//! | [`guard`] | rules that refuse releases which would harm endpoints |
//! | [`build`] | the whole build: from inputs to a published release |
//! | [`bump`] | the two releases that change the format |
//! | [`deltas`] | what endpoints on earlier releases fetch |
//! | [`retract`] | retracting a release |
//! | [`rotation`] | which releases trust which certificate while the signing key changes |
//! | [`remake`] | lost packs, built again |
//! | [`publish`] | moving the pointers to a release |
//! | [`stored_manifests`] | the manifests of releases in a store |
//! | [`progress`] | what a build is doing, as events; defined in the store |
//! | [`budget`] | memory that workers share |
//! | `make`, `pack` | the artifacts of a plan; packs have their own builder |
//! | `member`, `fullfile`, `manifest_tar`, `put` | an object in an archive; archives of files and manifests; into a draft |
//! | `profile`, `compression`, `executable`, `branches` | which codec, and which filter, for which content |

mod branches;
pub mod budget;
pub mod build;
pub mod bump;
mod compression;
pub mod deltas;
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
pub mod stored_manifests;
pub mod tree;

use clearwell_store::fan_out;
pub use clearwell_store::progress;
