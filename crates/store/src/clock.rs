//! The wall clock. Records, manifests and the validity of certificates count in seconds since the epoch.
//!
//! Nothing else reads the clock: functions that decide take the time as an argument, so that builds are reproducible and
//! tests need no real time.

use std::time::{SystemTime, UNIX_EPOCH};

/// The current time.
pub fn now() -> SystemTime {
    SystemTime::now()
}

/// Seconds since the epoch; 0 on a clock that is set before it.
pub fn unix_seconds() -> i64 {
    let elapsed = now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(elapsed.as_secs()).unwrap_or(i64::MAX)
}
