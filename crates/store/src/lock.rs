//! The lock of the one writer: `flock` on `meta/lock`, locked while the file is open.
//!
//! The kernel releases it when the process ends, however it ends, so there are no stale locks. The text in the file is
//! for the error message of the next one only: a disk that is too full for it must not stop a collection.

use std::fs::TryLockError;
use std::io::{Read, Write};

use crate::disk::{Disk, DiskFile, Operation};
use crate::{Layout, StoreError};

/// Held by a writer.
#[derive(Debug)]
pub(crate) struct Lock {
    file: DiskFile,
}

impl Drop for Lock {
    /// By word and not only by closing: a program that another thread is just starting has the file too, for a moment.
    fn drop(&mut self) {
        let _ = self.file.file().unlock();
    }
}

impl Lock {
    pub(crate) fn take(layout: &Layout, command: &str, disk: &Disk) -> Result<Self, StoreError> {
        let path = layout.lock();
        let mut file = disk.open_file(Operation::Lock, &path)?;
        match file.file().try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut by = String::new();
                // Only for the message: the holder may be about to write it.
                let _ = file.file().take(400).read_to_string(&mut by);
                let by = by.trim();
                let by = if by.is_empty() { "another process" } else { by };
                return Err(StoreError::Locked { by: by.to_owned() });
            }
            Err(TryLockError::Error(error)) => return Err(StoreError::io(Operation::Lock, &path, error)),
        }
        let holder = format!("process {} ({command})\n", std::process::id());
        let _ = file.clear().and_then(|()| file.write_all(holder.as_bytes()));
        Ok(Self { file })
    }
}
