//! When to return memory of closed connections, which the allocator keeps, to the system.
//!
//! The allocator keeps it unless it is asked to trim: free blocks are between used ones, in one heap per thread.

/// The number of connections has to fall by at least this many: memory of fewer is not worth a walk over all heaps.
const MIN_DECLINE: usize = 32;

/// Remembers the peak number of connections.
#[derive(Debug, Default)]
pub(crate) struct PeakConnections {
    most: usize,
}

impl PeakConnections {
    /// `open` connections are open, and up to `most` were open since the last call. True once for each decline to half
    /// of the peak.
    pub(crate) fn has_declined(&mut self, open: usize, most: usize) -> bool {
        self.most = self.most.max(most).max(open);
        let has_declined = open <= self.most / 2 && self.most - open >= MIN_DECLINE;
        if has_declined {
            self.most = open;
        }
        has_declined
    }
}

/// Returns free memory to the system. Takes a few milliseconds, during which allocations of other threads may wait.
#[cfg_attr(target_env = "gnu", expect(unsafe_code, reason = "only the C library can trim its heaps"))]
pub(crate) fn give_back() {
    #[cfg(target_env = "gnu")]
    // SAFETY: only pages that no allocation uses are released; the call may come from any thread.
    unsafe {
        libc::malloc_trim(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_decline_is_reported_once() {
        let mut peak = PeakConnections::default();
        for (open, most, expected) in [
            (0, 10, false),
            (0, 20, false),
            (100, 100, false),
            (60, 100, false),
            (50, 60, true),
            (50, 50, false),
            (0, 1000, true),
            (0, 0, false),
        ] {
            assert_eq!(peak.has_declined(open, most), expected, "{open} of {most}");
        }
    }
}
