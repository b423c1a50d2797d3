//! Which pointers a request sees: those of a channel, as its scope says.
//!
//! ```text
//! request -> Scope -> Catalog::view -> PointerView -> the connection's pin binds it
//! ```
//!
//! There is one channel so far, that at the root of the tree. Channels of a path and shares of a rollout choose another
//! set here; the pin keeps what was chosen, whatever it is.

use std::sync::Arc;

use crate::published::Published;

/// What a request says of itself as far as that decides which pointers it sees.
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
