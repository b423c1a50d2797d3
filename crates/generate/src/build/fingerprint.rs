//! One digest of everything that decides the bytes of a release: an interrupted build continues only with the same
//! digest.
//!
//! Left out: the manifests' timestamp, which is the current time by default. Manifests are always made again;
//! artifacts that take time to make do not contain it. Also left out: workers, memory, signatures.

use std::fmt::Write as _;

use clearwell_store::Hasher;

use super::{BuildOptions, GENERATOR};
use crate::inputs::{Inputs, Release};

/// The digest, as text.
pub(super) fn fingerprint(inputs: &Inputs, options: &BuildOptions) -> String {
    // All fields are named, so that the compiler asks about a new one.
    let Inputs { release, tree, bundles, debuginfo, upstream, stamps: _, warnings: _ } = inputs;
    let Release { version, previous, format, min_version, timestamp: _ } = release;
    let BuildOptions { deltas, fullfiles, zero_packs, profile, compression, .. } = options;
    let mut digest = Hasher::new();
    let mut text = String::new();
    let mut add = |part: std::fmt::Arguments<'_>| {
        text.clear();
        text.write_fmt(part).expect("a string takes all");
        digest.update(&(text.len() as u64).to_le_bytes());
        digest.update(text.as_bytes());
    };
    add(format_args!("{GENERATOR}"));
    add(format_args!("{:?}", (version, previous, format, min_version)));
    add(format_args!("{:?}", (deltas, fullfiles, zero_packs, profile, compression, debuginfo, upstream)));
    for (_, node) in tree.nodes() {
        add(format_args!("{} {} {}", node.path.as_bytes().escape_ascii(), node.hash, node.mtime));
    }
    for bundle in bundles {
        add(format_args!("{:?}", (&bundle.name, bundle.status, &bundle.includes, &bundle.also_add)));
        add(format_args!("{:?}", bundle.files));
    }
    digest.finish().to_string()
}
