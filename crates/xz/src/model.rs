//! What LZMA knows of the input so far: the state of the last operations, and a probability for every decision.

use crate::range::{EVEN, Probability, RangeEncoder};

/// How literals and positions choose their probabilities (xz: lc, lp, pb).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Contexts {
    /// The number of highest bits of the byte before a literal; with `literal_position_bits` 4 at most.
    pub(crate) literal_bits: u32,
    /// The number of lowest bits of a literal's position.
    pub(crate) literal_position_bits: u32,
    /// The number of lowest bits of any position, 4 at most. Machine code has a grid of four bytes; text has none.
    pub(crate) position_bits: u32,
}

impl Contexts {
    /// With these numbers of bits of the byte before a literal, of a literal's position and of any position; `None` for
    /// what the format does not have: the first two together and the last are 4 at most.
    pub const fn new(literal_bits: u32, literal_position_bits: u32, position_bits: u32) -> Option<Self> {
        if literal_bits > 4 || literal_position_bits > 4 - literal_bits || position_bits > 4 {
            return None;
        }
        Some(Self { literal_bits, literal_position_bits, position_bits })
    }

    /// For anything that may have a grid of four bytes.
    pub const BINARY: Self = Self { literal_bits: 3, literal_position_bits: 0, position_bits: 2 };
    /// For text, and what else has no grid.
    pub const TEXT: Self = Self { literal_bits: 4, literal_position_bits: 0, position_bits: 0 };

    /// What suits `data`: in machine code and tables of numbers the zeros stand in columns of a grid of four bytes.
    pub fn guess(data: &[u8]) -> Self {
        let mut zeros = [0usize; 4];
        for (place, &byte) in data.iter().enumerate().take(SAMPLE_BYTES) {
            zeros[place % 4] += usize::from(byte == 0);
        }
        let [least, .., most] = {
            zeros.sort_unstable();
            zeros
        };
        if most * 16 > data.len().min(SAMPLE_BYTES) / 4 && 4 * most > 5 * least { Self::BINARY } else { Self::TEXT }
    }

    /// The byte that tells a decoder.
    pub(crate) const fn byte(self) -> u8 {
        ((self.position_bits * 5 + self.literal_position_bits) * 9 + self.literal_bits) as u8
    }
}

/// What the last operations were, as far as LZMA remembers: 0 to 11.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct State(u8);

impl State {
    pub(crate) const START: Self = Self(0);

    pub(crate) const fn index(self) -> usize {
        self.0 as usize
    }

    pub(crate) const fn is_after_literal(self) -> bool {
        self.0 < 7
    }

    pub(crate) const fn after_literal(self) -> Self {
        Self(match self.0 {
            0..4 => 0,
            4..10 => self.0 - 3,
            _ => self.0 - 6,
        })
    }

    pub(crate) const fn after_match(self) -> Self {
        Self(if self.is_after_literal() { 7 } else { 10 })
    }

    pub(crate) const fn after_repeat(self) -> Self {
        Self(if self.is_after_literal() { 8 } else { 11 })
    }

    pub(crate) const fn after_short_repeat(self) -> Self {
        Self(if self.is_after_literal() { 9 } else { 11 })
    }
}

/// The four last distances, each less one, the last one first.
pub(crate) type Distances = [u32; 4];

/// One thing to encode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operation {
    Literal,
    /// One byte as the last distance has it.
    ShortRepeat,
    /// As the distance of this index in [`Distances`] has it.
    Repeat {
        index: u32,
        length: u32,
    },
    /// A distance less one, and a length.
    Match {
        distance: u32,
        length: u32,
    },
}

impl Operation {
    pub(crate) const fn length(self) -> usize {
        match self {
            Self::Literal | Self::ShortRepeat => 1,
            Self::Repeat { length, .. } | Self::Match { length, .. } => length as usize,
        }
    }

    /// The same without reference to the last distances.
    pub(crate) const fn spelled_out(self, last: &Distances) -> Self {
        match self {
            Self::Literal | Self::ShortRepeat => Self::Literal,
            Self::Repeat { index, length } => Self::Match { distance: last[index as usize], length },
            Self::Match { .. } => self,
        }
    }

    /// State and distances after it.
    pub(crate) const fn apply(self, state: &mut State, last: &mut Distances) {
        match self {
            Self::Literal => *state = state.after_literal(),
            Self::ShortRepeat => *state = state.after_short_repeat(),
            Self::Repeat { index, .. } => {
                let distance = last[index as usize];
                let mut place = index as usize;
                while place > 0 {
                    last[place] = last[place - 1];
                    place -= 1;
                }
                last[0] = distance;
                *state = state.after_repeat();
            }
            Self::Match { distance, .. } => {
                *last = [distance, last[0], last[1], last[2]];
                *state = state.after_match();
            }
        }
    }
}

/// Probabilities of lengths.
pub(crate) struct Lengths {
    pub(crate) choices: [Probability; 2],
    pub(crate) low: [[Probability; 8]; POSITION_STATES],
    pub(crate) middle: [[Probability; 8]; POSITION_STATES],
    pub(crate) high: [Probability; 256],
}

impl Lengths {
    const fn new() -> Self {
        Self {
            choices: [EVEN; 2],
            low: [[EVEN; 8]; POSITION_STATES],
            middle: [[EVEN; 8]; POSITION_STATES],
            high: [EVEN; 256],
        }
    }

    fn encode(&mut self, length: u32, position_state: usize, out: &mut RangeEncoder) {
        let length = length - SHORTEST;
        out.bit(&mut self.choices[0], u32::from(length >= 8));
        if length < 8 {
            return out.tree(&mut self.low[position_state], length, 3);
        }
        out.bit(&mut self.choices[1], u32::from(length >= 16));
        if length < 16 {
            out.tree(&mut self.middle[position_state], length - 8, 3);
        } else {
            out.tree(&mut self.high, length - 16, 8);
        }
    }
}

/// All probabilities, and what they depend on.
pub(crate) struct Model {
    pub(crate) contexts: Contexts,
    pub(crate) state: State,
    pub(crate) last: Distances,
    literals: Vec<[Probability; LITERAL]>,
    pub(crate) is_match: [[Probability; POSITION_STATES]; STATES],
    pub(crate) is_repeat: [Probability; STATES],
    /// Not the last distance; not the one before; not the one before that.
    pub(crate) is_older: [[Probability; STATES]; 3],
    pub(crate) is_long: [[Probability; POSITION_STATES]; STATES],
    pub(crate) slots: [[Probability; 64]; LENGTH_STATES],
    /// The low bits of the distances below 128.
    pub(crate) near: [Probability; NEAR as usize],
    /// The four lowest bits of the others.
    pub(crate) align: [Probability; 16],
    pub(crate) match_lengths: Lengths,
    pub(crate) repeat_lengths: Lengths,
}

impl Model {
    pub(crate) fn new(contexts: Contexts) -> Self {
        let literals = 1 << (contexts.literal_bits + contexts.literal_position_bits);
        Self {
            contexts,
            state: State::START,
            last: [0; 4],
            literals: vec![[EVEN; LITERAL]; literals],
            is_match: [[EVEN; POSITION_STATES]; STATES],
            is_repeat: [EVEN; STATES],
            is_older: [[EVEN; STATES]; 3],
            is_long: [[EVEN; POSITION_STATES]; STATES],
            slots: [[EVEN; 64]; LENGTH_STATES],
            near: [EVEN; NEAR as usize],
            align: [EVEN; 16],
            match_lengths: Lengths::new(),
            repeat_lengths: Lengths::new(),
        }
    }

    /// Begins anew, with the same contexts.
    pub(crate) fn forget(&mut self) {
        *self = Self::new(self.contexts);
    }

    /// Every decision but those of lengths has the same chance.
    #[cfg(test)]
    pub(crate) fn expect(&mut self, chance: Probability) {
        self.literals.fill([chance; LITERAL]);
        self.is_repeat = [chance; STATES];
        self.is_older = [[chance; STATES]; 3];
        self.is_long = [[chance; POSITION_STATES]; STATES];
        self.slots = [[chance; 64]; LENGTH_STATES];
        self.near = [chance; NEAR as usize];
        self.align = [chance; 16];
    }

    pub(crate) const fn position_state(&self, position: usize) -> usize {
        position & ((1 << self.contexts.position_bits) - 1)
    }

    /// Where the probabilities of the literal at `position` are, after the byte `before`.
    #[inline(always)]
    fn literal_place(&self, position: usize, before: u8) -> usize {
        let Contexts { literal_bits, literal_position_bits, .. } = self.contexts;
        let position = position & ((1 << literal_position_bits) - 1);
        (position << literal_bits) + (usize::from(before) >> (8 - literal_bits))
    }

    #[inline(always)]
    pub(crate) fn literal(&self, position: usize, before: u8) -> &[Probability; LITERAL] {
        &self.literals[self.literal_place(position, before)]
    }

    /// Encodes an operation at `position` of `data`, and learns of it.
    pub(crate) fn encode(&mut self, operation: Operation, data: &[u8], position: usize, out: &mut RangeEncoder) {
        let (state, position_state) = (self.state.index(), self.position_state(position));
        let is_literal = operation == Operation::Literal;
        out.bit(&mut self.is_match[state][position_state], u32::from(!is_literal));
        match operation {
            Operation::Literal => self.encode_literal(data, position, out),
            Operation::ShortRepeat => {
                out.bit(&mut self.is_repeat[state], 1);
                out.bit(&mut self.is_older[0][state], 0);
                out.bit(&mut self.is_long[state][position_state], 0);
            }
            Operation::Repeat { index, length } => {
                out.bit(&mut self.is_repeat[state], 1);
                out.bit(&mut self.is_older[0][state], u32::from(index > 0));
                if index == 0 {
                    out.bit(&mut self.is_long[state][position_state], 1);
                } else {
                    out.bit(&mut self.is_older[1][state], u32::from(index > 1));
                    if index > 1 {
                        out.bit(&mut self.is_older[2][state], u32::from(index > 2));
                    }
                }
                self.repeat_lengths.encode(length, position_state, out);
            }
            Operation::Match { distance, length } => {
                out.bit(&mut self.is_repeat[state], 0);
                self.match_lengths.encode(length, position_state, out);
                self.encode_distance(distance, length, out);
            }
        }
        operation.apply(&mut self.state, &mut self.last);
    }

    fn encode_literal(&mut self, data: &[u8], position: usize, out: &mut RangeEncoder) {
        let before = if position == 0 { 0 } else { data[position - 1] };
        let place = self.literal_place(position, before);
        let byte = u32::from(data[position]);
        let probabilities = &mut self.literals[place];
        if self.state.is_after_literal() {
            return out.tree(&mut probabilities[..256], byte, 8);
        }
        let mut expected = u32::from(data[position - 1 - self.last[0] as usize]);
        let (mut offset, mut symbol) = (0x100, byte | 0x100);
        while symbol < 1 << 16 {
            expected <<= 1;
            let place = offset + (expected & offset) + (symbol >> 8);
            out.bit(&mut probabilities[place as usize], (symbol >> 7) & 1);
            symbol <<= 1;
            offset &= !(expected ^ symbol);
        }
    }

    fn encode_distance(&mut self, distance: u32, length: u32, out: &mut RangeEncoder) {
        let slot = slot(distance);
        out.tree(&mut self.slots[length_state(length)], slot, 6);
        if slot >= 4 {
            let bits = (slot >> 1) - 1;
            let base = (2 | (slot & 1)) << bits;
            let rest = distance - base;
            if distance < NEAR {
                out.reverse_tree(&mut self.near[(base - slot) as usize..], rest, bits);
            } else {
                out.direct(rest >> ALIGN_BITS, bits - ALIGN_BITS);
                out.reverse_tree(&mut self.align, rest & 15, ALIGN_BITS);
            }
        }
    }
}

/// The two highest bits of a distance, and how many there are.
#[inline(always)]
pub(crate) const fn slot(distance: u32) -> u32 {
    if distance < 4 {
        distance
    } else {
        let highest = 31 - distance.leading_zeros();
        2 * highest + ((distance >> (highest - 1)) & 1)
    }
}

/// Which probabilities the slot of a distance has, by the length of its match.
#[inline(always)]
pub(crate) const fn length_state(length: u32) -> usize {
    let state = (length - SHORTEST) as usize;
    if state < LENGTH_STATES { state } else { LENGTH_STATES - 1 }
}

/// The lengths that LZMA knows.
pub(crate) const SHORTEST: u32 = 2;
pub(crate) const LONGEST: u32 = 273;
pub(crate) const STATES: usize = 12;
pub(crate) const POSITION_STATES: usize = 16;
pub(crate) const LENGTH_STATES: usize = 4;
pub(crate) const ALIGN_BITS: u32 = 4;
/// Distances below have probabilities of their own.
pub(crate) const NEAR: u32 = 128;
const LITERAL: usize = 0x300;
/// What a guess is made from.
const SAMPLE_BYTES: usize = 4 << 20;
