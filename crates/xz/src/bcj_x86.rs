//! The x86 BCJ filter of xz: relative targets of calls and jumps become absolute, so that calls of one function look
//! alike.
//!
//! The decoder has to undo each conversion, so the rules are those of `simple/x86.c` exactly: an `E8` or `E9` is
//! converted if the highest byte of its operand is 00 or FF, and if `prev_mask`, the opcodes among the bytes before,
//! allows it.

/// Filters a whole block in place.
pub(crate) fn encode_x86(data: &mut [u8]) {
    // Bits 0 to 3: which of the bytes before were opcodes, the latest lowest. Bit 4: the latest had an operand ending
    // in 00 or FF.
    let mut prev_mask = 0u32;
    let mut prev_pos: Option<usize> = None;
    let mut at = 0;
    while at + OPERAND_BYTES < data.len() {
        if !matches!(data[at], 0xe8 | 0xe9) {
            at += 1;
            continue;
        }
        let prev_offset = prev_pos.map_or(MAX_PREV_OFFSET, |prev_pos| at - prev_pos);
        prev_pos = Some(at);
        prev_mask = if prev_offset > MAX_PREV_OFFSET - 1 {
            0
        } else {
            (0..prev_offset).fold(prev_mask, |prev_mask, _| (prev_mask & 0x77) << 1)
        };
        let high = data[at + OPERAND_BYTES];
        let is_high = |byte: u8| byte == 0 || byte == 0xff;
        if is_high(high) && MASK_TO_ALLOWED[(prev_mask >> 1) as usize & 7] && prev_mask >> 1 < 0x10 {
            let operand = u32::from_le_bytes([data[at + 1], data[at + 2], data[at + 3], high]);
            let next = (at + 1 + OPERAND_BYTES) as u32;
            let mut source = operand;
            let target = loop {
                let target = source.wrapping_add(next);
                if prev_mask == 0 {
                    break target;
                }
                let bits = 8 * MASK_TO_BIT_NUMBER[(prev_mask >> 1) as usize & 7];
                if !is_high((target >> (24 - bits)) as u8) {
                    break target;
                }
                source = target ^ ((1 << (32 - bits)) - 1);
            };
            let sign = if target >> 24 & 1 == 1 { 0xff } else { 0 };
            let [low, middle, upper, _] = target.to_le_bytes();
            data[at + 1..=at + OPERAND_BYTES].copy_from_slice(&[low, middle, upper, sign]);
            at += 1 + OPERAND_BYTES;
            prev_mask = 0;
        } else {
            at += 1;
            prev_mask |= 1;
            if is_high(high) {
                prev_mask |= 0x10;
            }
        }
    }
}

const MASK_TO_ALLOWED: [bool; 8] = [true, true, true, false, true, false, false, false];
const MASK_TO_BIT_NUMBER: [u32; 8] = [0, 1, 2, 2, 3, 3, 3, 3];
const OPERAND_BYTES: usize = 4;
/// An opcode this number of bytes back does not count any more.
const MAX_PREV_OFFSET: usize = 6;
