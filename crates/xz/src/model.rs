//! The LZMA model: the state, rep0 to rep3, and a probability for each decision.
//!
//! ```text
//! is_match[state][pos_state]
//! ├── 0   literal          literals[lp bits of the position, lc bits of the previous byte]
//! └── 1   is_rep[state]
//!         ├── 0   match    match_len, then dist_slot[dist_state], then dist_special or direct bits and dist_align
//!         └── 1   is_rep_g[0][state]
//!                 ├── 0   is_rep0_long[state][pos_state]      0: short rep    1: rep0, rep_len
//!                 └── 1   is_rep_g[1][state]                  0: rep1
//!                         └── 1   is_rep_g[2][state]          0: rep2         1: rep3
//! ```

use crate::range_encoder::{PROB_INIT, Probability, RangeEncoder};

/// The properties lc, lp and pb: which bits of context select probabilities.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Props {
    /// Literal context bits: highest bits of the byte before a literal. With `lp` at most 4.
    pub(crate) lc: u32,
    /// Literal position bits: lowest bits of a literal's position.
    pub(crate) lp: u32,
    /// Position bits: lowest bits of any position, at most 4. Machine code is aligned to four bytes, text is not.
    pub(crate) pb: u32,
}

impl Props {
    /// `None` if the format does not have these properties: `lc + lp` and `pb` are at most 4.
    pub const fn new(lc: u32, lp: u32, pb: u32) -> Option<Self> {
        if lc > 4 || lp > 4 - lc || pb > 4 {
            return None;
        }
        Some(Self { lc, lp, pb })
    }

    /// lc = 3, lp = 0, pb = 2, the defaults of xz: for data that may be aligned to four bytes.
    pub const BINARY: Self = Self { lc: 3, lp: 0, pb: 2 };
    /// lc = 4, lp = 0, pb = 0: for text and other data without alignment.
    pub const TEXT: Self = Self { lc: 4, lp: 0, pb: 0 };

    /// Properties for `data`. In machine code and tables of numbers, zeros are more frequent at some offsets modulo
    /// four.
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

    /// The byte in an LZMA2 chunk.
    pub(crate) const fn byte(self) -> u8 {
        ((self.pb * 5 + self.lp) * 9 + self.lc) as u8
    }
}

/// The kinds of the last operations, 0 to 11: below 7 after a literal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct State(u8);

impl State {
    pub(crate) const START: Self = Self(0);

    pub(crate) const fn index(self) -> usize {
        self.0 as usize
    }

    pub(crate) const fn is_literal_state(self) -> bool {
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
        Self(if self.is_literal_state() { 7 } else { 10 })
    }

    pub(crate) const fn after_rep(self) -> Self {
        Self(if self.is_literal_state() { 8 } else { 11 })
    }

    pub(crate) const fn after_short_rep(self) -> Self {
        Self(if self.is_literal_state() { 9 } else { 11 })
    }
}

/// rep0 to rep3: the last four distances, each less one, the latest first.
pub(crate) type Reps = [u32; 4];

/// What the range encoder gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operation {
    Literal,
    /// One byte at rep0.
    ShortRep,
    /// A match at rep0 to rep3.
    Rep {
        index: u32,
        length: u32,
    },
    /// A match; the distance is less one.
    Match {
        distance: u32,
        length: u32,
    },
}

impl Operation {
    pub(crate) const fn length(self) -> usize {
        match self {
            Self::Literal | Self::ShortRep => 1,
            Self::Rep { length, .. } | Self::Match { length, .. } => length as usize,
        }
    }

    /// The same operation without reps: the model that decodes it has others.
    pub(crate) const fn without_reps(self, reps: &Reps) -> Self {
        match self {
            Self::Literal | Self::ShortRep => Self::Literal,
            Self::Rep { index, length } => Self::Match { distance: reps[index as usize], length },
            Self::Match { .. } => self,
        }
    }

    /// Updates state and reps.
    pub(crate) const fn apply(self, state: &mut State, reps: &mut Reps) {
        match self {
            Self::Literal => *state = state.after_literal(),
            Self::ShortRep => *state = state.after_short_rep(),
            Self::Rep { index, .. } => {
                let distance = reps[index as usize];
                let mut place = index as usize;
                while place > 0 {
                    reps[place] = reps[place - 1];
                    place -= 1;
                }
                reps[0] = distance;
                *state = state.after_rep();
            }
            Self::Match { distance, .. } => {
                *reps = [distance, reps[0], reps[1], reps[2]];
                *state = state.after_match();
            }
        }
    }
}

/// The length coder: 2 to 9 in `low`, 10 to 17 in `mid`, 18 to 273 in `high`.
pub(crate) struct LengthCoder {
    pub(crate) choice: [Probability; 2],
    pub(crate) low: [[Probability; 8]; POS_STATES],
    pub(crate) mid: [[Probability; 8]; POS_STATES],
    pub(crate) high: [Probability; 256],
}

impl LengthCoder {
    const fn new() -> Self {
        Self {
            choice: [PROB_INIT; 2],
            low: [[PROB_INIT; 8]; POS_STATES],
            mid: [[PROB_INIT; 8]; POS_STATES],
            high: [PROB_INIT; 256],
        }
    }

    fn encode(&mut self, length: u32, pos_state: usize, out: &mut RangeEncoder) {
        let length = length - MATCH_LEN_MIN;
        out.bit(&mut self.choice[0], u32::from(length >= 8));
        if length < 8 {
            return out.bittree(&mut self.low[pos_state], length, 3);
        }
        out.bit(&mut self.choice[1], u32::from(length >= 16));
        if length < 16 {
            out.bittree(&mut self.mid[pos_state], length - 8, 3);
        } else {
            out.bittree(&mut self.high, length - 16, 8);
        }
    }
}

/// All probabilities, and the state they depend on.
pub(crate) struct Model {
    pub(crate) props: Props,
    pub(crate) state: State,
    pub(crate) reps: Reps,
    literals: Vec<[Probability; LITERAL_CODER_SIZE]>,
    pub(crate) is_match: [[Probability; POS_STATES]; STATES],
    pub(crate) is_rep: [Probability; STATES],
    /// Not rep0; not rep1; not rep2 (`IsRepG0` to `IsRepG2` of the LZMA specification).
    pub(crate) is_rep_g: [[Probability; STATES]; 3],
    pub(crate) is_rep0_long: [[Probability; POS_STATES]; STATES],
    pub(crate) dist_slot: [[Probability; 64]; DIST_STATES],
    /// The low bits of the distances below [`FULL_DISTANCES`].
    pub(crate) dist_special: [Probability; FULL_DISTANCES as usize],
    /// The four lowest bits of all others.
    pub(crate) dist_align: [Probability; 16],
    pub(crate) match_len: LengthCoder,
    pub(crate) rep_len: LengthCoder,
}

impl Model {
    pub(crate) fn new(props: Props) -> Self {
        let literals = 1 << (props.lc + props.lp);
        Self {
            props,
            state: State::START,
            reps: [0; 4],
            literals: vec![[PROB_INIT; LITERAL_CODER_SIZE]; literals],
            is_match: [[PROB_INIT; POS_STATES]; STATES],
            is_rep: [PROB_INIT; STATES],
            is_rep_g: [[PROB_INIT; STATES]; 3],
            is_rep0_long: [[PROB_INIT; POS_STATES]; STATES],
            dist_slot: [[PROB_INIT; 64]; DIST_STATES],
            dist_special: [PROB_INIT; FULL_DISTANCES as usize],
            dist_align: [PROB_INIT; 16],
            match_len: LengthCoder::new(),
            rep_len: LengthCoder::new(),
        }
    }

    /// Resets state, reps and probabilities.
    pub(crate) fn reset(&mut self) {
        *self = Self::new(self.props);
    }

    /// Sets all probabilities but those of lengths and `is_match`.
    #[cfg(test)]
    pub(crate) fn set_probabilities(&mut self, probability: Probability) {
        self.literals.fill([probability; LITERAL_CODER_SIZE]);
        self.is_rep = [probability; STATES];
        self.is_rep_g = [[probability; STATES]; 3];
        self.is_rep0_long = [[probability; POS_STATES]; STATES];
        self.dist_slot = [[probability; 64]; DIST_STATES];
        self.dist_special = [probability; FULL_DISTANCES as usize];
        self.dist_align = [probability; 16];
    }

    pub(crate) const fn pos_state(&self, position: usize) -> usize {
        position & ((1 << self.props.pb) - 1)
    }

    /// The literal coder at `position` after `prev_byte`.
    #[inline(always)]
    fn literal_coder(&self, position: usize, prev_byte: u8) -> usize {
        let Props { lc, lp, .. } = self.props;
        let position = position & ((1 << lp) - 1);
        (position << lc) + (usize::from(prev_byte) >> (8 - lc))
    }

    #[inline(always)]
    pub(crate) fn literal(&self, position: usize, prev_byte: u8) -> &[Probability; LITERAL_CODER_SIZE] {
        &self.literals[self.literal_coder(position, prev_byte)]
    }

    /// Encodes an operation at `position` of `data` and updates the model.
    pub(crate) fn encode(&mut self, operation: Operation, data: &[u8], position: usize, out: &mut RangeEncoder) {
        let (state, pos_state) = (self.state.index(), self.pos_state(position));
        let is_literal = operation == Operation::Literal;
        out.bit(&mut self.is_match[state][pos_state], u32::from(!is_literal));
        match operation {
            Operation::Literal => self.encode_literal(data, position, out),
            Operation::ShortRep => {
                out.bit(&mut self.is_rep[state], 1);
                out.bit(&mut self.is_rep_g[0][state], 0);
                out.bit(&mut self.is_rep0_long[state][pos_state], 0);
            }
            Operation::Rep { index, length } => {
                out.bit(&mut self.is_rep[state], 1);
                out.bit(&mut self.is_rep_g[0][state], u32::from(index > 0));
                if index == 0 {
                    out.bit(&mut self.is_rep0_long[state][pos_state], 1);
                } else {
                    out.bit(&mut self.is_rep_g[1][state], u32::from(index > 1));
                    if index > 1 {
                        out.bit(&mut self.is_rep_g[2][state], u32::from(index > 2));
                    }
                }
                self.rep_len.encode(length, pos_state, out);
            }
            Operation::Match { distance, length } => {
                out.bit(&mut self.is_rep[state], 0);
                self.match_len.encode(length, pos_state, out);
                self.encode_distance(distance, length, out);
            }
        }
        operation.apply(&mut self.state, &mut self.reps);
    }

    fn encode_literal(&mut self, data: &[u8], position: usize, out: &mut RangeEncoder) {
        let prev_byte = if position == 0 { 0 } else { data[position - 1] };
        let place = self.literal_coder(position, prev_byte);
        let byte = u32::from(data[position]);
        let probabilities = &mut self.literals[place];
        if self.state.is_literal_state() {
            return out.bittree(&mut probabilities[..256], byte, 8);
        }
        let mut match_byte = u32::from(data[position - 1 - self.reps[0] as usize]);
        let (mut offset, mut symbol) = (0x100, byte | 0x100);
        while symbol < 1 << 16 {
            match_byte <<= 1;
            let place = offset + (match_byte & offset) + (symbol >> 8);
            out.bit(&mut probabilities[place as usize], (symbol >> 7) & 1);
            symbol <<= 1;
            offset &= !(match_byte ^ symbol);
        }
    }

    fn encode_distance(&mut self, distance: u32, length: u32, out: &mut RangeEncoder) {
        let dist_slot = dist_slot(distance);
        out.bittree(&mut self.dist_slot[dist_state(length)], dist_slot, 6);
        if dist_slot >= 4 {
            let bits = (dist_slot >> 1) - 1;
            let base = (2 | (dist_slot & 1)) << bits;
            let rest = distance - base;
            if distance < FULL_DISTANCES {
                out.bittree_reverse(&mut self.dist_special[(base - dist_slot) as usize..], rest, bits);
            } else {
                out.direct(rest >> ALIGN_BITS, bits - ALIGN_BITS);
                out.bittree_reverse(&mut self.dist_align, rest & 15, ALIGN_BITS);
            }
        }
    }
}

/// The distance slot: the number of bits of a distance less one and its second highest bit.
#[inline(always)]
pub(crate) const fn dist_slot(distance: u32) -> u32 {
    if distance < 4 {
        distance
    } else {
        let highest = 31 - distance.leading_zeros();
        2 * highest + ((distance >> (highest - 1)) & 1)
    }
}

/// Selects the probabilities of the distance slot by the length of the match.
#[inline(always)]
pub(crate) const fn dist_state(length: u32) -> usize {
    let state = (length - MATCH_LEN_MIN) as usize;
    if state < DIST_STATES { state } else { DIST_STATES - 1 }
}

/// The shortest and the longest match of the format.
pub(crate) const MATCH_LEN_MIN: u32 = 2;
pub(crate) const MATCH_LEN_MAX: u32 = 273;
pub(crate) const STATES: usize = 12;
pub(crate) const POS_STATES: usize = 16;
pub(crate) const DIST_STATES: usize = 4;
pub(crate) const ALIGN_BITS: u32 = 4;
/// Distances less one below this have a probability for each bit.
pub(crate) const FULL_DISTANCES: u32 = 128;
const LITERAL_CODER_SIZE: usize = 0x300;
/// Bytes that [`Props::guess`] looks at.
const SAMPLE_BYTES: usize = 4 << 20;
