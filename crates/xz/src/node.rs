//! A node of the optimum parser: how a position is reached. The last step and the price of the whole path, packed into
//! one number.
//!
//! ```text
//! price    22 bits   of the whole path, so that of two nodes the smaller number is the cheaper one
//! tail      7 bits   length of a rep0 match that follows a literal that follows the operation below; 0 for none
//! back     26 bits   0 to 3: rep0 to rep3; from 4 on: a distance less one, plus 4
//! length    9 bits   0 for no operation before the tail's literal
//! ```
//!
//! A length of one is a literal, or a short rep if `back` is 0. With a tail, a step is one of the combinations that the
//! LZMA SDK tries as well: literal + rep0, rep + literal + rep0, match + literal + rep0.

use crate::model::{MATCH_LEN_MAX, Operation, Reps, State};
use crate::price::Price;

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Node(u64);

impl Node {
    /// Not reached.
    pub(crate) const NONE: Self = Self(u64::MAX);
    /// The start of a segment.
    pub(crate) const START: Self = Self(0);

    pub(crate) const fn literal(price: Price) -> Self {
        Self::rep(price, 1, 1)
    }

    pub(crate) const fn short_rep(price: Price) -> Self {
        Self::rep(price, 0, 1)
    }

    pub(crate) const fn rep(price: Price, index: u32, length: u32) -> Self {
        Self(Self::cost(price, length) | (index as u64) << LENGTH_BITS)
    }

    /// `distance` is the distance less one.
    pub(crate) const fn with_match(price: Price, distance: u32, length: u32) -> Self {
        Self(Self::cost(price, length) | (distance as u64 + REPS) << LENGTH_BITS)
    }

    /// What [`Self::plus`] adds to a node: a price and a length.
    pub(crate) const fn cost(price: Price, length: u32) -> u64 {
        (price as u64) << PRICE_SHIFT | length as u64
    }

    #[inline(always)]
    pub(crate) const fn plus(self, cost: u64) -> Self {
        Self(self.0 + cost)
    }

    /// `step`, then a literal, then a rep0 match of `tail` bytes.
    pub(crate) const fn with_literal_rep0(step: Option<Self>, price: Price, tail: u32) -> Self {
        let step = match step {
            Some(step) => step.0 & ((1 << TAIL_SHIFT) - 1),
            None => 0,
        };
        Self(Self::cost(price, 0) | (tail as u64) << TAIL_SHIFT | step)
    }

    pub(crate) const fn price(self) -> Price {
        (self.0 >> PRICE_SHIFT) as Price
    }

    /// Bytes of the first operation.
    pub(crate) const fn length(self) -> usize {
        (self.0 & ((1 << LENGTH_BITS) - 1)) as usize
    }

    const fn tail(self) -> u32 {
        ((self.0 >> TAIL_SHIFT) as u32) & TAIL_MAX
    }

    /// Bytes of the whole step.
    pub(crate) const fn span(self) -> usize {
        let tail = self.tail() as usize;
        self.length() + tail + (tail > 0) as usize
    }

    /// The operation before the tail, and the length of the tail.
    #[inline(always)]
    pub(crate) fn parts(self) -> (Option<Operation>, Option<u32>) {
        let back = (self.0 >> LENGTH_BITS) as u32 & ((1 << BACK_BITS) - 1);
        let first = match (self.length() as u32, back) {
            (0, _) => None,
            (1, 0) => Some(Operation::ShortRep),
            (1, _) => Some(Operation::Literal),
            (length, 0..4) => Some(Operation::Rep { index: back, length }),
            (length, _) => Some(Operation::Match { distance: back - REPS as u32, length }),
        };
        (first, Some(self.tail()).filter(|&tail| tail > 0))
    }

    #[inline(always)]
    pub(crate) fn apply(self, state: &mut State, reps: &mut Reps) {
        let (first, tail) = self.parts();
        if let Some(first) = first {
            first.apply(state, reps);
        }
        if tail.is_some() {
            // The match of the tail is a rep0: the reps stay.
            *state = state.after_literal().after_rep();
        }
    }
}

/// The highest price that a node can hold.
pub(crate) const MAX_PRICE: Price = (1 << (64 - PRICE_SHIFT)) - 1;
/// The longest tail.
pub(crate) const TAIL_MAX: u32 = 127;
const LENGTH_BITS: u32 = 9;
const BACK_BITS: u32 = 26;
const TAIL_SHIFT: u32 = LENGTH_BITS + BACK_BITS;
const PRICE_SHIFT: u32 = TAIL_SHIFT + 7;
/// Values of `back` that are one of rep0 to rep3.
const REPS: u64 = 4;
// Every distance in a block and every length of a match fits.
const _: () = assert!(crate::BLOCK_BYTES as u64 - 1 + REPS < 1 << BACK_BITS && MATCH_LEN_MAX < 1 << LENGTH_BITS);
