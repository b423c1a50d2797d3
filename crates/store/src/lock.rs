//! The lock of the one writer: `flock` on `meta/lock`, held as long as the file is open.
//!
//! The kernel gives it up when the process ends, however it ends, so there is no stale lock. The text in the file is
//! for the error message of the next one only.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, Write};

use crate::disk::Operation;
use crate::{Layout, StoreError};

/// Held by a writer.
#[derive(Debug)]
pub(crate) struct Lock {
    file: File,
}

impl Drop for Lock {
    /// By word and not only by closing: a program that another thread is just starting has the file too, for a moment.
    fn drop(&mut self) {
        let _ = self.file.unlock();
    }
}

impl Lock {
    pub(crate) fn take(layout: &Layout, command: &str) -> Result<Self, StoreError> {
        let path = layout.lock();
        let failed = |source| StoreError::io(Operation::Lock, &path, source);
        let opened = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path);
        let mut file = opened.map_err(failed)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut by = String::new();
                // Only for the message: the holder may be about to write it.
                let _ = file.take(400).read_to_string(&mut by);
                let by = by.trim();
                let by = if by.is_empty() { "another process" } else { by };
                return Err(StoreError::Locked { by: by.to_owned() });
            }
            Err(TryLockError::Error(error)) => return Err(failed(error)),
        }
        let holder = format!("process {} ({command})\n", std::process::id());
        file.set_len(0)
            .and_then(|()| file.rewind())
            .and_then(|()| file.write_all(holder.as_bytes()))
            .map_err(failed)?;
        Ok(Self { file })
    }
}
