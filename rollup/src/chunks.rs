//! Cutting work into statements of bounded size.

use crate::settings::BUCKETS_PER_STATEMENT_MAX;

/// Most bytes of organisation identifiers in one statement. ClickHouse limits a parameter to 131,072 bytes, and
/// escaping can double a text.
const ORG_BYTES_MAX: usize = 45_000;

/// What one item adds to a statement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Weight {
    /// Rows that the engine has to hold.
    pub rows: u64,
    /// Bytes of its organisation's identifier; a statement names each organisation once.
    pub org_bytes: usize,
    /// Whether the item before belongs to the same organisation.
    pub same_org: bool,
}

/// Cuts items, in their order, into as few pieces as keep every limit; an item beyond a limit stands alone. Returns
/// the lengths of the pieces.
pub fn cut(weights: &[Weight], rows_max: u64, buckets_max: usize) -> Vec<usize> {
    let buckets_max = buckets_max.clamp(1, BUCKETS_PER_STATEMENT_MAX);
    let mut lengths = Vec::new();
    let (mut length, mut rows, mut org_bytes) = (0, 0u64, 0);
    for weight in weights {
        let added_bytes = if weight.same_org && length > 0 { 0 } else { weight.org_bytes + 4 };
        let fits = length < buckets_max
            && rows.saturating_add(weight.rows) <= rows_max
            && org_bytes + added_bytes <= ORG_BYTES_MAX;
        if length > 0 && !fits {
            lengths.push(length);
            (length, rows, org_bytes) = (0, 0, 0);
        }
        org_bytes += if length == 0 { weight.org_bytes + 4 } else { added_bytes };
        length += 1;
        rows = rows.saturating_add(weight.rows);
    }
    if length > 0 {
        lengths.push(length);
    }
    lengths
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn weight(rows: u64) -> Weight {
        Weight { rows, org_bytes: 10, same_org: false }
    }

    #[test]
    fn an_item_beyond_the_limit_stands_alone() {
        assert_eq!(cut(&[weight(5), weight(100), weight(5), weight(5)], 10, 9), [1, 1, 2]);
        assert!(cut(&[], 10, 9).is_empty());
    }

    proptest! {
        #[test]
        fn pieces_keep_the_limits_and_are_no_more_than_needed(
            items in proptest::collection::vec((0u64..50, 1usize..20_000, any::<bool>()), 0..60), buckets_max in 1usize..10,
        ) {
            let weights: Vec<Weight> =
                items.iter().map(|(rows, org_bytes, same_org)| Weight { rows: *rows, org_bytes: *org_bytes, same_org: *same_org }).collect();
            let lengths = cut(&weights, 60, buckets_max);
            prop_assert_eq!(lengths.iter().sum::<usize>(), weights.len());
            let bytes = |piece: &[Weight]| -> usize {
                piece.iter().enumerate().filter(|(at, weight)| *at == 0 || !weight.same_org).map(|(_, weight)| weight.org_bytes + 4).sum()
            };
            let fits = |piece: &[Weight]| {
                piece.len() <= buckets_max && piece.iter().map(|weight| weight.rows).sum::<u64>() <= 60 && bytes(piece) <= ORG_BYTES_MAX
            };
            let mut start = 0;
            for length in lengths {
                let end = start + length;
                prop_assert!(length == 1 || fits(&weights[start..end]));
                prop_assert!(end == weights.len() || !fits(&weights[start..=end]));
                start = end;
            }
        }
    }
}
