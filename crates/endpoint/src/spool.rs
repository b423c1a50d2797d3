//! A download: in memory while it is small, then in an unnamed temporary file.

use std::io::{self, BufRead, BufReader, Cursor, Read, Seek, SeekFrom, Write};

use tempfile::{SpooledData, SpooledTempFile};

/// A download that is being received.
pub(crate) struct SpoolWriter {
    file: SpooledTempFile,
    written: u64,
}

impl SpoolWriter {
    /// Keeps up to `memory` bytes in memory.
    pub(crate) fn new(memory: usize) -> Self {
        Self { file: SpooledTempFile::new(memory), written: 0 }
    }

    pub(crate) fn write(&mut self, piece: &[u8]) -> io::Result<()> {
        self.file.write_all(piece)?;
        self.written += piece.len() as u64;
        Ok(())
    }

    /// Bytes so far.
    pub(crate) const fn written(&self) -> u64 {
        self.written
    }

    pub(crate) fn finish(mut self) -> io::Result<Spool> {
        self.file.seek(SeekFrom::Start(0))?;
        Ok(Spool { file: self.file })
    }
}

/// A finished download.
#[derive(Debug)]
pub(crate) struct Spool {
    file: SpooledTempFile,
}

impl Spool {
    /// The bytes.
    pub(crate) fn into_bytes(self) -> io::Result<Vec<u8>> {
        match self.file.into_inner() {
            SpooledData::InMemory(cursor) => Ok(cursor.into_inner()),
            SpooledData::OnDisk(mut file) => {
                let mut bytes = Vec::new();
                file.read_to_end(&mut bytes)?;
                Ok(bytes)
            }
        }
    }

    /// The bytes, in order; they can be read again.
    pub(crate) fn reader(&mut self) -> io::Result<impl BufRead + Send> {
        self.file.seek(SeekFrom::Start(0))?;
        Ok(BufReader::with_capacity(256 << 10, &mut self.file))
    }

    /// The bytes, in order.
    pub(crate) fn into_reader(self) -> Box<dyn BufRead + Send> {
        match self.file.into_inner() {
            SpooledData::InMemory(cursor) => Box::new(Cursor::new(cursor.into_inner())),
            SpooledData::OnDisk(file) => Box::new(BufReader::with_capacity(256 << 10, file)),
        }
    }
}
