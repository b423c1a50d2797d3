//! An archive of any dialect and filter never panics the reader. A bomb is cut short by the sink, as callers do.
#![no_main]

use std::io;

use clearwell_format::archive::{self, ArchiveError};

/// Accepts one mebibyte, then fails.
struct Limit(usize);

impl io::Write for Limit {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 = self.0.checked_sub(bytes.len()).ok_or(io::ErrorKind::FileTooLarge)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let mut limit = Limit(1 << 20);
    let _ = archive::read_members::<ArchiveError>(bytes, |mut member| member.hash(&mut limit).map(drop));
    let _ = archive::single_member(bytes, 1 << 20);
});
