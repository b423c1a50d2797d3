//! How a position is reached: the last step there and what all steps cost, in one number.
//!
//! ```text
//! price    22 bits   of the whole way, so that of two ways the smaller number is the cheaper one
//! tail      7 bits   length of a repeat of the last distance, after a literal, after what follows here; 0 for none
//! choice   26 bits   which of the last distances; or a distance and 4
//! length    9 bits   0 for no operation before the tail
//! ```
//!
//! A length of one is a literal, or a short repeat if the choice is 0.

use crate::model::{Distances, LONGEST, Operation, State};
use crate::price::Price;

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Way(u64);

impl Way {
    /// Not reached.
    pub(crate) const NONE: Self = Self(u64::MAX);
    /// Where a stretch begins.
    pub(crate) const START: Self = Self(0);

    pub(crate) const fn literal(price: Price) -> Self {
        Self::repeat(price, 1, 1)
    }

    pub(crate) const fn short_repeat(price: Price) -> Self {
        Self::repeat(price, 0, 1)
    }

    pub(crate) const fn repeat(price: Price, index: u32, length: u32) -> Self {
        Self(Self::cost(price, length) | (index as u64) << LENGTH_BITS)
    }

    /// With a distance less one.
    pub(crate) const fn with_match(price: Price, distance: u32, length: u32) -> Self {
        Self(Self::cost(price, length) | (distance as u64 + REPEATS) << LENGTH_BITS)
    }

    /// What [`Self::and`] adds to a way: so much dearer and longer.
    pub(crate) const fn cost(price: Price, length: u32) -> u64 {
        (price as u64) << PRICE_PLACE | length as u64
    }

    #[inline(always)]
    pub(crate) const fn and(self, cost: u64) -> Self {
        Self(self.0 + cost)
    }

    /// The same step, or none, and a literal and `tail` bytes as the last distance has them.
    pub(crate) const fn then_literal_repeat(step: Option<Self>, price: Price, tail: u32) -> Self {
        let step = match step {
            Some(step) => step.0 & ((1 << TAIL_PLACE) - 1),
            None => 0,
        };
        Self(Self::cost(price, 0) | (tail as u64) << TAIL_PLACE | step)
    }

    pub(crate) const fn price(self) -> Price {
        (self.0 >> PRICE_PLACE) as Price
    }

    /// The bytes of the first operation.
    pub(crate) const fn length(self) -> usize {
        (self.0 & ((1 << LENGTH_BITS) - 1)) as usize
    }

    const fn tail(self) -> u32 {
        ((self.0 >> TAIL_PLACE) as u32) & LONGEST_TAIL
    }

    /// The bytes of all of the step.
    pub(crate) const fn span(self) -> usize {
        let tail = self.tail() as usize;
        self.length() + tail + (tail > 0) as usize
    }

    /// The first operation, if it is not the literal of a tail, and the length of the tail.
    #[inline(always)]
    pub(crate) fn parts(self) -> (Option<Operation>, Option<u32>) {
        let choice = (self.0 >> LENGTH_BITS) as u32 & ((1 << CHOICE_BITS) - 1);
        let first = match (self.length() as u32, choice) {
            (0, _) => None,
            (1, 0) => Some(Operation::ShortRepeat),
            (1, _) => Some(Operation::Literal),
            (length, 0..4) => Some(Operation::Repeat { index: choice, length }),
            (length, _) => Some(Operation::Match { distance: choice - REPEATS as u32, length }),
        };
        (first, Some(self.tail()).filter(|&tail| tail > 0))
    }

    #[inline(always)]
    pub(crate) fn apply(self, state: &mut State, last: &mut Distances) {
        let (first, tail) = self.parts();
        if let Some(first) = first {
            first.apply(state, last);
        }
        if tail.is_some() {
            // The repeat is of the last distance, which stays the last.
            *state = state.after_literal().after_repeat();
        }
    }
}

/// No way may cost more.
pub(crate) const DEAREST: Price = (1 << (64 - PRICE_PLACE)) - 1;
/// What a tail may have at most.
pub(crate) const LONGEST_TAIL: u32 = 127;
const LENGTH_BITS: u32 = 9;
const CHOICE_BITS: u32 = 26;
const TAIL_PLACE: u32 = LENGTH_BITS + CHOICE_BITS;
const PRICE_PLACE: u32 = TAIL_PLACE + 7;
/// Choices that are one of the last distances.
const REPEATS: u64 = 4;
// Any distance in a block is a choice, and any length is a length.
const _: () = assert!(crate::BLOCK_BYTES as u64 - 1 + REPEATS < 1 << CHOICE_BITS && LONGEST < 1 << LENGTH_BITS);
