//! The manual keeps its promises: its commands run as they stand, its output is what they print, its table of contents is
//! complete.
//!
//! The forms of code blocks in `docs/` and in the README, as the language after the fence:
//!
//! ```text
//! sh                 executed, all blocks of a page in order, in one shell: session.rs
//! sh,needs=PROGRAM   likewise, where PROGRAM is on PATH; several: needs=PROGRAM+PROGRAM
//! sh,system          executed by tests/packages/boot, in a booted system with the package installed
//! sh,image           executed by tests/packages/image, next to the container image
//! text,output        what the block before it prints: output.rs
//! console            a command that no test executes; the prose says why
//! text, toml, …      not commands
//! ```
//!
//! The test target belongs to the package of the binary, because cargo gives the path of the binary only to the tests of that
//! package.

#![expect(clippy::unwrap_used, reason = "helpers of tests stop where a test would")]

mod book;
mod commands;
mod contents;
mod output;
mod session;
