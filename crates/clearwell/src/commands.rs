//! One file per command: an `Args` struct whose doc comments are the help, and `run`.

pub(crate) mod adopt;
pub(crate) mod backup;
pub(crate) mod build;
pub(crate) mod check;
pub(crate) mod completions;
pub(crate) mod delta;
pub(crate) mod deltas;
pub(crate) mod demo;
pub(crate) mod discard;
pub(crate) mod gc;
pub(crate) mod health;
pub(crate) mod init;
pub(crate) mod man;
pub(crate) mod publish;
pub(crate) mod releases;
pub(crate) mod renew;
pub(crate) mod restore;
pub(crate) mod retract;
pub(crate) mod rotation;
pub(crate) mod schema;
pub(crate) mod serve;
pub(crate) mod verify;
