//! Min-hash sketches: half a kilobyte by which similar files are found.
//!
//! A file is cut where its content says so (a rolling hash of the last bytes has some low bits zero), every piece is
//! hashed, and the smallest hashes are kept. Two files share about the part of their smallest hashes that they share of
//! their pieces, wherever in the files these are (min-hash). A sketch depends on the bytes alone.

use std::collections::{HashMap, HashSet};
use std::hash::Hash;
use std::io::{self, Read};

/// The smallest hashes of a file's pieces, ascending, each once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sketch {
    minima: Box<[u64]>,
}

impl Sketch {
    /// How many hashes are kept.
    pub const HASHES: usize = 64;

    /// Bytes that are read of a file. The rest of a larger one is ignored, which bounds the time for a file to about half a
    /// second.
    pub const LIMIT: u64 = 256 << 20;

    /// Sketches `content`, up to [`Sketch::LIMIT`].
    ///
    /// # Errors
    /// Those of the reader.
    pub fn read(content: impl Read) -> io::Result<Self> {
        let mut pieces = Pieces::default();
        let mut buffer = vec![0; 64 << 10];
        let mut content = content.take(Self::LIMIT);
        loop {
            match content.read(&mut buffer) {
                Ok(0) => return Ok(pieces.finish()),
                Ok(count) => pieces.add(&buffer[..count]),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Sketches bytes in memory.
    pub fn of(content: &[u8]) -> Self {
        let mut pieces = Pieces::default();
        pieces.add(&content[..content.len().min(Self::LIMIT as usize)]);
        pieces.finish()
    }

    /// The hashes.
    pub fn minima(&self) -> &[u64] {
        &self.minima
    }

    /// About how much of both files' pieces is in both, in thousandths.
    pub fn resemblance(&self, other: &Self) -> u32 {
        let (mut mine, mut theirs) = (self.minima.iter().peekable(), other.minima.iter().peekable());
        let (mut looked_at, mut shared) = (0, 0);
        while looked_at < Self::HASHES as u32 {
            let order = match (mine.peek(), theirs.peek()) {
                (Some(a), Some(b)) => a.cmp(b),
                (Some(_), None) => std::cmp::Ordering::Less,
                (None, Some(_)) => std::cmp::Ordering::Greater,
                (None, None) => break,
            };
            looked_at += 1;
            shared += u32::from(order.is_eq());
            if order.is_le() {
                mine.next();
            }
            if order.is_ge() {
                theirs.next();
            }
        }
        (shared * 1000).checked_div(looked_at).unwrap_or(0)
    }
}

/// The files that have enough in common with others of `files` to compress better next to them.
pub(crate) fn similar_to_others<'s, K: Copy + Eq + Hash>(
    files: impl Iterator<Item = (K, &'s Sketch)> + Clone,
) -> HashSet<K> {
    let mut with: HashMap<u64, usize> = HashMap::new();
    for hash in files.clone().flat_map(|(_, sketch)| sketch.minima()) {
        *with.entry(*hash).or_default() += 1;
    }
    let in_common = |sketch: &Sketch| sketch.minima().iter().filter(|hash| with[hash] > 1).count();
    files.filter(|(_, sketch)| in_common(sketch) * COMMON_SHARE > sketch.minima().len()).map(|(key, _)| key).collect()
}

/// Files are similar from one twentieth in common on.
const COMMON_SHARE: usize = 20;

/// A file while it is cut.
struct Pieces {
    rolling: u64,
    piece: u64,
    length: usize,
    found: Vec<u64>,
    /// Hashes above it cannot be among the smallest any more.
    limit: u64,
}

impl Default for Pieces {
    fn default() -> Self {
        Self { rolling: 0, piece: PIECE_START, length: 0, found: Vec::with_capacity(ROOM), limit: u64::MAX }
    }
}

impl Pieces {
    fn add(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.rolling = (self.rolling << 1).wrapping_add(GEAR[usize::from(byte)]);
            self.piece = (self.piece ^ u64::from(byte)).wrapping_mul(PIECE_FACTOR);
            self.length += 1;
            if (self.rolling & CUT == 0 && self.length >= SHORTEST) || self.length == LONGEST {
                self.cut();
            }
        }
    }

    fn cut(&mut self) {
        let hash = mix(self.piece ^ self.length as u64);
        (self.piece, self.length) = (PIECE_START, 0);
        if hash <= self.limit {
            self.found.push(hash);
            if self.found.len() == ROOM {
                self.keep_smallest();
            }
        }
    }

    fn keep_smallest(&mut self) {
        self.found.sort_unstable();
        self.found.dedup();
        self.found.truncate(Sketch::HASHES);
        if self.found.len() == Sketch::HASHES {
            self.limit = self.found[Sketch::HASHES - 1];
        }
    }

    fn finish(mut self) -> Sketch {
        if self.length > 0 {
            self.cut();
        }
        self.keep_smallest();
        Sketch { minima: self.found.into() }
    }
}

/// Pieces of about 100 bytes: in machine code an address changes every few dozen bytes, and longer pieces would all
/// differ between two builds.
const CUT: u64 = 0b11_1111 << 58;
const SHORTEST: usize = 32;
const LONGEST: usize = 512;
const ROOM: usize = 8 * Sketch::HASHES;
const PIECE_START: u64 = 0xcbf2_9ce4_8422_2325;
const PIECE_FACTOR: u64 = 0x0000_0100_0000_01b3;

/// A random number for each byte.
static GEAR: [u64; 256] = {
    let mut table = [0; 256];
    let mut index = 0;
    while index < table.len() {
        table[index] = mix(index as u64 + 1);
        index += 1;
    }
    table
};

/// Spreads a number over all bits (the finisher of SplitMix64).
const fn mix(number: u64) -> u64 {
    let number = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ (number >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noise(seed: u64, length: usize) -> Vec<u8> {
        (0..length as u64 / 8).flat_map(|n| mix(seed << 32 | n).to_le_bytes()).collect()
    }

    #[test]
    fn moved_content_is_found_and_foreign_content_is_not() {
        let old = noise(1, 200_000);
        let moved = [&noise(2, 50_000)[..], &old[80_000..], &old[..80_000]].concat();
        let (old, moved, other) = (Sketch::of(&old), Sketch::of(&moved), Sketch::of(&noise(3, 200_000)));
        assert_eq!(old.resemblance(&old), 1000);
        assert!((650..950).contains(&old.resemblance(&moved)), "{}", old.resemblance(&moved));
        assert_eq!(old.resemblance(&moved), moved.resemblance(&old));
        assert!(old.resemblance(&other) < 20);
    }

    #[test]
    fn files_with_much_in_common_are_similar() {
        let program = noise(5, 100_000);
        let other = [&noise(6, 150_000)[..], &program[..50_000]].concat();
        let sketches = [program, other, noise(7, 100_000)].map(|bytes| Sketch::of(&bytes));
        assert_eq!(similar_to_others(sketches.iter().enumerate()), HashSet::from([0, 1]));
    }

    #[test]
    fn reading_in_pieces_makes_the_same_sketch() {
        let bytes = noise(4, 300_000);
        let read = Sketch::read(&bytes[..]).unwrap();
        assert_eq!(read, Sketch::of(&bytes));
        assert_eq!(read.minima().len(), Sketch::HASHES);
        assert!(read.minima().is_sorted());
    }

    #[test]
    fn small_and_empty_files_have_sketches_too() {
        let empty = Sketch::of(b"");
        assert_eq!(empty.resemblance(&empty), 0);
        assert_eq!(empty.resemblance(&Sketch::of(b"x")), 0);
        assert_eq!(Sketch::of(b"x").resemblance(&Sketch::of(b"x")), 1000);
        // A run of one byte is one piece, however long.
        assert!(Sketch::of(&[0; 100_000]).minima().len() < 4);
    }
}
