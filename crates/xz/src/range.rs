//! The range coder: bits and their probabilities in, bytes out.
//!
//! A probability is the chance of a zero in 2048 parts, and moves a 32nd of its way with every bit.

/// Chance of a zero, in parts of 2048.
pub(crate) type Probability = u16;

/// What a model begins with: nothing is known.
pub(crate) const EVEN: Probability = 1 << (BITS - 1);

/// Encodes bits into bytes that are held until they are taken.
pub(crate) struct RangeEncoder {
    low: u64,
    range: u32,
    /// The byte that a carry may still change, and how many bytes that follow it are 0xff.
    cache: u8,
    cached: usize,
    out: Vec<u8>,
}

impl RangeEncoder {
    pub(crate) const fn new() -> Self {
        Self { low: 0, range: u32::MAX, cache: 0, cached: 1, out: Vec::new() }
    }

    /// How many bytes [`Self::finish`] would give now.
    pub(crate) fn pending(&self) -> usize {
        self.out.len() + self.cached + FLUSH - 1
    }

    /// Ends the stream, hands out its bytes and begins a new one.
    pub(crate) fn finish(&mut self) -> Vec<u8> {
        for _ in 0..FLUSH {
            self.shift();
        }
        let room = self.out.capacity();
        std::mem::replace(self, Self { out: Vec::with_capacity(room), ..Self::new() }).out
    }

    #[inline(always)]
    pub(crate) fn bit(&mut self, probability: &mut Probability, bit: u32) {
        let bound = (self.range >> BITS) * u32::from(*probability);
        if bit == 0 {
            self.range = bound;
            *probability += ((1 << BITS) - *probability) >> MOVE;
        } else {
            self.low += u64::from(bound);
            self.range -= bound;
            *probability -= *probability >> MOVE;
        }
        if self.range < 1 << 24 {
            self.range <<= 8;
            self.shift();
        }
    }

    /// The lowest `count` bits of `value`, highest first, all as likely as not.
    pub(crate) fn direct(&mut self, value: u32, count: u32) {
        for place in (0..count).rev() {
            self.range >>= 1;
            self.low += u64::from(self.range & 0u32.wrapping_sub((value >> place) & 1));
            if self.range < 1 << 24 {
                self.range <<= 8;
                self.shift();
            }
        }
    }

    /// The lowest `count` bits of `value`, highest first, each with a probability for what came before it.
    #[inline(always)]
    pub(crate) fn tree(&mut self, probabilities: &mut [Probability], value: u32, count: u32) {
        let mut node = 1;
        for place in (0..count).rev() {
            let bit = (value >> place) & 1;
            self.bit(&mut probabilities[node], bit);
            node = node << 1 | bit as usize;
        }
    }

    /// The same, lowest first. The probability of the first bit is at `probabilities[0]`.
    pub(crate) fn reverse_tree(&mut self, probabilities: &mut [Probability], value: u32, count: u32) {
        let mut node = 1;
        for place in 0..count {
            let bit = (value >> place) & 1;
            self.bit(&mut probabilities[node - 1], bit);
            node = node << 1 | bit as usize;
        }
    }

    fn shift(&mut self) {
        let carry = (self.low >> 32) as u8;
        if carry != 0 || (self.low as u32) < 0xff00_0000 {
            self.out.push(self.cache.wrapping_add(carry));
            for _ in 1..self.cached {
                self.out.push(0xffu8.wrapping_add(carry));
            }
            self.cached = 0;
            self.cache = (self.low >> 24) as u8;
        }
        self.cached += 1;
        self.low = (self.low & 0x00ff_ffff) << 8;
    }
}

const BITS: u32 = 11;
const MOVE: u32 = 5;
/// What is shifted out at the end.
const FLUSH: usize = 5;
