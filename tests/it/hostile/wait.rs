//! Waiting for another process, with a timeout.

use std::time::{Duration, Instant};

/// Far longer than any of these tests takes, on a busy machine too.
const LONGEST: Duration = Duration::from_secs(60);

/// Returns once `is_so`; fails after [`LONGEST`].
#[track_caller]
pub(crate) fn until(mut is_so: impl FnMut() -> bool) {
    let began = Instant::now();
    while !is_so() {
        assert!(began.elapsed() < LONGEST, "it did not come within {LONGEST:?}");
        std::thread::sleep(Duration::from_millis(5));
    }
}
