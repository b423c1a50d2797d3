//! A store to trust with the only copy: broken in every way that is on the list, and read by endpoints afterwards.
//!
//! | Module | What is done to the store |
//! |---|---|
//! | `crash` | every command is stopped at every operation on the disk; the disk is full, read-only, refuses |
//! | `damage` | every kind of file is missing, empty, cut off, flipped, replaced |
//! | `live` | releases come and go while endpoints install and update |
//! | `fixture` | a store of an earlier program is read |

mod crash;
mod damage;
mod fixture;
mod live;
#[path = "../../../crates/generate/tests/build/mix.rs"]
#[expect(dead_code, reason = "the tests of builds use more of it")]
mod mix;
mod world;
