//! The control block: triples of signed 64-bit little-endian two's-complement integers.
//!
//! ```text
//! add       number of bytes from the diff block; the old bytes at the old position are added, modulo 256
//! insert    number of bytes from the extra block, copied
//! seek      moves the old position, relative to the end of the add step
//! ```
//!
//! Both positions start at 0 (delta §2). Classic bsdiff's sign-magnitude integers are *not* used.

/// Bytes of one stored triple.
pub(crate) const TRIPLE_SIZE: usize = 24;

/// One step of a patch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Triple {
    pub(crate) add: i64,
    pub(crate) insert: i64,
    pub(crate) seek: i64,
}

impl Triple {
    pub(crate) fn from_bytes(bytes: &[u8; TRIPLE_SIZE]) -> Self {
        let (fields, _) = bytes.as_chunks::<8>();
        Self {
            add: i64::from_le_bytes(fields[0]),
            insert: i64::from_le_bytes(fields[1]),
            seek: i64::from_le_bytes(fields[2]),
        }
    }

    pub(crate) fn to_bytes(self) -> [u8; TRIPLE_SIZE] {
        let mut bytes = [0; TRIPLE_SIZE];
        for (field, value) in bytes.as_chunks_mut::<8>().0.iter_mut().zip([self.add, self.insert, self.seek]) {
            *field = value.to_le_bytes();
        }
        bytes
    }
}
