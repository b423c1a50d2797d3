//! Which pointers a request sees: those of the channel of its scope.
//!
//! ```text
//! request -> Scope -> Catalog::view -> PointerView -> the connection's pin binds it
//! ```
//!
//! There is one channel so far, at the root of the tree. A channel below a path, or a share of a rollout, is another scope
//! with another set of pointers; the pin keeps the view that was chosen.

use std::sync::Arc;

use crate::published::Published;

/// The part of a request that decides which pointers it sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scope {
    /// A pointer at the root of the tree.
    DefaultChannel,
}

/// The pointers that a scope shows.
#[derive(Clone, Debug)]
pub(crate) struct PointerView {
    pub(crate) scope: Scope,
    pub(crate) published: Arc<Published>,
}
