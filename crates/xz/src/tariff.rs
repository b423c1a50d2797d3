//! What lengths and distances cost by the model of some bytes ago.

use crate::model::{
    ALIGN_BITS, LENGTH_STATES, LONGEST, Lengths, Model, NEAR, POSITION_STATES, SHORTEST, State, length_state, slot,
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
    pub(crate) fn new() -> Self {
        Self {
            match_lengths: LengthPrices::new(),
            repeat_lengths: LengthPrices::new(),
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
        self.match_lengths.refresh(&model.match_lengths, model, nice);
        self.repeat_lengths.refresh(&model.repeat_lengths, model, nice);
        for (slot, prices) in (0..).zip(&mut self.slots) {
            let direct = if slot < 14 { 0 } else { price::of_direct((slot >> 1) - 1 - ALIGN_BITS) };
            for (price, probabilities) in prices.iter_mut().zip(&model.slots) {
                *price = direct + price::of_tree(probabilities, slot, 6);
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

/// What all lengths add to a way.
pub(crate) struct LengthPrices([[u64; (LONGEST + 1) as usize]; POSITION_STATES]);

impl LengthPrices {
    const fn new() -> Self {
        Self([[0; (LONGEST + 1) as usize]; POSITION_STATES])
    }

    fn refresh(&mut self, lengths: &Lengths, model: &Model, nice: u32) {
        let choice = |index: usize, bit| price::of_bit(lengths.choices[index], bit);
        for (place, costs) in self.0.iter_mut().enumerate().take(1 << model.contexts.position_bits) {
            for (length, cost) in (SHORTEST..).zip(&mut costs[SHORTEST as usize..=nice as usize]) {
                let price = match length - SHORTEST {
                    length @ 0..8 => choice(0, 0) + price::of_tree(&lengths.low[place], length, 3),
                    length @ 8..16 => {
                        choice(0, 1) + choice(1, 0) + price::of_tree(&lengths.middle[place], length - 8, 3)
                    }
                    length => choice(0, 1) + choice(1, 1) + price::of_tree(&lengths.high, length - 16, 8),
                };
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
