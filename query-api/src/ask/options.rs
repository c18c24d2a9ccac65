//! What the filters offer: every value with the calls it would keep, all other filters respected.

use super::breakdowns::provider_and_model;
use crate::cover::{Cover, Level};
use crate::filter::{Filter, Narrow};
use crate::labels::REASONS;
use crate::queries;
use crate::reader::{AnswerRow, AskError, Reader};
use clickhouse::Row;
use serde::Deserialize;
use std::collections::HashMap;

/// Calls by option. Chosen values and the known reasons are there even with no call.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Options {
    /// By member id.
    pub members: HashMap<String, u64>,
    /// By reason code.
    pub reasons: HashMap<String, u64>,
    /// By provider and model.
    pub models: HashMap<(String, String), u64>,
    /// Calls with the organisation's own key.
    pub byok_only: u64,
    /// Calls without it.
    pub byok_none: u64,
}

#[derive(Clone, Row, Deserialize)]
struct OptionRow {
    kind: u8,
    start: u32,
    key: String,
    byok_call: u8,
    sum_calls: u64,
}

const INTERVAL: u8 = 1;
const REASON: u8 = 2;
const MODEL: u8 = 3;
const MEMBER: u8 = 4;

impl AnswerRow for OptionRow {
    type Cell = (u8, u32, String, u8);

    fn cell(&self) -> Self::Cell {
        (self.kind, self.start, self.key.clone(), self.byok_call)
    }

    fn add(&mut self, later: Self) {
        self.sum_calls += later.sum_calls;
    }

    fn used(&self) -> &[u32] {
        if self.kind == INTERVAL { std::slice::from_ref(&self.start) } else { &[] }
    }

    fn bytes(&self) -> usize {
        size_of::<Self>() + self.key.len()
    }
}

/// Reads the options at a snapshot.
///
/// # Errors
/// Those of [`Reader::ask`].
pub async fn options(reader: &Reader, filter: &Filter) -> Result<Options, AskError> {
    let period = reader.period_of(filter.range);
    let mut cover = Cover::default();
    reader.cutter.add(&mut cover, period.span, 0, Level::Month);
    let mut options = Options::with_none(&filter.narrow);
    reader
        .ask(&queries::OPTIONS, &filter.narrow, cover, |row: OptionRow| {
            let calls = match (row.kind, row.byok_call) {
                (INTERVAL, _) => return,
                (REASON, _) => options.reasons.entry(row.key).or_default(),
                (MODEL, _) => options.models.entry(provider_and_model(&row.key)).or_default(),
                (MEMBER, _) => options.members.entry(row.key).or_default(),
                (_, 0) => &mut options.byok_none,
                (_, _) => &mut options.byok_only,
            };
            *calls += row.sum_calls;
        })
        .await?;
    Ok(options)
}

impl Options {
    /// What is offered before anything is asked.
    pub fn with_none(chosen: &Narrow) -> Self {
        let known = REASONS.iter().map(|(code, _)| (*code).to_owned());
        Self {
            members: chosen.members.iter().map(|member| (member.clone(), 0)).collect(),
            reasons: known.chain(chosen.reasons.iter().cloned()).map(|reason| (reason, 0)).collect(),
            models: chosen.models.iter().map(|model| (model.clone(), 0)).collect(),
            byok_only: 0,
            byok_none: 0,
        }
    }
}
