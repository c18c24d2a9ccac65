//! Answers that are kept for the next one who asks: the cards stand on every page, the days of a month that have passed
//! rarely change, and of a running quarter hour nearly all has been read already.
//!
//! Nothing can be wrong by it. Touches are read after the position of an answer was chosen, so they name every position up
//! to it that wrote there. An answer of position A holds at any later position, as long as nothing it is about was touched
//! beyond A: the same calls count. So a rollup row that passed the rule at A passes it again, and the ledger would give the
//! same first writes. A late call is a new touch: what was kept of a rollup row holds no more.
//!
//! What the ledger answered is a part of any later answer even then. Up to A it is complete, or A would not have been
//! chosen, and the lowest position counts: no later message changes what counts up to A. What is missing are the calls of
//! which the first message came after A ([`crate::queries::Question::of_ledger_after`]).
//!
//! The touches themselves are kept for their position alone: whatever was touched up to it was so before it was known, and
//! what is touched later does not matter to it. So nothing is read twice while no call arrives, or for a link that names
//! its snapshot.

use crate::cover::Level;
use crate::filter::Narrow;
use crate::period::Span;
use crate::queries::Question;
use proto::Position;
use quick_cache::sync::Cache;
use quick_cache::{DefaultHashBuilder, OptionsBuilder, Weighter, sync::DefaultLifecycle};
use std::any::Any;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Most memory of all answers.
const BYTES_MAX: u64 = 32 << 20;
/// About how many answers that is.
const ANSWERS: usize = 2_000;
/// The cache's parts. What is larger than one is not kept, so their number does not grow with the machine's cores.
const SHARDS: usize = 4;
/// A rollup row that was damaged and mended by `rollup rebuild` has the same touches; so its kept answer ends by time.
const LIFETIME: Duration = Duration::from_secs(60);

/// The answers of a service.
#[derive(Debug)]
pub struct Kept(Cache<Asked, Answer, Weigh>);

/// What was asked of a level or of the ledger.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Asked {
    org_id: String,
    doing: &'static str,
    /// Set where an answer holds at no other position.
    at: Option<Position>,
    level: Option<Level>,
    narrow: Narrow,
    spans: Vec<(Span, u32)>,
}

#[derive(Debug, Clone)]
struct Answer {
    /// The position it is cut at.
    at: Position,
    kept_at: Instant,
    bytes: u64,
    rows: Arc<dyn Any + Send + Sync>,
}

#[derive(Debug, Clone)]
struct Weigh;

impl Weighter<Asked, Answer> for Weigh {
    fn weight(&self, asked: &Asked, answer: &Answer) -> u64 {
        let spans = size_of_val(asked.spans.as_slice());
        let texts = asked.narrow.members.len() + asked.narrow.reasons.len() + asked.narrow.models.len();
        512 + spans as u64 + 128 * texts as u64 + answer.bytes
    }
}

impl Default for Kept {
    #[expect(clippy::expect_used, reason = "both capacities, which alone are required, are given")]
    fn default() -> Self {
        let options = OptionsBuilder::new()
            .estimated_items_capacity(ANSWERS)
            .weight_capacity(BYTES_MAX)
            .shards(SHARDS)
            .build()
            .expect("options of a cache");
        Self(Cache::with_options(options, Weigh, DefaultHashBuilder::default(), DefaultLifecycle::default()))
    }
}

impl Asked {
    /// One question about spans, each with the number of its sum, to one level or (`None`) to the ledger, for one
    /// organisation.
    pub fn new(
        org_id: &str,
        question: &Question,
        level: Option<Level>,
        narrow: &Narrow,
        spans: impl Iterator<Item = (Span, u32)>,
    ) -> Self {
        let (org_id, narrow, spans) = (org_id.to_owned(), narrow.clone(), spans.collect());
        Self { org_id, doing: question.doing, at: None, level, narrow, spans }
    }

    /// The touches of the stretches between neighbouring bounds, which are Unix seconds, at a position.
    pub fn touches(org_id: &str, at: Position, bounds: &[i64]) -> Self {
        let stretches = bounds.windows(2).map(|pair| Span { from_ms: pair[0] * 1000, to_ms: pair[1] * 1000 });
        let spans = stretches.map(|span| (span, 0)).collect();
        let (org_id, narrow) = (org_id.to_owned(), Narrow::default());
        Self { org_id, doing: "reading the touches", at: Some(at), level: None, narrow, spans }
    }
}

impl Kept {
    /// The rows of an answer that holds at a position, where nothing it is about was touched after `last_touch`.
    pub fn get<R: Send + Sync + 'static>(
        &self,
        asked: &Asked,
        at: Position,
        last_touch: Position,
    ) -> Option<Arc<Vec<R>>> {
        let (then, rows) = self.before(asked, at)?;
        (last_touch <= then).then_some(rows)
    }

    /// The rows of an answer of this position or an earlier one, and its position.
    pub fn before<R: Send + Sync + 'static>(
        &self,
        asked: &Asked,
        at: Position,
    ) -> Option<(Position, Arc<Vec<R>>)> {
        let answer = self.0.get(asked)?;
        if answer.kept_at.elapsed() > LIFETIME {
            self.0.remove(asked);
            return None;
        }
        if answer.at <= at { Some((answer.at, answer.rows.downcast().ok()?)) } else { None }
    }

    /// Keeps the rows of an answer of a position. Of a level only answers in which every bucket had a usable row may be
    /// kept. `bytes` is about the size of the rows.
    pub fn put<R: Send + Sync + 'static>(&self, asked: Asked, at: Position, rows: Arc<Vec<R>>, bytes: usize) {
        self.0.insert(asked, Answer { at, kept_at: Instant::now(), bytes: bytes as u64, rows });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::queries;

    fn asked(org_id: &str, narrow: &Narrow, from_ms: i64) -> Asked {
        let span = Span { from_ms, to_ms: 900_000 };
        Asked::new(org_id, &queries::BREAKDOWNS, Some(Level::Quarter), narrow, [(span, 0)].into_iter())
    }

    fn at(position: u64) -> Position {
        Position::from_u64(position)
    }

    fn filled() -> Kept {
        let kept = Kept::default();
        kept.put(asked("acme", &Narrow::default(), 0), at(10), Arc::new(vec![1u64]), 8);
        kept
    }

    #[test]
    fn an_answer_holds_from_its_position_on_until_something_is_touched() {
        let (kept, asked) = (filled(), asked("acme", &Narrow::default(), 0));
        let held = |position, last_touch| kept.get::<u64>(&asked, at(position), at(last_touch));
        assert_eq!(held(10, 5).as_deref(), Some(&vec![1]));
        assert_eq!(held(99, 10).as_deref(), Some(&vec![1]));
        assert_eq!(held(9, 5), None, "before its position");
        assert_eq!(held(99, 11), None, "a later touch");
        assert_eq!(held(10, 11), None, "a later touch that may be a part of it or not");
    }

    #[test]
    fn an_answer_is_a_part_of_every_later_one() {
        let (kept, asked) = (filled(), asked("acme", &Narrow::default(), 0));
        assert_eq!(kept.before::<u64>(&asked, at(99)), Some((at(10), Arc::new(vec![1]))));
        assert_eq!(kept.before::<u64>(&asked, at(9)), None);
    }

    #[test]
    fn another_organisation_filter_span_source_or_shape_is_another_answer() {
        let (kept, everything) = (filled(), Narrow::default());
        let held = |asked: &Asked| kept.get::<u64>(asked, at(10), at(5));
        assert_eq!(held(&asked("bell", &everything, 0)), None, "another organisation");
        let narrow = Narrow { members: vec!["ada".into()], ..Narrow::default() };
        assert_eq!(held(&asked("acme", &narrow, 0)), None, "another filter");
        assert_eq!(held(&asked("acme", &everything, 1)), None, "another span");
        let of_ledger = Asked { level: None, ..asked("acme", &everything, 0) };
        assert_eq!(held(&of_ledger), None, "the ledger");
        let asked = asked("acme", &everything, 0);
        assert_eq!(kept.get::<u32>(&asked, at(10), at(5)), None, "rows of another shape");
    }

    #[test]
    fn touches_hold_for_their_position_alone() {
        let kept = Kept::default();
        let asked = |position| Asked::touches("acme", position, &[0, 900, 1800]);
        kept.put(asked(at(10)), at(10), Arc::new(vec![1u64]), 8);
        let held = |position| kept.get::<u64>(&asked(position), position, Position::ZERO);
        assert_eq!(held(at(10)).as_deref(), Some(&vec![1]));
        assert_eq!(held(at(11)), None);
        let other_bounds = Asked::touches("acme", at(10), &[0, 1800]);
        assert_eq!(kept.get::<u64>(&other_bounds, at(10), Position::ZERO), None);
    }

    #[test]
    fn a_large_answer_is_kept_on_any_machine() {
        let kept = Kept::default();
        let asked = asked("acme", &Narrow::default(), 0);
        kept.put(asked.clone(), at(100), Arc::new(vec![1i64]), 6 << 20);
        assert!(kept.get::<i64>(&asked, at(100), Position::ZERO).is_some());
    }

    #[test]
    fn memory_is_bounded() {
        let kept = Kept::default();
        for from_ms in 0..100 {
            let asked = asked("acme", &Narrow::default(), from_ms);
            kept.put(asked, at(100), Arc::new(vec![from_ms]), 1 << 20);
        }
        assert!(kept.0.weight() <= BYTES_MAX && kept.0.len() > 10, "{} answers are kept", kept.0.len());
    }
}
