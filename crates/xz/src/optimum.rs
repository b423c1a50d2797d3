//! The optimum parser: the cheapest sequence of operations, as in the normal mode of xz.
//!
//! ```text
//! position      start   +1    +2    +3    +4   …          end of the segment
//! node            0 ──┬── literal ──▶ 1
//!                     ├── match of 2, 3, 4 ──▶ 2, 3, 4    each position keeps the node with the lowest price
//!                     └── match + literal + rep0 ──▶ …
//! ```
//!
//! A segment is planned forwards, position by position, and read backwards from its end. It ends where all paths meet,
//! where a match has at least `nice_length` bytes, or after [`SEGMENT`] positions.

use crate::match_finder::{Match, MatchFinder, match_length};
use crate::model::{DIST_STATES, MATCH_LEN_MAX, MATCH_LEN_MIN, Model, Operation, Props, Reps, State};
use crate::node::{self, Node, TAIL_MAX};
use crate::price::{self, Price};
use crate::price_table::PriceTable;

/// Plans operations, segment by segment.
pub(crate) struct Parser {
    prices: PriceTable,
    /// The cheapest known node of each position of the segment.
    nodes: Vec<Node>,
    /// No position beyond was reached.
    end: usize,
    /// State and reps at each position whose node is final.
    states: Vec<(State, Reps)>,
    operations: Vec<Operation>,
    nice_length: u32,
}

impl Parser {
    /// A match of `nice_length` bytes is taken without looking further.
    pub(crate) fn new(nice_length: u32, props: Props) -> Self {
        Self {
            prices: PriceTable::new(props),
            nodes: vec![Node::NONE; SEGMENT + 2 * MATCH_LEN_MAX as usize + 2],
            end: 0,
            states: vec![(State::START, [0; 4]); SEGMENT + 1],
            operations: Vec::new(),
            nice_length,
        }
    }

    /// The operations of the next segment, from `start` on. `data` has `length` bytes and the padding of the match
    /// finder.
    pub(crate) fn plan(
        &mut self,
        data: &[u8],
        start: usize,
        length: usize,
        model: &Model,
        match_finder: &mut MatchFinder<'_>,
    ) -> &[Operation] {
        let Self { prices, nodes, states, operations, nice_length, .. } = self;
        prices.update(model, start, *nice_length);
        nodes[..=self.end].fill(Node::NONE);
        nodes[0] = Node::START;
        states[0] = (model.state, model.reps);
        let mut segment = Segment { data, model, prices, nodes, end: 0, nice_length: *nice_length as usize };
        let mut at = 0;
        let long = loop {
            let position = start + at;
            if at > 0 {
                let node = segment.nodes[at];
                let (mut state, mut reps) = states[at - node.span()];
                node.apply(&mut state, &mut reps);
                states[at] = (state, reps);
            }
            let (state, reps) = states[at];
            let matches = match_finder.find();
            let limit = (length - position).min(MATCH_LEN_MAX as usize);
            let mut rep_lengths = [0; 4];
            for (rep_length, &distance) in rep_lengths.iter_mut().zip(&reps) {
                *rep_length = segment.rep_length(position, distance, limit) as u32;
            }
            let long = segment.long(limit, &rep_lengths, matches);
            if long.is_some() {
                break long;
            }
            segment.extend(at, position, limit, state, &reps, &rep_lengths, matches);
            at += 1;
            if at == segment.end || at == SEGMENT {
                break None;
            }
        };
        self.end = segment.end;
        operations.clear();
        if let Some(long) = long {
            match_finder.skip(long.length() - 1);
            operations.push(long);
        }
        while at > 0 {
            let node = nodes[at];
            let (first, tail) = node.parts();
            if let Some(length) = tail {
                operations.extend([Operation::Rep { index: 0, length }, Operation::Literal]);
            }
            operations.extend(first);
            at -= node.span();
        }
        operations.reverse();
        operations
    }
}

/// The segment that is being planned.
struct Segment<'p> {
    data: &'p [u8],
    model: &'p Model,
    prices: &'p PriceTable,
    nodes: &'p mut [Node],
    /// The farthest reached position.
    end: usize,
    /// Longer operations have no prices: [`Self::long`] takes them.
    nice_length: usize,
}

impl Segment<'_> {
    /// A rep or match of at least `nice_length` bytes; a rep if it is at most one byte shorter.
    #[inline(always)]
    fn long(&self, limit: usize, rep_lengths: &[u32; 4], matches: &[Match]) -> Option<Operation> {
        let nice_length = self.nice_length as u32;
        if limit < self.nice_length {
            return None;
        }
        let longest = matches.last().filter(|longest| longest.length >= nice_length);
        if longest.is_none() && rep_lengths.iter().all(|&length| length < nice_length) {
            return None;
        }
        let mut best = None;
        for (index, &length) in (0..).zip(rep_lengths) {
            if length >= nice_length && best.is_none_or(|(_, best)| length > best) {
                best = Some((index, length));
            }
        }
        match (best, longest) {
            (Some((index, length)), longest) if longest.is_none_or(|longest| longest.length <= length + 1) => {
                Some(Operation::Rep { index, length })
            }
            (_, Some(&Match { length, distance })) => Some(Operation::Match { distance, length }),
            (_, None) => None,
        }
    }

    /// Number of equal bytes at a distance less one, up to `limit`; 0 for fewer than two.
    #[inline(always)]
    fn rep_length(&self, position: usize, distance: u32, limit: usize) -> usize {
        let distance = distance as usize + 1;
        if distance > position || !self.begins(position, distance) || limit < MATCH_LEN_MIN as usize {
            return 0;
        }
        match_length(self.data, position - distance, position, limit)
    }

    /// True if the next two bytes are equal.
    #[inline(always)]
    fn begins(&self, position: usize, distance: usize) -> bool {
        let (now, prev_byte) = (&self.data[position..position + 2], &self.data[position - distance..]);
        now == &prev_byte[..2]
    }

    #[inline(always)]
    fn reach(&mut self, to: usize, node: Node) {
        self.nodes[to] = self.nodes[to].min(node);
    }

    /// Reaches all positions that one operation, or one with a tail, reaches from `at`.
    #[inline(always)]
    #[expect(clippy::too_many_arguments, reason = "the innermost loop: what its caller knows is not computed twice")]
    fn extend(
        &mut self,
        at: usize,
        position: usize,
        limit: usize,
        state: State,
        reps: &Reps,
        rep_lengths: &[u32; 4],
        matches: &[Match],
    ) {
        let Self { data, model, prices, .. } = *self;
        let price = self.nodes[at].price();
        let pos_state = model.pos_state(position);
        let is_match = model.is_match[state.index()][pos_state];
        let (literal, matched) = (price + price::of_bit(is_match, 0), price + price::of_bit(is_match, 1));
        let is_rep = model.is_rep[state.index()];
        let (normal_match, rep) = (matched + price::of_bit(is_rep, 0), matched + price::of_bit(is_rep, 1));

        self.end = self.end.max(at + 1);
        let is_same = position > reps[0] as usize && data[position - 1 - reps[0] as usize] == data[position];
        // Inside a match the known node is often cheaper than a literal before its first bit.
        if !is_same || literal <= self.nodes[at + 1].price() {
            let literal = literal + self.literal(position, state, reps[0]);
            self.reach(at + 1, Node::literal(literal));
            if !is_same && let Some(tail) = self.tail(position, limit, reps[0]) {
                self.reach_tail(at, None, position, literal, state.after_literal(), tail);
            }
        }
        if is_same {
            let short = rep
                + price::of_bit(model.is_rep_g[0][state.index()], 0)
                + price::of_bit(model.is_rep0_long[state.index()][pos_state], 0);
            self.reach(at + 1, Node::short_rep(short));
        }
        if limit < MATCH_LEN_MIN as usize {
            return;
        }

        let mut shortest = MATCH_LEN_MIN as usize;
        let costs = prices.rep_len.costs(pos_state);
        for ((index, &distance), &length) in (0..).zip(reps).zip(rep_lengths) {
            if length < MATCH_LEN_MIN {
                continue;
            }
            let length = length as usize;
            self.end = self.end.max(at + length);
            let base = Node::rep(rep + prices.rep(model, state, pos_state, index), index, 0);
            let lengths = MATCH_LEN_MIN as usize..=length;
            for (shorter, &cost) in lengths.clone().zip(&costs[lengths]) {
                self.reach(at + shorter, base.plus(cost));
            }
            if index == 0 {
                shortest = length + 1;
            }
            self.after_match(at, position, limit, base.plus(costs[length]), state.after_rep(), distance);
        }

        let Some(longest) = matches.last().map(|longest| longest.length as usize) else { return };
        if longest < shortest {
            return;
        }
        self.end = self.end.max(at + longest);
        let costs = prices.match_len.costs(pos_state);
        let mut length = shortest;
        for &Match { length: until, distance } in matches {
            let until = until as usize;
            if until < length {
                continue;
            }
            let step = Node::with_match(normal_match, distance, 0);
            let prices = prices.distance(distance);
            while length < until.min(DIST_STATE_LAST_LENGTH as usize) {
                self.reach(at + length, step.plus(costs[length]).plus(Node::cost(prices.of(length as u32), 0)));
                length += 1;
            }
            // The price of the distance is the same for all longer lengths.
            let step = step.plus(Node::cost(prices.of(length as u32), 0));
            while length <= until {
                self.reach(at + length, step.plus(costs[length]));
                length += 1;
            }
            self.after_match(at, position, limit, step.plus(costs[until]), state.after_match(), distance);
        }
    }

    /// The tail of a match: a literal, then the same distance as rep0.
    #[inline(always)]
    fn after_match(&mut self, at: usize, position: usize, limit: usize, node: Node, state: State, distance: u32) {
        let length = node.length();
        let (position, limit) = (position + length, limit - length);
        if let Some(tail) = self.tail(position, limit, distance) {
            let is_match = self.model.is_match[state.index()][self.model.pos_state(position)];
            let price = node.price() + price::of_bit(is_match, 0) + self.literal(position, state, distance);
            self.reach_tail(at, Some(node), position, price, state.after_literal(), tail);
        }
    }

    /// The length of a rep0 match after a literal at `position`.
    #[inline(always)]
    fn tail(&self, position: usize, limit: usize, distance: u32) -> Option<u32> {
        if limit < 3 {
            return None;
        }
        let limit = (limit - 1).min(self.nice_length).min(TAIL_MAX as usize);
        Some(self.rep_length(position + 1, distance, limit) as u32).filter(|&tail| tail > 0)
    }

    /// Reaches the end of a tail: `step`, a literal at `position`, a rep0 match of `tail` bytes.
    #[inline(always)]
    fn reach_tail(&mut self, at: usize, step: Option<Node>, position: usize, price: Price, state: State, tail: u32) {
        let pos_state = self.model.pos_state(position + 1);
        let price = price
            + price::of_bit(self.model.is_match[state.index()][pos_state], 1)
            + price::of_bit(self.model.is_rep[state.index()], 1)
            + self.prices.rep(self.model, state, pos_state, 0);
        let costs = self.prices.rep_len.costs(pos_state);
        let price = Node::literal(price).plus(costs[tail as usize]).price();
        let node = Node::with_literal_rep0(step, price, tail);
        let to = at + node.span();
        self.end = self.end.max(to);
        self.reach(to, node);
    }

    /// The price of the literal at `position`, after the bit for `is_match`.
    #[inline(always)]
    fn literal(&self, position: usize, state: State, distance: u32) -> Price {
        let prev_byte = if position == 0 { 0 } else { self.data[position - 1] };
        let probabilities = self.model.literal(position, prev_byte);
        let byte = u32::from(self.data[position]);
        if state.is_literal_state() {
            return price::of_bittree(probabilities, byte, 8);
        }
        let mut match_byte = u32::from(self.data[position - 1 - distance as usize]);
        let (mut offset, mut symbol, mut price) = (0x100, byte | 0x100, 0);
        for _ in 0..8 {
            match_byte <<= 1;
            let pos_state = offset + (match_byte & offset) + (symbol >> 8);
            price += price::of_bit(probabilities[pos_state as usize], (symbol >> 7) & 1);
            symbol <<= 1;
            offset &= !(match_byte ^ symbol);
        }
        price
    }
}

/// Most positions of a segment (xz: `OPTS`).
const SEGMENT: usize = 2048;
/// Bits of a literal: `is_match` and its eight.
const LITERAL_BITS: Price = 1 + 8;
/// Most bits of a match: which kind, its length, its distance slot, and the bits of its distance that have
/// probabilities.
const MATCH_BITS: Price = (1 + 4) + (2 + 8) + 6 + 5;
// Literals alone reach every position; the last step is at worst a match, a literal and a rep0.
const _: () = assert!(
    SEGMENT as Price * LITERAL_BITS * price::MAX_PRICE
        + (MATCH_BITS + LITERAL_BITS + MATCH_BITS) * price::MAX_PRICE
        + price::of_direct(u32::BITS)
        < node::MAX_PRICE
);
/// From this length on, all matches have the same `dist_state`.
const DIST_STATE_LAST_LENGTH: u32 = MATCH_LEN_MIN + DIST_STATES as u32 - 1;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::match_finder::{PADDING, Tables};
    use crate::model::{POS_STATES, STATES};

    /// The highest price of a node in a segment in the last third of `data`.
    fn highest_price(data: &[u8], model: &Model) -> Price {
        let length = data.len() - PADDING;
        let mut tables = Tables::new(length);
        let mut match_finder = MatchFinder::new(data, 1 << 16, &mut tables);
        match_finder.skip(length / 3 * 2 + 1);
        let mut parser = Parser::new(MATCH_LEN_MAX, model.props);
        parser.plan(data, length / 3 * 2 + 1, length, model, &mut match_finder);
        parser
            .nodes
            .iter()
            .filter(|&&node| node != Node::NONE)
            .map(|node| node.price())
            .max()
            .expect("a segment has nodes")
    }

    /// Noise in which short matches overlap, so that the segment goes on, and a model that expects the opposite of each
    /// bit.
    #[test]
    fn prices_of_the_worst_inputs_and_models_fit() {
        let mut seed = 1u32;
        let next = std::iter::repeat_with(|| {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (seed >> 24) as u8
        });
        let noise: Vec<u8> = next.take(2 * SEGMENT).collect();
        // Every fourth byte differs; which ones depends on `from`.
        let other = |from: usize| {
            let differ =
                noise.iter().enumerate().map(move |(pos_state, byte)| byte ^ (u8::from(pos_state % 4 == from) << 7));
            differ.collect::<Vec<u8>>()
        };
        let data = [&other(0)[..], &other(2), &noise, &[0; PADDING]].concat();
        let mut most = 0;
        for props in [Props::BINARY, Props::TEXT] {
            for (is_match, others) in [(31, 31), (31, 2017), (2017, 31), (2017, 2017)] {
                let mut model = Model::new(props);
                model.set_probabilities(others);
                model.is_match = [[is_match; POS_STATES]; STATES];
                most = most.max(highest_price(&data, &model));
            }
        }
        assert!(most > SEGMENT as Price * price::MAX_PRICE && most < node::MAX_PRICE, "{most}");
    }
}
