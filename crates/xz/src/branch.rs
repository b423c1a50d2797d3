//! The x86 branch filter of xz: targets of calls and jumps, which are relative in machine code, become absolute, so that
//! calls of one function look alike.
//!
//! What comes out is for decoders to undo, so the rules are theirs, to the letter: an `E8` or `E9` counts if the highest
//! byte of its operand is 00 or FF, and if what looked like an opcode in the four bytes before does not speak against it.

/// Filters a whole block in place.
pub(crate) fn encode_x86(data: &mut [u8]) {
    // For each of the bytes just before, the latest lowest: it might have been an opcode. Bit 4: its operand ended in 00 or FF.
    let mut doubts = 0u32;
    let mut last: Option<usize> = None;
    let mut at = 0;
    while at + OPERAND < data.len() {
        if !matches!(data[at], 0xe8 | 0xe9) {
            at += 1;
            continue;
        }
        let since = last.map_or(FAR, |last| at - last);
        last = Some(at);
        doubts = if since > FAR - 1 { 0 } else { (0..since).fold(doubts, |doubts, _| (doubts & 0x77) << 1) };
        let high = data[at + OPERAND];
        let is_high = |byte: u8| byte == 0 || byte == 0xff;
        if is_high(high) && ALLOWED[(doubts >> 1) as usize & 7] && doubts >> 1 < 0x10 {
            let operand = u32::from_le_bytes([data[at + 1], data[at + 2], data[at + 3], high]);
            let next = (at + 1 + OPERAND) as u32;
            let mut source = operand;
            let target = loop {
                let target = source.wrapping_add(next);
                if doubts == 0 {
                    break target;
                }
                let bits = 8 * DOUBTFUL_BYTE[(doubts >> 1) as usize & 7];
                if !is_high((target >> (24 - bits)) as u8) {
                    break target;
                }
                source = target ^ ((1 << (32 - bits)) - 1);
            };
            let sign = if target >> 24 & 1 == 1 { 0xff } else { 0 };
            let [low, middle, upper, _] = target.to_le_bytes();
            data[at + 1..=at + OPERAND].copy_from_slice(&[low, middle, upper, sign]);
            at += 1 + OPERAND;
            doubts = 0;
        } else {
            at += 1;
            doubts |= 1;
            if is_high(high) {
                doubts |= 0x10;
            }
        }
    }
}

const ALLOWED: [bool; 8] = [true, true, true, false, true, false, false, false];
const DOUBTFUL_BYTE: [u32; 8] = [0, 1, 2, 2, 3, 3, 3, 3];
const OPERAND: usize = 4;
/// An opcode so far back says nothing any more.
const FAR: usize = 6;
