//! An index without its checksum: an index that opens finds every artifact that it lists, and is written back byte for
//! byte.
#![no_main]

use std::path::PathBuf;
use std::sync::LazyLock;

/// On a tmpfs, one per process.
static FILE: LazyLock<PathBuf> =
    LazyLock::new(|| PathBuf::from(format!("/dev/shm/clearwell-fuzz-index-{}", std::process::id())));

libfuzzer_sys::fuzz_target!(|body: &[u8]| clearwell_store::fuzzing::index(body, &FILE));
