//! Prices: what encoding a bit costs under a probability, in sixteenths of a bit.

use crate::range_encoder::Probability;

/// Sixteenths of a bit.
pub(crate) type Price = u32;

/// The price of one bit.
#[inline(always)]
pub(crate) fn of_bit(probability: Probability, bit: u32) -> Price {
    let chance = u32::from(probability) ^ (0u32.wrapping_sub(bit) & 0x7ff);
    Price::from(TABLE[(chance >> STEP_BITS) as usize & (TABLE.len() - 1)])
}

/// The price of direct bits.
pub(crate) const fn of_direct(count: u32) -> Price {
    count << SHIFT
}

/// The price of a symbol in a bit tree, as [`crate::range_encoder::RangeEncoder::bittree`] encodes it.
#[inline(always)]
pub(crate) fn of_bittree(probabilities: &[Probability], value: u32, count: u32) -> Price {
    let mut node = value | 1 << count;
    let mut price = 0;
    for _ in 0..count {
        let bit = node & 1;
        node >>= 1;
        price += of_bit(probabilities[node as usize], bit);
    }
    price
}

/// The prices of all symbols of a bit tree.
pub(crate) fn of_bittree_symbols<const LEAVES: usize>(probabilities: &[Probability; LEAVES]) -> [Price; LEAVES] {
    let mut prices = [0; LEAVES];
    let mut width = 1;
    while width < LEAVES {
        // Backwards, so that each price is read before it is overwritten.
        for bit_index in (0..width).rev() {
            let (price, probability) = (prices[bit_index], probabilities[width + bit_index]);
            prices[2 * bit_index] = price + of_bit(probability, 0);
            prices[2 * bit_index + 1] = price + of_bit(probability, 1);
        }
        width *= 2;
    }
    prices
}

/// The price of a symbol in a reverse bit tree, as [`crate::range_encoder::RangeEncoder::bittree_reverse`] encodes it.
pub(crate) fn of_bittree_reverse(probabilities: &[Probability], value: u32, count: u32) -> Price {
    let (mut node, mut price) = (1, 0);
    for bit_index in 0..count {
        let bit = (value >> bit_index) & 1;
        price += of_bit(probabilities[node - 1], bit);
        node = node << 1 | bit as usize;
    }
    price
}

/// The price of a bit by its probability, which is the index times 16 in 2048: the negative logarithm, by repeated
/// squaring.
static TABLE: [u8; 128] = {
    let mut table = [0; 128];
    let mut step = 0;
    while step < 128 {
        let mut square = ((step as u32) << STEP_BITS) + (1 << (STEP_BITS - 1));
        let mut bits = 0;
        let mut round = 0;
        while round < SHIFT {
            square *= square;
            bits <<= 1;
            while square >= 1 << 16 {
                square >>= 1;
                bits += 1;
            }
            round += 1;
        }
        table[step] = ((11 << SHIFT) - 15 - bits) as u8;
        step += 1;
    }
    table
};

/// The highest price of a bit.
pub(crate) const MAX_PRICE: Price = {
    let (mut dearest, mut step) = (0, 0);
    while step < TABLE.len() {
        if TABLE[step] > dearest {
            dearest = TABLE[step];
        }
        step += 1;
    }
    dearest as Price
};

const SHIFT: u32 = 4;
const STEP_BITS: u32 = 4;
