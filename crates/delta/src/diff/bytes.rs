//! Comparing bytes eight at a time.

/// How many bytes at the front of `a` and `b` are equal.
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

/// How many bytes at the back of `a` and `b` are equal.
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

/// At how many places `a` and `b` are equal, over the shorter of the two.
pub(crate) fn equal_count(a: &[u8], b: &[u8]) -> usize {
    let length = a.len().min(b.len());
    // Blocks short enough for a sum of bytes, which the compiler turns into vector instructions.
    a[..length]
        .chunks(255)
        .zip(b[..length].chunks(255))
        .map(|(x, y)| usize::from(x.iter().zip(y).map(|(x, y)| u8::from(x == y)).sum::<u8>()))
        .sum()
}

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
            prop_assert_eq!(equal_count(&a, &b), a.iter().zip(&b).filter(|(x, y)| x == y).count());
        }
    }
}
