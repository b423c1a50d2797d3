//! Waiting for what another process does, with a bound.

use std::time::{Duration, Instant};

/// Far more than anything here takes, on a machine that does other things too.
const LONGEST: Duration = Duration::from_secs(60);

/// Returns once `is_so`; fails if that never comes.
#[track_caller]
pub(crate) fn until(mut is_so: impl FnMut() -> bool) {
    let began = Instant::now();
    while !is_so() {
        assert!(began.elapsed() < LONGEST, "it did not come within {LONGEST:?}");
        std::thread::sleep(Duration::from_millis(5));
    }
}
