//! The dead letters of the calls' topic: where each was found, and what it holds. Forty bytes each.

use super::content::{self, Parts};
use super::told::Told;
use crate::command::dead_letters::{each, place_in};
use crate::command::{Tools, reading};
use crate::source::Source;
use anyhow::bail;
use std::ops::{ControlFlow, Range};

/// A dead letter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Letter {
    /// Where its message was found.
    pub offset: i64,
    /// What it holds.
    pub parts: Parts,
}

/// Letters of one partition, in the order of their offsets. One that was written twice, after a kill, is there once, unless
/// the second holds something else.
#[derive(Debug, Default)]
pub struct Letters(Vec<Letter>);

impl Letters {
    /// Reads the whole dead-letter topic.
    ///
    /// # Errors
    /// If some of it was deleted, or Kafka does not answer.
    pub async fn read(tools: &Tools, source: &Source) -> anyhow::Result<Vec<Self>> {
        let (settings, topic) = (tools.settings.kafka.clone(), source.identity.topic.clone());
        let partitions = source.identity.partitions;
        tokio::task::spawn_blocking(move || {
            let spans = reading::whole(&settings, &settings.dead_letter_topic)?;
            if spans.values().any(|span| span.start > 0) {
                bail!(
                    "messages of topic `{}` were deleted; dead letters must be kept",
                    settings.dead_letter_topic
                );
            }
            let total: i64 = spans.values().map(|span| span.end - span.start).sum();
            let mut told = Told::new("dead letters read:", total.unsigned_abs());
            let mut found: Vec<Vec<Letter>> = (0..partitions).map(|_| Vec::new()).collect();
            each(&settings, &spans, |message, all| {
                told.step();
                let place = place_in(all);
                if place.topic == topic
                    && let Some(letters) =
                        usize::try_from(place.partition).ok().and_then(|it| found.get_mut(it))
                {
                    letters.push(Letter { offset: place.offset, parts: content::of_letter(message, all) });
                }
                Ok(ControlFlow::Continue(()))
            })?;
            Ok(found.into_iter().map(Self::new).collect())
        })
        .await?
    }

    /// Letters in any order.
    pub fn new(mut letters: Vec<Letter>) -> Self {
        letters.sort_unstable();
        letters.dedup();
        Self(letters)
    }

    /// Those of some offsets.
    pub fn within(&self, offsets: &Range<i64>) -> &[Letter] {
        let below = |limit: i64| self.0.partition_point(|letter| letter.offset < limit);
        &self.0[below(offsets.start)..below(offsets.end).max(below(offsets.start))]
    }

    /// How many of some offsets have one.
    pub fn count(&self, offsets: &Range<i64>) -> u64 {
        let letters = self.within(offsets);
        letters.chunk_by(|left, right| left.offset == right.offset).count() as u64
    }
}
