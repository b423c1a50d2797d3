//! Builds on small mixes: what they make, that they make it again, and what stops them.

mod faults;
mod mix;
mod packs;
mod publication;
mod releases;
