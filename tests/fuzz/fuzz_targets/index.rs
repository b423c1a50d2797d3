//! An index, but for its checksum: what is opened finds every artifact that it lists, and comes back byte for byte.
#![no_main]

use std::path::PathBuf;
use std::sync::LazyLock;

/// In memory, and one for each process.
static FILE: LazyLock<PathBuf> =
    LazyLock::new(|| PathBuf::from(format!("/dev/shm/clearwell-fuzz-index-{}", std::process::id())));

libfuzzer_sys::fuzz_target!(|body: &[u8]| clearwell_store::fuzzing::index(body, &FILE));
