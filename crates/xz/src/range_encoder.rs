//! The range encoder: bits and their probabilities in, bytes out.
//!
//! ```text
//! low     the lower end of the interval, with a carry in bit 32
//! range   its size, at least 2^24 before each bit
//! cache   the last byte that a carry may still change, followed by cache_size - 1 bytes 0xff
//! ```
//!
//! A probability is that of a zero, in 2048 parts; each bit moves it by a 32nd of the distance to certainty.

/// The probability of a zero, in 2048 parts.
pub(crate) type Probability = u16;

/// The initial probability: one half.
pub(crate) const PROB_INIT: Probability = 1 << (BIT_MODEL_TOTAL_BITS - 1);

/// Encodes bits into bytes and keeps them until [`Self::finish`].
pub(crate) struct RangeEncoder {
    low: u64,
    range: u32,
    /// The byte that a carry may still change; with the bytes 0xff that follow it there are `cache_size`.
    cache: u8,
    cache_size: usize,
    out: Vec<u8>,
}

impl RangeEncoder {
    pub(crate) const fn new() -> Self {
        Self { low: 0, range: u32::MAX, cache: 0, cache_size: 1, out: Vec::new() }
    }

    /// Number of bytes that [`Self::finish`] would return now.
    pub(crate) fn pending(&self) -> usize {
        self.out.len() + self.cache_size + FLUSH_BYTES - 1
    }

    /// Flushes, returns the bytes and starts again.
    pub(crate) fn finish(&mut self) -> Vec<u8> {
        for _ in 0..FLUSH_BYTES {
            self.shift_low();
        }
        let room = self.out.capacity();
        std::mem::replace(self, Self { out: Vec::with_capacity(room), ..Self::new() }).out
    }

    #[inline(always)]
    pub(crate) fn bit(&mut self, probability: &mut Probability, bit: u32) {
        let bound = (self.range >> BIT_MODEL_TOTAL_BITS) * u32::from(*probability);
        if bit == 0 {
            self.range = bound;
            *probability += ((1 << BIT_MODEL_TOTAL_BITS) - *probability) >> BIT_MODEL_MOVE_BITS;
        } else {
            self.low += u64::from(bound);
            self.range -= bound;
            *probability -= *probability >> BIT_MODEL_MOVE_BITS;
        }
        if self.range < 1 << 24 {
            self.range <<= 8;
            self.shift_low();
        }
    }

    /// Direct bits: the lowest `count` bits of `value`, highest first, without probabilities.
    pub(crate) fn direct(&mut self, value: u32, count: u32) {
        for bit_index in (0..count).rev() {
            self.range >>= 1;
            self.low += u64::from(self.range & 0u32.wrapping_sub((value >> bit_index) & 1));
            if self.range < 1 << 24 {
                self.range <<= 8;
                self.shift_low();
            }
        }
    }

    /// A bit tree: the lowest `count` bits of `value`, highest first, each with a probability selected by the bits
    /// before it.
    #[inline(always)]
    pub(crate) fn bittree(&mut self, probabilities: &mut [Probability], value: u32, count: u32) {
        let mut node = 1;
        for bit_index in (0..count).rev() {
            let bit = (value >> bit_index) & 1;
            self.bit(&mut probabilities[node], bit);
            node = node << 1 | bit as usize;
        }
    }

    /// A reverse bit tree: lowest bit first. The probability of the first bit is at `probabilities[0]`.
    pub(crate) fn bittree_reverse(&mut self, probabilities: &mut [Probability], value: u32, count: u32) {
        let mut node = 1;
        for bit_index in 0..count {
            let bit = (value >> bit_index) & 1;
            self.bit(&mut probabilities[node - 1], bit);
            node = node << 1 | bit as usize;
        }
    }

    fn shift_low(&mut self) {
        let carry = (self.low >> 32) as u8;
        if carry != 0 || (self.low as u32) < 0xff00_0000 {
            self.out.push(self.cache.wrapping_add(carry));
            for _ in 1..self.cache_size {
                self.out.push(0xffu8.wrapping_add(carry));
            }
            self.cache_size = 0;
            self.cache = (self.low >> 24) as u8;
        }
        self.cache_size += 1;
        self.low = (self.low & 0x00ff_ffff) << 8;
    }
}

const BIT_MODEL_TOTAL_BITS: u32 = 11;
const BIT_MODEL_MOVE_BITS: u32 = 5;
/// Bytes that a flush shifts out.
const FLUSH_BYTES: usize = 5;
