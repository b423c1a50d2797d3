//! Where the tables of an index are, and which rows to read for a name.
//!
//! Checking reads the whole file once and keeps two small directories of it: where the fullfiles of each range of
//! hashes begin, and every n-th of the other names. Both are bounded however long the tables are. A search takes the
//! directory, halves what is left by reading single rows while that is more than a block, then reads the block.

use std::cmp::Ordering;
use std::io::{self, BufReader, Read};

use clearwell_format::{FileHash, Version};

use super::file::{Failure, IndexFile, Wait};
use super::{
    ArtifactMeta, FORMAT, FULLFILE, HEADER, IndexDamage, MAGIC, OTHER, TRAILER, artifact, meta, u32_at, u64_at,
};
use crate::{Digest, Hasher};

/// The tables of an index that was checked.
pub(super) struct Tables {
    pub(super) fullfiles: u64,
    pub(super) others: u64,
    /// SHA-256 of everything before the trailer.
    pub(super) digest: Digest,
    ranges: Ranges,
    samples: Samples,
}

impl Tables {
    /// Reads and checks everything.
    pub(super) fn check(file: &IndexFile, release: Version) -> Result<Self, Failure> {
        let end = file.size().checked_sub(TRAILER as u64).ok_or(IndexDamage::Length)?;
        let mut body =
            BufReader::with_capacity(CHUNK, DigestingReader { from: file.section(0, end), hasher: Hasher::new() });
        let mut header = [0; HEADER];
        if end < HEADER as u64 {
            return Err(IndexDamage::Length.into());
        }
        body.read_exact(&mut header)?;
        if !header.starts_with(MAGIC) {
            return Err(IndexDamage::Magic.into());
        }
        let format = u32_at(&header, 8).unwrap_or_default();
        if format != FORMAT {
            return Err(IndexDamage::Format(format).into());
        }
        let count = |offset| u64_at(&header, offset).unwrap_or_default();
        let (fullfiles, others, names) = (count(16), count(24), count(32));
        let length = (fullfiles.checked_mul(FULLFILE as u64)).zip(others.checked_mul(OTHER as u64)).and_then(
            |(fullfiles, others)| fullfiles.checked_add(others)?.checked_add(names)?.checked_add(HEADER as u64),
        );
        if length != Some(end) {
            return Err(IndexDamage::Length.into());
        }

        let mut is_ordered = true;
        let ranges = Ranges::read(&mut body, fullfiles, &mut is_ordered)?;
        // Their rows tell where names end, so they are read a second time with the names.
        let rows_end = end - names;
        let rows = file.section(rows_end - others * OTHER as u64, rows_end);
        io::copy(&mut (&mut body).take(others * OTHER as u64), &mut io::sink())?;
        let samples = Samples::read(BufReader::new(rows), &mut body, others, names, &mut is_ordered)?;
        io::copy(&mut body, &mut io::sink())?;

        let digest = body.into_inner().hasher.finish();
        let mut trailer = [0; TRAILER];
        file.read_exact_at(&mut trailer, end, Wait::ForDisk)?;
        let of = u32_at(&header, 12).unwrap_or_default();
        match () {
            () if digest != Digest::from_bytes(trailer) => Err(IndexDamage::Checksum.into()),
            () if of != release.number() => Err(IndexDamage::OtherRelease(of).into()),
            () if !is_ordered => Err(IndexDamage::Order.into()),
            () => Ok(Self { fullfiles, others, digest, ranges, samples }),
        }
    }

    /// Where the rows of the other artifacts begin.
    pub(super) const fn others_start(&self) -> u64 {
        HEADER as u64 + self.fullfiles * FULLFILE as u64
    }

    /// Where the names begin.
    pub(super) const fn names_start(&self) -> u64 {
        self.others_start() + self.others * OTHER as u64
    }

    pub(super) fn fullfile(
        &self,
        file: &IndexFile,
        hash: &FileHash,
        wait: Wait,
    ) -> Result<Option<ArtifactMeta>, Failure> {
        let position = |row: u64| HEADER as u64 + row * FULLFILE as u64;
        let (mut low, mut high) = self.ranges.of(hash);
        while high - low > FULLFILES_PER_BLOCK as u64 {
            let middle = low + (high - low) / 2;
            let mut row = [0; FULLFILE];
            file.read_exact_at(&mut row, position(middle), wait)?;
            match row[..HASH].cmp(hash.as_bytes()) {
                Ordering::Less => low = middle + 1,
                Ordering::Equal => return Ok(meta(&row[HASH..])),
                Ordering::Greater => high = middle,
            }
        }
        let mut block = [0; FULLFILES_PER_BLOCK * FULLFILE];
        let block = &mut block[..(high - low) as usize * FULLFILE];
        file.read_exact_at(block, position(low), wait)?;
        let (rows, _) = block.as_chunks::<FULLFILE>();
        if !rows.is_sorted_by(|left, right| left[..HASH] < right[..HASH]) {
            return Err(IndexDamage::Changed.into());
        }
        let found = rows.binary_search_by(|row| row[..HASH].cmp(hash.as_bytes()));
        Ok(found.ok().and_then(|at| meta(&rows[at][HASH..])))
    }

    pub(super) fn other(&self, file: &IndexFile, name: &[u8], wait: Wait) -> Result<Option<ArtifactMeta>, Failure> {
        let (mut low, mut high) = self.samples.around(name, self.others);
        while high - low > OTHERS_PER_BLOCK as u64 {
            let middle = low + (high - low) / 2;
            let mut row = [0; OTHER];
            file.read_exact_at(&mut row, self.others_start() + middle * OTHER as u64, wait)?;
            let (offset, length) = place(&row)?;
            let mut found = [0; NAME_MAX];
            file.read_exact_at(&mut found[..length], self.names_start() + offset, wait)?;
            match found[..length].cmp(name) {
                Ordering::Less => low = middle + 1,
                Ordering::Equal => return Ok(meta(&row[8..])),
                Ordering::Greater => high = middle,
            }
        }
        let mut block = [0; OTHERS_PER_BLOCK * OTHER];
        let block = &mut block[..(high - low) as usize * OTHER];
        file.read_exact_at(block, self.others_start() + low * OTHER as u64, wait)?;
        let (rows, _) = block.as_chunks::<OTHER>();
        let Some(first) = rows.first() else { return Ok(None) };
        let (start, _) = place(first)?;
        let mut ends = [0; OTHERS_PER_BLOCK];
        let mut end = 0;
        for (row, sum) in rows.iter().zip(&mut ends) {
            let (offset, length) = place(row)?;
            if offset != start + end as u64 {
                return Err(IndexDamage::Changed.into());
            }
            end += length;
            *sum = end;
        }
        let mut names = vec![0; end];
        file.read_exact_at(&mut names, self.names_start() + start, wait)?;
        let mut from = 0;
        for (row, end) in rows.iter().zip(ends) {
            if names[from..end] == *name {
                return Ok(meta(&row[8..]));
            }
            from = end;
        }
        Ok(None)
    }
}

/// Offset and length of the name of a row.
pub(super) fn place(row: &[u8; OTHER]) -> Result<(u64, usize), IndexDamage> {
    let number = |offset| u32_at(row, offset).unwrap_or_default();
    let length = number(4) as usize;
    if length > NAME_MAX { Err(IndexDamage::Changed) } else { Ok((u64::from(number(0)), length)) }
}

/// Where the fullfiles whose hashes begin alike begin.
struct Ranges {
    /// How far the first four bytes of a hash are shifted to get its range.
    shift: u32,
    /// The first row of each range, and the number of rows at the end.
    starts: Box<[u64]>,
}

impl Ranges {
    fn read(rows: &mut impl Read, count: u64, is_ordered: &mut bool) -> io::Result<Self> {
        let ranges = (count / FULLFILES_PER_BLOCK as u64).next_power_of_two().min(MOST_RANGES);
        let mut made = Self { shift: 32 - ranges.trailing_zeros(), starts: Box::default() };
        let mut starts = Vec::with_capacity(ranges as usize + 1);
        let mut last = None;
        for position in 0..count {
            let mut row = [0; FULLFILE];
            rows.read_exact(&mut row)?;
            let hash = FileHash::from_bytes(*row.first_chunk().expect("a row begins with a hash"));
            *is_ordered &= last.replace(hash).is_none_or(|last| last < hash);
            let range = made.range(&hash);
            while starts.len() <= range {
                starts.push(position);
            }
        }
        starts.resize(ranges as usize + 1, count);
        made.starts = starts.into();
        Ok(made)
    }

    fn range(&self, hash: &FileHash) -> usize {
        let first = u32::from_be_bytes(*hash.as_bytes().first_chunk().expect("a hash has 32 bytes"));
        (u64::from(first) >> self.shift) as usize
    }

    /// The rows that can have the hash.
    fn of(&self, hash: &FileHash) -> (u64, u64) {
        let range = self.range(hash);
        (self.starts[range], self.starts[range + 1])
    }
}

/// Every n-th name of the other artifacts.
struct Samples {
    stride: u64,
    names: Box<[Box<[u8]>]>,
}

impl Samples {
    /// Reads all names, which lie one behind the other in the order of the rows.
    fn read(
        mut rows: impl Read,
        names: &mut impl Read,
        count: u64,
        bytes: u64,
        is_ordered: &mut bool,
    ) -> io::Result<Self> {
        let stride = (count / MOST_SAMPLES).max(OTHERS_PER_BLOCK as u64);
        let mut samples = Vec::new();
        let (mut sum, mut last) = (0, Vec::new());
        for position in 0..count {
            let mut row = [0; OTHER];
            rows.read_exact(&mut row)?;
            let Some(length) =
                place(&row).ok().filter(|(offset, length)| *offset == sum && *length as u64 <= bytes - sum)
            else {
                *is_ordered = false;
                break;
            };
            let mut name = vec![0; length.1];
            names.read_exact(&mut name)?;
            sum += name.len() as u64;
            *is_ordered &= (position == 0 || last < name) && artifact(&name).is_some();
            if position % stride == 0 {
                samples.push(name.clone().into());
            }
            last = name;
        }
        *is_ordered &= sum == bytes;
        Ok(Self { stride, names: samples.into() })
    }

    /// The rows that can have the name.
    fn around(&self, name: &[u8], count: u64) -> (u64, u64) {
        let after = self.names.partition_point(|sample| **sample <= *name) as u64;
        match after.checked_sub(1) {
            None => (0, 0),
            Some(sample) => (sample * self.stride, (after * self.stride).min(count)),
        }
    }
}

/// A reader that digests what it gives.
struct DigestingReader<R> {
    from: R,
    hasher: Hasher,
}

impl<R: Read> Read for DigestingReader<R> {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        let read = self.from.read(bytes)?;
        self.hasher.update(&bytes[..read]);
        Ok(read)
    }
}

const HASH: usize = 32;
/// No file has a longer name below the folder of a release: one folder, and 255 bytes.
const NAME_MAX: usize = 512;
/// A block is a page of memory or less.
const FULLFILES_PER_BLOCK: usize = 56;
const OTHERS_PER_BLOCK: usize = 32;
/// Half a MiB for the largest index.
const MOST_RANGES: u64 = 1 << 16;
const MOST_SAMPLES: u64 = 1 << 12;
const CHUNK: usize = 256 << 10;
