//! Which operations make the input smallest.
//!
//! For a stretch of positions the cheapest way to each is computed from the ways to those before it. A stretch ends where
//! all ways meet, where a match is so long that nothing beats it, or at [`STRETCH`].

use crate::find::{Finder, Match, common};
use crate::model::{Contexts, Distances, LENGTH_STATES, LONGEST, Model, Operation, SHORTEST, State};
use crate::price::{self, Price};
use crate::tariff::Tariff;
use crate::way::{self, LONGEST_TAIL, Way};

/// Plans operations stretch by stretch.
pub(crate) struct Parser {
    tariff: Tariff,
    /// The cheapest known way to each position of the stretch.
    ways: Vec<Way>,
    /// Beyond are no ways.
    end: usize,
    /// State and last distances at each position whose way is final.
    settled: Vec<(State, Distances)>,
    operations: Vec<Operation>,
    nice: u32,
}

impl Parser {
    /// A match of `nice` bytes is taken without looking further.
    pub(crate) fn new(nice: u32, contexts: Contexts) -> Self {
        Self {
            tariff: Tariff::new(contexts),
            ways: vec![Way::NONE; STRETCH + 2 * LONGEST as usize + 2],
            end: 0,
            settled: vec![(State::START, [0; 4]); STRETCH + 1],
            operations: Vec::new(),
            nice,
        }
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
        let Self { tariff, ways, settled, operations, nice, .. } = self;
        tariff.refresh(model, start, *nice);
        ways[..=self.end].fill(Way::NONE);
        ways[0] = Way::START;
        settled[0] = (model.state, model.last);
        let mut stretch = Stretch { data, model, tariff, ways, end: 0, nice: *nice as usize };
        let mut at = 0;
        let long = loop {
            let position = start + at;
            if at > 0 {
                let way = stretch.ways[at];
                let (mut state, mut last) = settled[at - way.span()];
                way.apply(&mut state, &mut last);
                settled[at] = (state, last);
            }
            let (state, last) = settled[at];
            let matches = finder.next();
            let limit = (length - position).min(LONGEST as usize);
            let mut repeats = [0; 4];
            for (repeat, &distance) in repeats.iter_mut().zip(&last) {
                *repeat = stretch.repeated(position, distance, limit) as u32;
            }
            let long = stretch.long(limit, &repeats, matches);
            if long.is_some() {
                break long;
            }
            stretch.extend(at, position, limit, state, &last, &repeats, matches);
            at += 1;
            if at == stretch.end || at == STRETCH {
                break None;
            }
        };
        self.end = stretch.end;
        operations.clear();
        if let Some(long) = long {
            finder.skip(long.length() - 1);
            operations.push(long);
        }
        while at > 0 {
            let way = ways[at];
            let (first, tail) = way.parts();
            if let Some(length) = tail {
                operations.extend([Operation::Repeat { index: 0, length }, Operation::Literal]);
            }
            operations.extend(first);
            at -= way.span();
        }
        operations.reverse();
        operations
    }
}

/// A stretch that is being planned.
struct Stretch<'p> {
    data: &'p [u8],
    model: &'p Model,
    tariff: &'p Tariff,
    ways: &'p mut [Way],
    /// The farthest position that was reached.
    end: usize,
    /// Longer operations have no prices.
    nice: usize,
}

impl Stretch<'_> {
    /// What is long enough to be taken at once.
    #[inline(always)]
    fn long(&self, limit: usize, repeats: &[u32; 4], matches: &[Match]) -> Option<Operation> {
        let nice = self.nice as u32;
        if limit < self.nice {
            return None;
        }
        let longest = matches.last().filter(|longest| longest.length >= nice);
        if longest.is_none() && repeats.iter().all(|&length| length < nice) {
            return None;
        }
        let mut best = None;
        for (index, &length) in (0..).zip(repeats) {
            if length >= nice && best.is_none_or(|(_, best)| length > best) {
                best = Some((index, length));
            }
        }
        match (best, longest) {
            (Some((index, length)), longest) if longest.is_none_or(|longest| longest.length <= length + 1) => {
                Some(Operation::Repeat { index, length })
            }
            (_, Some(&Match { length, distance })) => Some(Operation::Match { distance, length }),
            (_, None) => None,
        }
    }

    /// How many bytes are the same at a distance less one; 0 for less than two.
    #[inline(always)]
    fn repeated(&self, position: usize, distance: u32, limit: usize) -> usize {
        let distance = distance as usize + 1;
        if distance > position || !self.begins(position, distance) || limit < SHORTEST as usize {
            return 0;
        }
        common(self.data, position - distance, position, limit)
    }

    /// If the next two bytes are the same.
    #[inline(always)]
    fn begins(&self, position: usize, distance: usize) -> bool {
        let (now, before) = (&self.data[position..position + 2], &self.data[position - distance..]);
        now == &before[..2]
    }

    #[inline(always)]
    fn reach(&mut self, to: usize, way: Way) {
        self.ways[to] = self.ways[to].min(way);
    }

    /// Tries everything that may follow a position.
    #[inline(always)]
    #[expect(clippy::too_many_arguments, reason = "the innermost loop: what its caller knows is not computed twice")]
    fn extend(
        &mut self,
        at: usize,
        position: usize,
        limit: usize,
        state: State,
        last: &Distances,
        repeats: &[u32; 4],
        matches: &[Match],
    ) {
        let Self { data, model, tariff, .. } = *self;
        let price = self.ways[at].price();
        let place = model.position_state(position);
        let is_match = model.is_match[state.index()][place];
        let (literal, matched) = (price + price::of_bit(is_match, 0), price + price::of_bit(is_match, 1));
        let is_repeat = model.is_repeat[state.index()];
        let (fresh, repeat) = (matched + price::of_bit(is_repeat, 0), matched + price::of_bit(is_repeat, 1));

        self.end = self.end.max(at + 1);
        let is_same = position > last[0] as usize && data[position - 1 - last[0] as usize] == data[position];
        // Inside a match what is known costs less than a literal does before its first bit.
        if !is_same || literal <= self.ways[at + 1].price() {
            let literal = literal + self.literal(position, state, last[0]);
            self.reach(at + 1, Way::literal(literal));
            if !is_same && let Some(tail) = self.tail(position, limit, last[0]) {
                self.reach_tail(at, None, position, literal, state.after_literal(), tail);
            }
        }
        if is_same {
            let short = repeat
                + price::of_bit(model.is_older[0][state.index()], 0)
                + price::of_bit(model.is_long[state.index()][place], 0);
            self.reach(at + 1, Way::short_repeat(short));
        }
        if limit < SHORTEST as usize {
            return;
        }

        let mut shortest = SHORTEST as usize;
        let costs = tariff.repeat_lengths.costs(place);
        for ((index, &distance), &length) in (0..).zip(last).zip(repeats) {
            if length < SHORTEST {
                continue;
            }
            let length = length as usize;
            self.end = self.end.max(at + length);
            let base = Way::repeat(repeat + tariff.repeat(model, state, place, index), index, 0);
            let lengths = SHORTEST as usize..=length;
            for (shorter, &cost) in lengths.clone().zip(&costs[lengths]) {
                self.reach(at + shorter, base.and(cost));
            }
            if index == 0 {
                shortest = length + 1;
            }
            self.after_match(at, position, limit, base.and(costs[length]), state.after_repeat(), distance);
        }

        let Some(longest) = matches.last().map(|longest| longest.length as usize) else { return };
        if longest < shortest {
            return;
        }
        self.end = self.end.max(at + longest);
        let costs = tariff.match_lengths.costs(place);
        let mut length = shortest;
        for &Match { length: until, distance } in matches {
            let until = until as usize;
            if until < length {
                continue;
            }
            let step = Way::with_match(fresh, distance, 0);
            let prices = tariff.distance(distance);
            while length < until.min(FARTHER as usize) {
                self.reach(at + length, step.and(costs[length]).and(Way::cost(prices.of(length as u32), 0)));
                length += 1;
            }
            // Of all longer ones the distance costs the same.
            let step = step.and(Way::cost(prices.of(length as u32), 0));
            while length <= until {
                self.reach(at + length, step.and(costs[length]));
                length += 1;
            }
            self.after_match(at, position, limit, step.and(costs[until]), state.after_match(), distance);
        }
    }

    /// A literal where a match ended, and the match again.
    #[inline(always)]
    fn after_match(&mut self, at: usize, position: usize, limit: usize, way: Way, state: State, distance: u32) {
        let length = way.length();
        let (position, limit) = (position + length, limit - length);
        if let Some(tail) = self.tail(position, limit, distance) {
            let is_match = self.model.is_match[state.index()][self.model.position_state(position)];
            let price = way.price() + price::of_bit(is_match, 0) + self.literal(position, state, distance);
            self.reach_tail(at, Some(way), position, price, state.after_literal(), tail);
        }
    }

    /// How long the last distance serves again, after a literal at `position`.
    #[inline(always)]
    fn tail(&self, position: usize, limit: usize, distance: u32) -> Option<u32> {
        if limit < 3 {
            return None;
        }
        let limit = (limit - 1).min(self.nice).min(LONGEST_TAIL as usize);
        Some(self.repeated(position + 1, distance, limit) as u32).filter(|&tail| tail > 0)
    }

    /// The last distance again, after a literal at `position`.
    #[inline(always)]
    fn reach_tail(&mut self, at: usize, step: Option<Way>, position: usize, price: Price, state: State, tail: u32) {
        let place = self.model.position_state(position + 1);
        let price = price
            + price::of_bit(self.model.is_match[state.index()][place], 1)
            + price::of_bit(self.model.is_repeat[state.index()], 1)
            + self.tariff.repeat(self.model, state, place, 0);
        let costs = self.tariff.repeat_lengths.costs(place);
        let price = Way::literal(price).and(costs[tail as usize]).price();
        let way = Way::then_literal_repeat(step, price, tail);
        let to = at + way.span();
        self.end = self.end.max(to);
        self.reach(to, way);
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
        for _ in 0..8 {
            expected <<= 1;
            let place = offset + (expected & offset) + (symbol >> 8);
            price += price::of_bit(probabilities[place as usize], (symbol >> 7) & 1);
            symbol <<= 1;
            offset &= !(expected ^ symbol);
        }
        price
    }
}

/// How far a stretch goes at most.
const STRETCH: usize = 2048;
/// A literal is so many bits: that it is one, and its own.
const LITERAL_BITS: Price = 1 + 8;
/// A match has no more: what it is, its length, the slot of its distance, and what of the distance has probabilities.
const MATCH_BITS: Price = (1 + 4) + (2 + 8) + 6 + 5;
// To each position there are literals alone; the last step from there is a match at the worst, a literal and a repeat.
const _: () = assert!(
    STRETCH as Price * LITERAL_BITS * price::DEAREST
        + (MATCH_BITS + LITERAL_BITS + MATCH_BITS) * price::DEAREST
        + price::of_direct(u32::BITS)
        < way::DEAREST
);
/// The slots of distances have the same probabilities for all lengths from this one on.
const FARTHER: u32 = SHORTEST + LENGTH_STATES as u32 - 1;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::find::{PADDING, Tables};
    use crate::model::{POSITION_STATES, STATES};

    /// The dearest known way of a stretch in the last third of `data`.
    fn dearest(data: &[u8], model: &Model) -> Price {
        let length = data.len() - PADDING;
        let mut tables = Tables::new(length);
        let mut finder = Finder::new(data, 1 << 16, &mut tables);
        finder.skip(length / 3 * 2 + 1);
        let mut parser = Parser::new(LONGEST, model.contexts);
        parser.plan(data, length / 3 * 2 + 1, length, model, &mut finder);
        parser.ways.iter().filter(|&&way| way != Way::NONE).map(|way| way.price()).max().expect("a stretch has ways")
    }

    /// Noise in which short matches overlap, so that the stretch goes on, and a model that is sure of the contrary: zeros,
    /// or ones, wherever it may be sure.
    #[test]
    fn prices_of_the_worst_inputs_and_models_fit() {
        let mut seed = 1u32;
        let next = std::iter::repeat_with(|| {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (seed >> 24) as u8
        });
        let noise: Vec<u8> = next.take(2 * STRETCH).collect();
        // Every fourth byte differs, not the same ones.
        let other = |from: usize| {
            let differ = noise.iter().enumerate().map(move |(place, byte)| byte ^ (u8::from(place % 4 == from) << 7));
            differ.collect::<Vec<u8>>()
        };
        let data = [&other(0)[..], &other(2), &noise, &[0; PADDING]].concat();
        let mut most = 0;
        for contexts in [Contexts::BINARY, Contexts::TEXT] {
            for (is_match, others) in [(31, 31), (31, 2017), (2017, 31), (2017, 2017)] {
                let mut model = Model::new(contexts);
                model.expect(others);
                model.is_match = [[is_match; POSITION_STATES]; STATES];
                most = most.max(dearest(&data, &model));
            }
        }
        assert!(most > STRETCH as Price * price::DEAREST && most < way::DEAREST, "{most}");
    }
}
