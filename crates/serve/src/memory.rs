//! Memory that connections gave back, and that the allocator keeps for the next ones.
//!
//! Without a word to the allocator it stays for good: free pieces lie between used ones, in a heap for each thread.

/// A crowd is at least so many connections: memory of fewer is not worth the walk over all heaps.
const CROWD: usize = 32;

/// Remembers how many connections there were.
#[derive(Debug, Default)]
pub(crate) struct Crowd {
    most: usize,
}

impl Crowd {
    /// `open` connections are open, and `most` were at some time since the last look. True once a crowd has gone.
    pub(crate) fn has_gone(&mut self, open: usize, most: usize) -> bool {
        self.most = self.most.max(most).max(open);
        let has_gone = open <= self.most / 2 && self.most - open >= CROWD;
        if has_gone {
            self.most = open;
        }
        has_gone
    }
}

/// Gives what is free back to the system. Takes some milliseconds, in which other threads may wait for memory.
#[cfg_attr(target_env = "gnu", expect(unsafe_code, reason = "the allocator of the C library has no other door"))]
pub(crate) fn give_back() {
    #[cfg(target_env = "gnu")]
    // SAFETY: only pages that no allocation uses are given up; the call may come from any thread.
    unsafe {
        libc::malloc_trim(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_crowd_that_has_gone_is_noticed_once() {
        let mut crowd = Crowd::default();
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
            assert_eq!(crowd.has_gone(open, most), expected, "{open} of {most}");
        }
    }
}
