//! Comparing the new file with the base: equal, different and dissimilar bytes, counted in words and vectors.

/// Number of equal bytes at the front of `a` and `b`.
pub(crate) fn equal_prefix(a: &[u8], b: &[u8]) -> usize {
    let length = a.len().min(b.len());
    let (a_words, _) = a[..length].as_chunks::<8>();
    let (b_words, _) = b[..length].as_chunks::<8>();
    for (index, (x, y)) in a_words.iter().zip(b_words).enumerate() {
        let differing = u64::from_le_bytes(*x) ^ u64::from_le_bytes(*y);
        if differing != 0 {
            return index * 8 + differing.trailing_zeros() as usize / 8;
        }
    }
    let start = a_words.len() * 8;
    start + a[start..length].iter().zip(&b[start..length]).take_while(|(x, y)| x == y).count()
}

/// Number of equal bytes at the back of `a` and `b`.
pub(crate) fn equal_suffix(a: &[u8], b: &[u8]) -> usize {
    let length = a.len().min(b.len());
    let (a, b) = (&a[a.len() - length..], &b[b.len() - length..]);
    let (_, a_words) = a.as_rchunks::<8>();
    let (_, b_words) = b.as_rchunks::<8>();
    for (index, (x, y)) in a_words.iter().rev().zip(b_words.iter().rev()).enumerate() {
        let differing = u64::from_le_bytes(*x) ^ u64::from_le_bytes(*y);
        if differing != 0 {
            return index * 8 + differing.leading_zeros() as usize / 8;
        }
    }
    let left = length % 8;
    length - left + a[..left].iter().rev().zip(b[..left].iter().rev()).take_while(|(x, y)| x == y).count()
}

/// Number of bytes of `new[at..at + len]` that are dissimilar to the base at `alignment`; all of them if the start is
/// outside the base.
///
/// A byte is similar if it is equal, or if its difference is that of the byte 8, 16 or 24 before it: in tables of
/// addresses every entry differs by the same number, and such differences compress to almost nothing.
pub(crate) fn dissimilar(new: &[u8], old: &[u8], at: usize, len: usize, alignment: isize) -> usize {
    count_by(new, old, at, len, alignment, |differences, count| {
        let before = |distance: usize| differences[HISTORY - distance..][..count].iter();
        before(0)
            .zip(before(8))
            .zip(before(16).zip(before(24)))
            .map(|((now, a), (b, c))| u8::from((*now != 0) & (now != a) & (now != b) & (now != c)))
            .sum()
    })
}

/// Number of bytes of `new[at..at + len]` that differ from the base at `alignment`; all of them if the start is
/// outside the base.
pub(crate) fn different(new: &[u8], old: &[u8], at: usize, len: usize, alignment: isize) -> usize {
    count_by(new, old, at, len, alignment, |differences, count| {
        differences[HISTORY..][..count].iter().map(|difference| u8::from(*difference != 0)).sum()
    })
}

/// The sum of `count_in` over steps of [`STEP`] differences, each with the [`HISTORY`] differences before it.
fn count_by(
    new: &[u8],
    old: &[u8],
    at: usize,
    len: usize,
    alignment: isize,
    // The sum of a step fits a byte, so that the compiler can use vectors.
    count_in: impl Fn(&[u8; HISTORY + STEP], usize) -> u8,
) -> usize {
    let Some(old_at) = at.checked_add_signed(alignment).filter(|old_at| *old_at < old.len()) else {
        return len;
    };
    let end = at + len.min(old.len() - old_at);
    let mut dissimilar = at + len - end;
    let mut differences = [0u8; HISTORY + STEP];
    for start in (at..end).step_by(STEP) {
        let count = STEP.min(end - start);
        let old_start = old_at + (start - at);
        let known = HISTORY.min(start).min(old_start);
        differences[..HISTORY - known].fill(0);
        let pairs = new[start - known..start + count].iter().zip(&old[old_start - known..]);
        for (difference, (new, old)) in differences[HISTORY - known..].iter_mut().zip(pairs) {
            *difference = new.wrapping_sub(*old);
        }
        dissimilar += usize::from(count_in(&differences, count));
    }
    dissimilar
}

const HISTORY: usize = 24;
const STEP: usize = 128;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn as_byte_by_byte(a in proptest::collection::vec(0u8..3, 0..700), b in proptest::collection::vec(0u8..3, 0..700), same in 0usize..40) {
            let join = |tail: &[u8]| [&vec![7; same][..], tail, &vec![9; same]].concat();
            let (a, b) = (join(&a), join(&b));
            prop_assert_eq!(equal_prefix(&a, &b), a.iter().zip(&b).take_while(|(x, y)| x == y).count());
            prop_assert_eq!(equal_suffix(&a, &b), a.iter().rev().zip(b.iter().rev()).take_while(|(x, y)| x == y).count());
            let alignment = same as isize / 2;
            let difference = |at: usize| at.checked_add_signed(alignment).and_then(|old| b.get(old)).map(|old| a[at].wrapping_sub(*old));
            let similar = |at: usize| difference(at).is_some_and(|now| now == 0 || [8, 16, 24].iter().any(|back| {
                at.checked_sub(*back).is_some_and(|at| difference(at) == Some(now))
            }));
            let from = same.min(a.len());
            prop_assert_eq!(different(&a, &b, from, a.len() - from, alignment), (from..a.len()).filter(|at| difference(*at) != Some(0)).count());
            prop_assert_eq!(dissimilar(&a, &b, from, a.len() - from, alignment), (from..a.len()).filter(|at| !similar(*at)).count());
        }
    }
}
