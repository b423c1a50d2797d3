//! Which operations make the input smallest.
//!
//! For a stretch of positions the cheapest way to each is computed from the ways to those before it. A stretch ends where
//! all ways meet, where a match is so long that nothing beats it, or at [`STRETCH`].

use crate::find::{Finder, Match, common};
use crate::model::Lengths;
use crate::model::{
    ALIGN_BITS, Distances, LENGTH_STATES, LONGEST, Model, NEAR, Operation, POSITION_STATES, SHORTEST, State,
    length_state, slot,
};
use crate::price::{self, INFINITE, Price};

/// Plans operations stretch by stretch.
pub(crate) struct Parser {
    prices: Prices,
    nodes: Vec<Node>,
    operations: Vec<Operation>,
    nice: u32,
}

/// The cheapest known way to a position.
#[derive(Clone, Copy)]
struct Node {
    price: Price,
    from: u32,
    step: Step,
    state: State,
    last: Distances,
}

/// How a node is reached from another.
#[derive(Clone, Copy)]
enum Step {
    One(Operation),
    /// A literal, and then the last distance again.
    LiteralRepeat(u32),
    /// An operation, a literal, and then the last distance again.
    ThenLiteralRepeat(Operation, u32),
}

impl Step {
    /// The first operation, if it is not the literal, and the length that follows the literal.
    const fn parts(self) -> (Option<Operation>, Option<u32>) {
        match self {
            Self::One(operation) => (Some(operation), None),
            Self::LiteralRepeat(length) => (None, Some(length)),
            Self::ThenLiteralRepeat(operation, length) => (Some(operation), Some(length)),
        }
    }

    fn apply(self, state: &mut State, last: &mut Distances) {
        let (first, repeat) = self.parts();
        if let Some(first) = first {
            first.apply(state, last);
        }
        if let Some(length) = repeat {
            Operation::Literal.apply(state, last);
            Operation::Repeat { index: 0, length }.apply(state, last);
        }
    }
}

impl Parser {
    /// A match of `nice` bytes is taken without looking further.
    pub(crate) fn new(nice: u32) -> Self {
        let node =
            Node { price: INFINITE, from: 0, step: Step::One(Operation::Literal), state: State::START, last: [0; 4] };
        let nodes = vec![node; STRETCH + 2 * LONGEST as usize + 2];
        Self { prices: Prices::new(), nodes, operations: Vec::new(), nice }
    }

    /// The operations of the next stretch, from `start` on. `data` has the finder's padding, `length` bytes count.
    pub(crate) fn plan(
        &mut self,
        data: &[u8],
        start: usize,
        length: usize,
        model: &Model,
        finder: &mut Finder<'_>,
    ) -> &[Operation] {
        self.prices.refresh(model, start, self.nice);
        self.nodes[0] = Node { price: 0, state: model.state, last: model.last, ..self.nodes[0] };
        let mut stretch =
            Stretch { data, model, prices: &self.prices, nodes: &mut self.nodes, end: 0, nice: self.nice as usize };
        let mut at = 0;
        let long = loop {
            let position = start + at;
            stretch.settle(at);
            let matches = finder.next();
            let limit = (length - position).min(LONGEST as usize);
            let long = stretch.long(at, position, limit, matches, self.nice);
            if long.is_some() {
                break long;
            }
            stretch.extend(at, position, limit, matches);
            at += 1;
            if at == stretch.end || at == STRETCH {
                break None;
            }
        };
        self.operations.clear();
        if let Some(long) = long {
            finder.skip(long.length() - 1);
            self.operations.push(long);
        }
        while at > 0 {
            let node = &self.nodes[at];
            let (first, repeat) = node.step.parts();
            if let Some(length) = repeat {
                self.operations.extend([Operation::Repeat { index: 0, length }, Operation::Literal]);
            }
            self.operations.extend(first);
            at = node.from as usize;
        }
        self.operations.reverse();
        &self.operations
    }
}

/// A stretch that is being planned.
struct Stretch<'p> {
    data: &'p [u8],
    model: &'p Model,
    prices: &'p Prices,
    nodes: &'p mut [Node],
    /// The farthest node that was reached.
    end: usize,
    /// Longer operations have no prices.
    nice: usize,
}

impl Stretch<'_> {
    /// Works out state and distances of a node whose way is final.
    #[inline(always)]
    fn settle(&mut self, at: usize) {
        if at > 0 {
            let Node { from, step, .. } = self.nodes[at];
            let Node { mut state, mut last, .. } = self.nodes[from as usize];
            step.apply(&mut state, &mut last);
            (self.nodes[at].state, self.nodes[at].last) = (state, last);
        }
    }

    /// What is long enough to be taken at once.
    #[inline(always)]
    fn long(&self, at: usize, position: usize, limit: usize, matches: &[Match], nice: u32) -> Option<Operation> {
        let longest = matches.last().filter(|longest| longest.length >= nice);
        if limit < nice as usize {
            return None;
        }
        let mut best = None;
        for (index, &distance) in (0..).zip(&self.nodes[at].last) {
            let length = self.repeated(position, distance, limit);
            if length >= nice as usize && best.is_none_or(|(_, best)| length > best) {
                best = Some((index, length));
            }
        }
        match (best, longest) {
            (Some((index, length)), longest) if longest.is_none_or(|longest| longest.length as usize <= length + 1) => {
                Some(Operation::Repeat { index, length: length as u32 })
            }
            (_, Some(&Match { length, distance })) => Some(Operation::Match { distance, length }),
            (_, None) => None,
        }
    }

    /// How many bytes are the same at a distance less one.
    #[inline(always)]
    fn repeated(&self, position: usize, distance: u32, limit: usize) -> usize {
        let distance = distance as usize + 1;
        if distance > position || self.data[position - distance] != self.data[position] {
            return 0;
        }
        common(self.data, position - distance, position, limit)
    }

    #[inline(always)]
    fn reach(&mut self, to: usize, price: Price, from: usize, step: Step) {
        while self.end < to {
            self.end += 1;
            self.nodes[self.end].price = INFINITE;
        }
        let node = &mut self.nodes[to];
        if price < node.price {
            (node.price, node.from, node.step) = (price, from as u32, step);
        }
    }

    /// Tries everything that may follow a node.
    #[inline(always)]
    fn extend(&mut self, at: usize, position: usize, limit: usize, matches: &[Match]) {
        let Self { data, model, prices, .. } = *self;
        let Node { price, state, last, .. } = self.nodes[at];
        let place = model.position_state(position);
        let is_match = model.is_match[state.index()][place];
        let (literal, matched) = (price + price::of_bit(is_match, 0), price + price::of_bit(is_match, 1));
        let is_repeat = model.is_repeat[state.index()];
        let (fresh, repeat) = (matched + price::of_bit(is_repeat, 0), matched + price::of_bit(is_repeat, 1));

        let literal = literal + self.literal(position, state, last[0]);
        self.reach(at + 1, literal, at, Step::One(Operation::Literal));
        let is_same = position > last[0] as usize && data[position - 1 - last[0] as usize] == data[position];
        if is_same {
            let short = repeat
                + price::of_bit(model.is_older[0][state.index()], 0)
                + price::of_bit(model.is_long[state.index()][place], 0);
            self.reach(at + 1, short, at, Step::One(Operation::ShortRepeat));
        } else {
            self.repeat_after_literal(at, position, limit, literal, state.after_literal(), last[0], None);
        }
        if limit < SHORTEST as usize {
            return;
        }

        let mut shortest = SHORTEST;
        for (index, distance) in (0..).zip(last) {
            let length = self.repeated(position, distance, limit) as u32;
            if length < SHORTEST {
                continue;
            }
            let base = repeat + prices.repeat(model, state, place, index);
            self.reach(at + length as usize, INFINITE, at, Step::One(Operation::Literal));
            for length in SHORTEST..=length {
                let price = base + prices.repeat_lengths.of(length, place);
                self.reach(at + length as usize, price, at, Step::One(Operation::Repeat { index, length }));
            }
            if index == 0 {
                shortest = length + 1;
            }
            let price = base + prices.repeat_lengths.of(length, place);
            let operation = Operation::Repeat { index, length };
            self.after_match(at, position, limit, price, state.after_repeat(), distance, operation);
        }

        let Some(longest) = matches.last().map(|longest| longest.length) else { return };
        if longest < shortest {
            return;
        }
        self.reach(at + longest as usize, INFINITE, at, Step::One(Operation::Literal));
        let mut length = shortest;
        for &Match { length: until, distance } in matches {
            if until < length {
                continue;
            }
            while length <= until {
                let price = fresh + prices.match_lengths.of(length, place) + prices.distance(distance, length);
                self.reach(at + length as usize, price, at, Step::One(Operation::Match { distance, length }));
                length += 1;
            }
            let price = fresh + prices.match_lengths.of(until, place) + prices.distance(distance, until);
            let operation = Operation::Match { distance, length: until };
            self.after_match(at, position, limit, price, state.after_match(), distance, operation);
        }
    }

    /// A literal where a match ended, and the match again.
    #[inline(always)]
    #[expect(clippy::too_many_arguments, reason = "the innermost loop: what its caller knows is not computed twice")]
    fn after_match(
        &mut self,
        at: usize,
        position: usize,
        limit: usize,
        price: Price,
        state: State,
        distance: u32,
        operation: Operation,
    ) {
        let length = operation.length();
        if length + 3 > limit {
            return;
        }
        let literal = position + length;
        let before = price + price::of_bit(self.model.is_match[state.index()][self.model.position_state(literal)], 0);
        let price = before + self.literal(literal, state, distance);
        let (state, limit) = (state.after_literal(), limit - length);
        self.repeat_after_literal(at, literal, limit, price, state, distance, Some(operation));
    }

    /// The last distance again, after a literal at `position`.
    #[inline(always)]
    #[expect(clippy::too_many_arguments, reason = "the innermost loop: what its caller knows is not computed twice")]
    fn repeat_after_literal(
        &mut self,
        at: usize,
        position: usize,
        limit: usize,
        price: Price,
        state: State,
        distance: u32,
        first: Option<Operation>,
    ) {
        let next = position + 1;
        if limit < 3 || (distance as usize) >= next {
            return;
        }
        let length = self.repeated(next, distance, (limit - 1).min(self.nice)) as u32;
        if length < SHORTEST {
            return;
        }
        let place = self.model.position_state(next);
        let price = price
            + price::of_bit(self.model.is_match[state.index()][place], 1)
            + price::of_bit(self.model.is_repeat[state.index()], 1)
            + self.prices.repeat(self.model, state, place, 0)
            + self.prices.repeat_lengths.of(length, place);
        let (before, step) = match first {
            None => (0, Step::LiteralRepeat(length)),
            Some(operation) => (operation.length(), Step::ThenLiteralRepeat(operation, length)),
        };
        self.reach(at + before + 1 + length as usize, price, at, step);
    }

    /// What the byte at `position` costs after the bit that says it is a literal.
    #[inline(always)]
    fn literal(&self, position: usize, state: State, distance: u32) -> Price {
        let before = if position == 0 { 0 } else { self.data[position - 1] };
        let probabilities = self.model.literal(position, before);
        let byte = u32::from(self.data[position]);
        if state.is_after_literal() {
            return price::of_tree(probabilities, byte, 8);
        }
        let mut expected = u32::from(self.data[position - 1 - distance as usize]);
        let (mut offset, mut symbol, mut price) = (0x100, byte | 0x100, 0);
        while symbol < 1 << 16 {
            expected <<= 1;
            let place = offset + (expected & offset) + (symbol >> 8);
            price += price::of_bit(probabilities[place as usize], (symbol >> 7) & 1);
            symbol <<= 1;
            offset &= !(expected ^ symbol);
        }
        price
    }
}

/// Prices of lengths and distances, computed anew every so many bytes.
struct Prices {
    match_lengths: LengthPrices,
    repeat_lengths: LengthPrices,
    slots: [[Price; 64]; LENGTH_STATES],
    near: [[Price; NEAR as usize]; LENGTH_STATES],
    align: [Price; 16],
    /// From this position on they are too old.
    due: usize,
}

impl Prices {
    fn new() -> Self {
        Self {
            match_lengths: LengthPrices::new(),
            repeat_lengths: LengthPrices::new(),
            slots: [[0; 64]; LENGTH_STATES],
            near: [[0; NEAR as usize]; LENGTH_STATES],
            align: [0; 16],
            due: 0,
        }
    }

    fn refresh(&mut self, model: &Model, position: usize, nice: u32) {
        if position < self.due {
            return;
        }
        // Models learn fast at first.
        self.due = position + (position / 4).clamp(SOONEST, REFRESH);
        self.match_lengths.refresh(&model.match_lengths, model, nice);
        self.repeat_lengths.refresh(&model.repeat_lengths, model, nice);
        for (prices, probabilities) in self.slots.iter_mut().zip(&model.slots) {
            for (slot, price) in (0..).zip(prices) {
                *price = price::of_tree(probabilities, slot, 6);
                if slot >= 14 {
                    *price += price::of_direct((slot >> 1) - 1 - ALIGN_BITS);
                }
            }
        }
        for distance in 0..NEAR {
            let slot = slot(distance);
            let low = if slot < 4 {
                0
            } else {
                let bits = (slot >> 1) - 1;
                let base = (2 | (slot & 1)) << bits;
                price::of_reverse_tree(&model.near[(base - slot) as usize..], distance - base, bits)
            };
            for (prices, slots) in self.near.iter_mut().zip(&self.slots) {
                prices[distance as usize] = slots[slot as usize] + low;
            }
        }
        for (low, price) in (0..).zip(&mut self.align) {
            *price = price::of_reverse_tree(&model.align, low, ALIGN_BITS);
        }
    }

    #[inline(always)]
    fn distance(&self, distance: u32, length: u32) -> Price {
        let state = length_state(length);
        if distance < NEAR {
            self.near[state][distance as usize]
        } else {
            self.slots[state][slot(distance) as usize] + self.align[(distance & 15) as usize]
        }
    }

    /// What it costs to say which of the last distances, after the bit that says it is one.
    #[inline(always)]
    fn repeat(&self, model: &Model, state: State, place: usize, index: u32) -> Price {
        let state = state.index();
        let older = |step: usize, bit| price::of_bit(model.is_older[step][state], bit);
        match index {
            0 => older(0, 0) + price::of_bit(model.is_long[state][place], 1),
            1 => older(0, 1) + older(1, 0),
            2 => older(0, 1) + older(1, 1) + older(2, 0),
            _ => older(0, 1) + older(1, 1) + older(2, 1),
        }
    }
}

/// Prices of all lengths.
struct LengthPrices([[Price; (LONGEST + 1) as usize]; POSITION_STATES]);

impl LengthPrices {
    const fn new() -> Self {
        Self([[0; (LONGEST + 1) as usize]; POSITION_STATES])
    }

    fn refresh(&mut self, lengths: &Lengths, model: &Model, nice: u32) {
        let choice = |index: usize, bit| price::of_bit(lengths.choices[index], bit);
        for (place, prices) in self.0.iter_mut().enumerate().take(1 << model.contexts.position_bits) {
            for (length, price) in (0..).zip(&mut prices[SHORTEST as usize..=nice as usize]) {
                *price = match length {
                    0..8 => choice(0, 0) + price::of_tree(&lengths.low[place], length, 3),
                    8..16 => choice(0, 1) + choice(1, 0) + price::of_tree(&lengths.middle[place], length - 8, 3),
                    _ => choice(0, 1) + choice(1, 1) + price::of_tree(&lengths.high, length - 16, 8),
                };
            }
        }
    }

    #[inline(always)]
    fn of(&self, length: u32, place: usize) -> Price {
        self.0[place][length as usize]
    }
}

/// How far a stretch goes at most.
const STRETCH: usize = 4096;
/// After so many bytes prices are computed anew.
const REFRESH: usize = 4096;
const SOONEST: usize = 256;
