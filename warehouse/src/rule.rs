//! The rule by which a rollup row judges itself. Ingest, rollup, readers and the tests' model share it; SQL that
//! must decide inside a statement carries the same two comparisons; scenarios on the real engine hold it to a naive reading
//! (`query-api/tests/it/answers.rs`).

use proto::Position;

/// Whether a row cut at `through` may stand for its interval at position `at`: it must not know more than `at`,
/// and must know every change of its interval. `last_touch` is the highest position that ever wrote there, as far
/// as the touches tell when they are read after `at` was chosen; `None` means nothing ever did.
pub fn row_is_usable(through: Position, last_touch: Option<Position>, at: Position) -> bool {
    through <= at && last_touch.is_none_or(|touch| through >= touch)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_is_used_when_it_knows_all_and_no_more() {
        let p = Position::from_u64;
        assert!(row_is_usable(p(10), Some(p(10)), p(10)));
        assert!(row_is_usable(p(10), Some(p(3)), p(12)));
        assert!(row_is_usable(p(10), None, p(10)));
        assert!(!row_is_usable(p(10), Some(p(3)), p(9)), "too new");
        assert!(!row_is_usable(p(10), Some(p(11)), p(12)), "touched since");
        assert!(!row_is_usable(p(10), Some(p(11)), p(10)), "touched since, even after `at`");
    }
}
