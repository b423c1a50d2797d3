//! The price table: prices of all lengths and distances under the model of some bytes ago.
//!
//! The optimum parser asks for millions of prices, and the model changes slowly, so they are computed at intervals and
//! not for each question (in the LZMA SDK: `FillDistancesPrices`, `LenPriceEnc_UpdateTables`).

use crate::model::{
    ALIGN_BITS, DIST_STATES, FULL_DISTANCES, LengthCoder, MATCH_LEN_MAX, MATCH_LEN_MIN, Model, Props, State, dist_slot,
    dist_state,
};
use crate::node::Node;
use crate::price::{self, Price};

/// Prices of lengths and distances, updated at intervals.
pub(crate) struct PriceTable {
    pub(crate) match_len: LengthPrices,
    pub(crate) rep_len: LengthPrices,
    dist_slot: [[Price; DIST_STATES]; 64],
    dist: [[Price; DIST_STATES]; FULL_DISTANCES as usize],
    dist_align: [Price; 16],
    /// The position of the next update.
    next_update: usize,
}

impl PriceTable {
    pub(crate) fn new(props: Props) -> Self {
        Self {
            match_len: LengthPrices::new(props),
            rep_len: LengthPrices::new(props),
            dist_slot: [[0; DIST_STATES]; 64],
            dist: [[0; DIST_STATES]; FULL_DISTANCES as usize],
            dist_align: [0; 16],
            next_update: 0,
        }
    }

    pub(crate) fn update(&mut self, model: &Model, position: usize, nice_length: u32) {
        if position < self.next_update {
            return;
        }
        // A new model changes fast.
        self.next_update = position + (position / 4).clamp(UPDATE_INTERVAL_MIN, UPDATE_INTERVAL);
        self.match_len.update(&model.match_len, nice_length);
        self.rep_len.update(&model.rep_len, nice_length);
        for (state, probabilities) in model.dist_slot.iter().enumerate() {
            let prices = price::of_bittree_symbols(probabilities);
            for ((dist_slot, of_slot), price) in (0..).zip(&mut self.dist_slot).zip(prices) {
                let direct = if dist_slot < 14 { 0 } else { price::of_direct((dist_slot >> 1) - 1 - ALIGN_BITS) };
                of_slot[state] = direct + price;
            }
        }
        for (distance, prices) in (0..).zip(&mut self.dist) {
            let dist_slot = dist_slot(distance);
            let low = if dist_slot < 4 {
                0
            } else {
                let bits = (dist_slot >> 1) - 1;
                let base = (2 | (dist_slot & 1)) << bits;
                price::of_bittree_reverse(&model.dist_special[(base - dist_slot) as usize..], distance - base, bits)
            };
            *prices = self.dist_slot[dist_slot as usize].map(|price| price + low);
        }
        for (low, price) in (0..).zip(&mut self.dist_align) {
            *price = price::of_bittree_reverse(&model.dist_align, low, ALIGN_BITS);
        }
    }

    /// The prices of a distance less one.
    #[inline(always)]
    pub(crate) fn distance(&self, distance: u32) -> DistancePrices<'_> {
        if distance < FULL_DISTANCES {
            DistancePrices { dist_slot: &self.dist[distance as usize], low: 0 }
        } else {
            DistancePrices {
                dist_slot: &self.dist_slot[dist_slot(distance) as usize & 63],
                low: self.dist_align[(distance & 15) as usize],
            }
        }
    }

    /// The price of the choice among rep0 to rep3, after the bit for `is_rep`.
    #[inline(always)]
    pub(crate) fn rep(&self, model: &Model, state: State, pos_state: usize, index: u32) -> Price {
        let state = state.index();
        let rep_g = |step: usize, bit| price::of_bit(model.is_rep_g[step][state], bit);
        match index {
            0 => rep_g(0, 0) + price::of_bit(model.is_rep0_long[state][pos_state], 1),
            1 => rep_g(0, 1) + rep_g(1, 0),
            2 => rep_g(0, 1) + rep_g(1, 1) + rep_g(2, 0),
            _ => rep_g(0, 1) + rep_g(1, 1) + rep_g(2, 1),
        }
    }
}

/// The prices of one distance, by the length of its match.
pub(crate) struct DistancePrices<'t> {
    dist_slot: &'t [Price; DIST_STATES],
    low: Price,
}

impl DistancePrices<'_> {
    /// With a match of `length` bytes.
    #[inline(always)]
    pub(crate) const fn of(&self, length: u32) -> Price {
        self.dist_slot[dist_state(length)] + self.low
    }
}

/// What each length adds to a [`Node`], by `pos_state`.
pub(crate) struct LengthPrices(Vec<[u64; (MATCH_LEN_MAX + 1) as usize]>);

impl LengthPrices {
    fn new(props: Props) -> Self {
        Self(vec![[0; (MATCH_LEN_MAX + 1) as usize]; 1 << props.pb])
    }

    fn update(&mut self, lengths: &LengthCoder, nice_length: u32) {
        let choice = |index: usize, bit| price::of_bit(lengths.choice[index], bit);
        let (low, mid, high) = (choice(0, 0), choice(0, 1) + choice(1, 0), choice(0, 1) + choice(1, 1));
        let highest = price::of_bittree_symbols(&lengths.high).map(|price| high + price);
        for (pos_state, costs) in self.0.iter_mut().enumerate() {
            let lowest = price::of_bittree_symbols(&lengths.low[pos_state]).map(|price| low + price);
            let mid = price::of_bittree_symbols(&lengths.mid[pos_state]).map(|price| mid + price);
            let prices = lowest.iter().chain(&mid).chain(&highest);
            for ((length, cost), &price) in
                (MATCH_LEN_MIN..=nice_length).zip(&mut costs[MATCH_LEN_MIN as usize..]).zip(prices)
            {
                *cost = Node::cost(price, length);
            }
        }
    }

    /// For [`Node::plus`], by length.
    #[inline(always)]
    pub(crate) fn costs(&self, pos_state: usize) -> &[u64; (MATCH_LEN_MAX + 1) as usize] {
        &self.0[pos_state]
    }
}

/// Bytes between two updates.
const UPDATE_INTERVAL: usize = 4096;
const UPDATE_INTERVAL_MIN: usize = 256;
