//! Answers that are kept for the next one who asks: the cards stand on every page, and the days of a month that have passed
//! rarely change.
//!
//! Nothing can be wrong by it. The touches of an answer are read after its position was chosen. An answer of position A is
//! kept together with the last touch of each bucket it is about, and only if none of these is beyond A. Who comes back at A
//! or later and finds the same last touches knows that nothing was written there since: the same calls count. So a rollup
//! row that passed the rule at A passes it again, and the ledger would give the same first writes. A late call is a new
//! touch: what was kept holds no more.
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
use quick_cache::{DefaultHashBuilder, Weighter, sync::DefaultLifecycle};
use std::any::Any;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Most memory of all answers.
const BYTES_MAX: u64 = 32 << 20;
/// About how many answers that is.
const ANSWERS: usize = 2_000;
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

/// Which calls an answer counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct State {
    /// The position it is cut at.
    pub at: Position,
    /// The last touch of each of the question's spans, zero where there is none.
    pub last_touches: Vec<Position>,
}

#[derive(Debug, Clone)]
struct Answer {
    state: State,
    kept_at: Instant,
    bytes: u64,
    rows: Arc<dyn Any + Send + Sync>,
}

#[derive(Debug, Clone)]
struct Weigh;

impl Weighter<Asked, Answer> for Weigh {
    fn weight(&self, asked: &Asked, answer: &Answer) -> u64 {
        let spans = size_of_val(asked.spans.as_slice()) + size_of_val(answer.state.last_touches.as_slice());
        let texts = asked.narrow.members.len() + asked.narrow.reasons.len() + asked.narrow.models.len();
        512 + spans as u64 + 128 * texts as u64 + answer.bytes
    }
}

impl Default for Kept {
    fn default() -> Self {
        let cache = Cache::with(
            ANSWERS,
            BYTES_MAX,
            Weigh,
            DefaultHashBuilder::default(),
            DefaultLifecycle::default(),
        );
        Self(cache)
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

impl State {
    /// The state of touches themselves.
    pub fn of_touches(at: Position) -> Self {
        Self { at, last_touches: Vec::new() }
    }

    fn holds_for(&self, other: &Self) -> bool {
        other.at >= self.at && other.last_touches == self.last_touches
    }
}

impl Kept {
    /// Whether there is an answer that may hold: worth to wait for the touches, which decide.
    pub fn may_have(&self, asked: &Asked) -> bool {
        self.0.get(asked).is_some_and(|answer| answer.kept_at.elapsed() <= LIFETIME)
    }

    /// The rows of an answer that holds in a state.
    pub fn get<R: Send + Sync + 'static>(&self, asked: &Asked, state: &State) -> Option<Arc<Vec<R>>> {
        let answer = self.0.get(asked)?;
        if answer.kept_at.elapsed() > LIFETIME {
            self.0.remove(asked);
            return None;
        }
        if answer.state.holds_for(state) { answer.rows.downcast().ok() } else { None }
    }

    /// Keeps the rows of an answer, unless one of the touches is beyond its position: then it may lack that call, and
    /// who comes back later must not take it. Of a level only answers in which every bucket had a usable row may be kept.
    /// `bytes` is about the size of the rows.
    pub fn put<R: Send + Sync + 'static>(&self, asked: Asked, state: State, rows: Arc<Vec<R>>, bytes: usize) {
        if state.last_touches.iter().all(|last_touch| *last_touch <= state.at) {
            self.0.insert(asked, Answer { state, kept_at: Instant::now(), bytes: bytes as u64, rows });
        }
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

    fn state(at: u64, last_touch: u64) -> State {
        State { at: Position::from_u64(at), last_touches: vec![Position::from_u64(last_touch)] }
    }

    fn filled() -> Kept {
        let kept = Kept::default();
        kept.put(asked("acme", &Narrow::default(), 0), state(10, 5), Arc::new(vec![1u64]), 8);
        kept
    }

    #[test]
    fn an_answer_holds_from_its_position_on_and_not_before() {
        let (kept, asked) = (filled(), asked("acme", &Narrow::default(), 0));
        assert_eq!(kept.get::<u64>(&asked, &state(10, 5)).as_deref(), Some(&vec![1]));
        assert_eq!(kept.get::<u64>(&asked, &state(99, 5)).as_deref(), Some(&vec![1]));
        assert_eq!(kept.get::<u64>(&asked, &state(9, 5)), None);
    }

    #[test]
    fn another_touch_organisation_filter_span_source_or_shape_is_another_answer() {
        let (kept, everything) = (filled(), Narrow::default());
        assert_eq!(kept.get::<u64>(&asked("acme", &everything, 0), &state(10, 6)), None, "a later touch");
        assert_eq!(
            kept.get::<u64>(&asked("bell", &everything, 0), &state(10, 5)),
            None,
            "another organisation"
        );
        let narrow = Narrow { members: vec!["ada".into()], ..Narrow::default() };
        assert_eq!(kept.get::<u64>(&asked("acme", &narrow, 0), &state(10, 5)), None, "another filter");
        assert_eq!(kept.get::<u64>(&asked("acme", &everything, 1), &state(10, 5)), None, "another span");
        let of_ledger = Asked { level: None, ..asked("acme", &everything, 0) };
        assert_eq!(kept.get::<u64>(&of_ledger, &state(10, 5)), None, "the ledger");
        assert_eq!(
            kept.get::<u32>(&asked("acme", &everything, 0), &state(10, 5)),
            None,
            "rows of another shape"
        );
    }

    #[test]
    fn touches_hold_for_their_position_alone() {
        let kept = Kept::default();
        let (asked, at) = (|at| Asked::touches("acme", at, &[0, 900, 1800]), Position::from_u64);
        kept.put(asked(at(10)), State::of_touches(at(10)), Arc::new(vec![1u64]), 8);
        let held = |position| kept.get::<u64>(&asked(position), &State::of_touches(position));
        assert_eq!(held(at(10)).as_deref(), Some(&vec![1]));
        assert_eq!(held(at(11)), None);
        let other_bounds = Asked::touches("acme", at(10), &[0, 1800]);
        assert_eq!(kept.get::<u64>(&other_bounds, &State::of_touches(at(10))), None);
    }

    #[test]
    fn an_answer_that_may_lack_a_call_is_not_kept() {
        let (kept, asked) = (Kept::default(), asked("acme", &Narrow::default(), 0));
        kept.put(asked.clone(), state(10, 11), Arc::new(vec![1u64]), 8);
        assert!(!kept.may_have(&asked));
        assert_eq!(kept.get::<u64>(&asked, &state(11, 11)), None);
        kept.put(asked.clone(), state(10, 10), Arc::new(vec![1u64]), 8);
        assert!(kept.may_have(&asked));
    }

    #[test]
    fn memory_is_bounded() {
        let kept = Kept::default();
        for from_ms in 0..100 {
            let asked = asked("acme", &Narrow::default(), from_ms);
            kept.put(asked, state(100, 5), Arc::new(vec![from_ms]), 1 << 20);
        }
        assert!(kept.0.weight() <= BYTES_MAX && kept.0.len() > 10, "{} answers are kept", kept.0.len());
    }
}
