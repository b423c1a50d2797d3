//! Reliability of the store: it is damaged in each of these ways, and endpoints read it afterwards.
//!
//! | Module | What is done to the store |
//! |---|---|
//! | `crash` | every command is stopped at every disk operation; the disk is full, read-only, refuses writes |
//! | `damage` | every kind of file is missing, empty, cut off, flipped, replaced |
//! | `live` | releases are published and removed while endpoints install and update |
//! | `fixture` | stores of earlier layouts are read |

mod crash;
mod damage;
mod fixture;
mod live;
#[path = "../../../crates/generate/tests/build/mix.rs"]
#[expect(dead_code, reason = "the tests of builds use more of it")]
mod mix;
mod setup;
