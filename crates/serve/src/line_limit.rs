//! A rate limit for log lines that clients can cause at will: a scan must not hide other lines.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Lines written per window; the rest is counted.
const LINES: u32 = 10;
const WINDOW: Duration = Duration::from_secs(10);

/// Decides which lines are written.
#[derive(Debug, Default)]
pub(crate) struct LineLimit(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    /// `None` before the first line.
    window: Option<Instant>,
    lines: u32,
    unwritten: u64,
}

impl LineLimit {
    /// `None` if the line is not written; otherwise the number of lines suppressed since the last one.
    pub(crate) fn take(&self, now: Instant) -> Option<u64> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if state.window.is_none_or(|began| now.saturating_duration_since(began) >= WINDOW) {
            state.window = Some(now);
            state.lines = 0;
        }
        if state.lines == LINES {
            state.unwritten += 1;
            return None;
        }
        state.lines += 1;
        Some(std::mem::take(&mut state.unwritten))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_is_counted_and_the_next_window_says_so() {
        let (limit, start) = (LineLimit::default(), Instant::now());
        let written = (0..1000).filter_map(|_| limit.take(start)).collect::<Vec<_>>();
        assert_eq!(written, [0; LINES as usize]);
        assert_eq!(limit.take(start + WINDOW / 2), None);
        assert_eq!(limit.take(start + WINDOW), Some(991));
        assert_eq!(limit.take(start + WINDOW), Some(0));
    }
}
