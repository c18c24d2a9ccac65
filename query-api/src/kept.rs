//! Answers of rollup rows that are kept for the next one who asks: the cards stand on every page, and the days of a month
//! that have passed rarely change.
//!
//! Nothing can be wrong by it. A row may be used at position A if and only if `through <= A` and `through >=` the last
//! touch of its interval. The touches are read anew for every answer and are part of the key, so a row that passed at A
//! with these touches passes with the same touches at every later position, and stands for the same calls. A late call
//! is a new touch: what was kept is not found any more.

use crate::cover::Level;
use crate::filter::Narrow;
use crate::queries::Question;
use crate::touches::TouchedBucket;
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

/// What was asked of a level.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Asked {
    org_id: String,
    doing: &'static str,
    level: Level,
    narrow: Narrow,
    buckets: Vec<TouchedBucket>,
}

#[derive(Debug, Clone)]
struct Answer {
    at: Position,
    kept_at: Instant,
    bytes: u64,
    rows: Arc<dyn Any + Send + Sync>,
}

#[derive(Debug, Clone)]
struct Weigh;

impl Weighter<Asked, Answer> for Weigh {
    fn weight(&self, asked: &Asked, answer: &Answer) -> u64 {
        let buckets = size_of_val(asked.buckets.as_slice()) as u64;
        let texts = asked.narrow.members.len() + asked.narrow.reasons.len() + asked.narrow.models.len();
        512 + buckets + 128 * texts as u64 + answer.bytes
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
    /// One question about touched buckets of one level of one organisation.
    pub fn new(
        org_id: &str,
        question: &Question,
        level: Level,
        narrow: &Narrow,
        buckets: &[TouchedBucket],
    ) -> Self {
        let (org_id, narrow, buckets) = (org_id.to_owned(), narrow.clone(), buckets.to_vec());
        Self { org_id, doing: question.doing, level, narrow, buckets }
    }
}

impl Kept {
    /// The rows of an answer that holds at `at`.
    pub fn get<R: Send + Sync + 'static>(&self, asked: &Asked, at: Position) -> Option<Arc<Vec<R>>> {
        let answer = self.0.get(asked)?;
        if answer.kept_at.elapsed() > LIFETIME {
            self.0.remove(asked);
            return None;
        }
        if at < answer.at { None } else { answer.rows.downcast().ok() }
    }

    /// Keeps the rows of an answer at `at` in which a usable row was found for every bucket; `bytes` is about their
    /// size.
    pub fn put<R: Send + Sync + 'static>(&self, asked: Asked, at: Position, rows: Arc<Vec<R>>, bytes: usize) {
        self.0.insert(asked, Answer { at, kept_at: Instant::now(), bytes: bytes as u64, rows });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cover::Bucket;
    use crate::queries;
    use warehouse::calendar::Interval;

    fn asked(org_id: &str, narrow: &Narrow, last_touch: u64) -> Asked {
        let bucket = Bucket { interval: Interval { starts_at: 0, ends_at: 900 }, slot: 0 };
        let touched = TouchedBucket { bucket, last_touch: Position::from_u64(last_touch) };
        Asked::new(org_id, &queries::BREAKDOWNS, Level::Quarter, narrow, &[touched])
    }

    fn at(position: u64) -> Position {
        Position::from_u64(position)
    }

    #[test]
    fn an_answer_holds_from_its_position_on_and_not_before() {
        let kept = Kept::default();
        let everything = Narrow::default();
        kept.put(asked("acme", &everything, 5), at(10), Arc::new(vec![1u64]), 8);
        assert_eq!(kept.get::<u64>(&asked("acme", &everything, 5), at(10)).as_deref(), Some(&vec![1]));
        assert_eq!(kept.get::<u64>(&asked("acme", &everything, 5), at(99)).as_deref(), Some(&vec![1]));
        assert_eq!(kept.get::<u64>(&asked("acme", &everything, 5), at(9)), None);
    }

    #[test]
    fn another_touch_organisation_filter_or_shape_is_another_question() {
        let kept = Kept::default();
        let everything = Narrow::default();
        kept.put(asked("acme", &everything, 5), at(10), Arc::new(vec![1u64]), 8);
        assert_eq!(kept.get::<u64>(&asked("acme", &everything, 6), at(10)), None, "a later touch");
        assert_eq!(kept.get::<u64>(&asked("bell", &everything, 5), at(10)), None, "another organisation");
        let narrow = Narrow { members: vec!["ada".into()], ..Narrow::default() };
        assert_eq!(kept.get::<u64>(&asked("acme", &narrow, 5), at(10)), None, "another filter");
        assert_eq!(kept.get::<u32>(&asked("acme", &everything, 5), at(10)), None, "rows of another shape");
    }

    #[test]
    fn memory_is_bounded() {
        let kept = Kept::default();
        for touch in 0..100 {
            kept.put(asked("acme", &Narrow::default(), touch), at(100), Arc::new(vec![touch]), 1 << 20);
        }
        assert!(kept.0.weight() <= BYTES_MAX && kept.0.len() > 10, "{} answers are kept", kept.0.len());
    }
}
