//! What lengths and distances cost by the model of some bytes ago.

use crate::model::{
    ALIGN_BITS, Contexts, LENGTH_STATES, LONGEST, Lengths, Model, NEAR, SHORTEST, State, length_state, slot,
};
use crate::price::{self, Price};
use crate::way::Way;

/// Prices of lengths and distances, computed anew every so many bytes.
pub(crate) struct Tariff {
    pub(crate) match_lengths: LengthPrices,
    pub(crate) repeat_lengths: LengthPrices,
    slots: [[Price; LENGTH_STATES]; 64],
    near: [[Price; LENGTH_STATES]; NEAR as usize],
    align: [Price; 16],
    /// From this position on they are too old.
    due: usize,
}

impl Tariff {
    pub(crate) fn new(contexts: Contexts) -> Self {
        Self {
            match_lengths: LengthPrices::new(contexts),
            repeat_lengths: LengthPrices::new(contexts),
            slots: [[0; LENGTH_STATES]; 64],
            near: [[0; LENGTH_STATES]; NEAR as usize],
            align: [0; 16],
            due: 0,
        }
    }

    pub(crate) fn refresh(&mut self, model: &Model, position: usize, nice: u32) {
        if position < self.due {
            return;
        }
        // Models learn fast at first.
        self.due = position + (position / 4).clamp(SOONEST, REFRESH);
        self.match_lengths.refresh(&model.match_lengths, nice);
        self.repeat_lengths.refresh(&model.repeat_lengths, nice);
        for (state, probabilities) in model.slots.iter().enumerate() {
            let prices = price::of_leaves(probabilities);
            for ((slot, of_slot), price) in (0..).zip(&mut self.slots).zip(prices) {
                let direct = if slot < 14 { 0 } else { price::of_direct((slot >> 1) - 1 - ALIGN_BITS) };
                of_slot[state] = direct + price;
            }
        }
        for (distance, prices) in (0..).zip(&mut self.near) {
            let slot = slot(distance);
            let low = if slot < 4 {
                0
            } else {
                let bits = (slot >> 1) - 1;
                let base = (2 | (slot & 1)) << bits;
                price::of_reverse_tree(&model.near[(base - slot) as usize..], distance - base, bits)
            };
            *prices = self.slots[slot as usize].map(|price| price + low);
        }
        for (low, price) in (0..).zip(&mut self.align) {
            *price = price::of_reverse_tree(&model.align, low, ALIGN_BITS);
        }
    }

    /// What a distance less one costs.
    #[inline(always)]
    pub(crate) fn distance(&self, distance: u32) -> DistancePrices<'_> {
        if distance < NEAR {
            DistancePrices { slots: &self.near[distance as usize], low: 0 }
        } else {
            DistancePrices {
                slots: &self.slots[slot(distance) as usize & 63],
                low: self.align[(distance & 15) as usize],
            }
        }
    }

    /// What it costs to say which of the last distances, after the bit that says it is one.
    #[inline(always)]
    pub(crate) fn repeat(&self, model: &Model, state: State, place: usize, index: u32) -> Price {
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

/// What a distance costs.
pub(crate) struct DistancePrices<'t> {
    slots: &'t [Price; LENGTH_STATES],
    low: Price,
}

impl DistancePrices<'_> {
    /// With a match of so many bytes.
    #[inline(always)]
    pub(crate) const fn of(&self, length: u32) -> Price {
        self.slots[length_state(length)] + self.low
    }
}

/// What all lengths add to a way, by the lowest bits of its position.
pub(crate) struct LengthPrices(Vec<[u64; (LONGEST + 1) as usize]>);

impl LengthPrices {
    fn new(contexts: Contexts) -> Self {
        Self(vec![[0; (LONGEST + 1) as usize]; 1 << contexts.position_bits])
    }

    fn refresh(&mut self, lengths: &Lengths, nice: u32) {
        let choice = |index: usize, bit| price::of_bit(lengths.choices[index], bit);
        let (low, middle, high) = (choice(0, 0), choice(0, 1) + choice(1, 0), choice(0, 1) + choice(1, 1));
        let highest = price::of_leaves(&lengths.high).map(|price| high + price);
        for (place, costs) in self.0.iter_mut().enumerate() {
            let lowest = price::of_leaves(&lengths.low[place]).map(|price| low + price);
            let middle = price::of_leaves(&lengths.middle[place]).map(|price| middle + price);
            let prices = lowest.iter().chain(&middle).chain(&highest);
            for ((length, cost), &price) in (SHORTEST..=nice).zip(&mut costs[SHORTEST as usize..]).zip(prices) {
                *cost = Way::cost(price, length);
            }
        }
    }

    /// For [`Way::and`], by length.
    #[inline(always)]
    pub(crate) fn costs(&self, place: usize) -> &[u64; (LONGEST + 1) as usize] {
        &self.0[place]
    }
}

/// After so many bytes prices are computed anew.
const REFRESH: usize = 4096;
const SOONEST: usize = 256;
