//! Calls on their way into the ledger: the columns of one insert, and the touches that belong to it.

use crate::native::{Column, DictionaryColumn, take_block};
use bytes::Bytes;
use chrono::{DateTime, Datelike};
use hashbrown::HashMap;
use hashbrown::hash_map::Entry;
use proto::{CallView, Charge, Position};
use std::collections::BTreeSet;

/// The columns of `ai_calls`, in the order in which blocks carry them.
const COLUMNS: [&str; 15] = [
    "org_id",
    "occurred_at",
    "event_id",
    "position",
    "partition",
    "appended_at",
    "member_id",
    "reason",
    "provider",
    "model",
    "input_tokens",
    "output_tokens",
    "credits",
    "provider_cost",
    "currency",
];

/// The positions at which one block changes one quarter hour of one organisation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Touch {
    /// The organisation.
    pub org_id: String,
    /// Start of the quarter hour, in Unix seconds.
    pub quarter: u32,
    /// Lowest position of the block in it.
    pub first: Position,
    /// Highest position of the block in it.
    pub last: Position,
}

/// Rows of one insert into `ai_calls`, column by column. About 110 bytes a row, plus one copy of each distinct text.
#[derive(Default)]
pub struct LedgerBlock {
    rows: usize,
    org_id: DictionaryColumn,
    occurred_at: Vec<u8>,
    event_id: Vec<u8>,
    position: Vec<u8>,
    partition: Vec<u8>,
    appended_at: Vec<u8>,
    member_id: DictionaryColumn,
    reason: DictionaryColumn,
    provider: DictionaryColumn,
    model: DictionaryColumn,
    input_tokens: Vec<u8>,
    output_tokens: Vec<u8>,
    credits: Vec<u8>,
    provider_cost: Vec<u8>,
    currency: DictionaryColumn,
    touches: HashMap<(u32, u32), (Position, Position)>,
    months: BTreeSet<(i32, u32)>,
}

impl LedgerBlock {
    /// Adds one call at its position. `appended_at_ms` is the broker's append time, of the first message where the
    /// call was rerouted.
    pub fn push(&mut self, call: &CallView<'_>, position: Position, partition: u16, appended_at_ms: i64) {
        let occurred_at_ms = call.occurred_at_ms();
        let (credits, provider_cost, currency) = match &call.charge {
            Charge::Credits(credits) => (credits.0.units(), 0, ""),
            Charge::ProviderCost(cost) => (0, cost.amount.units(), cost.currency.as_str()),
        };
        let org = self.org_id.push(call.org_id);
        self.occurred_at.extend_from_slice(&occurred_at_ms.to_le_bytes());
        put_uuid(&mut self.event_id, call.event_id.uuid().as_u64_pair());
        self.position.extend_from_slice(&position.as_u64().to_le_bytes());
        self.partition.extend_from_slice(&partition.to_le_bytes());
        self.appended_at.extend_from_slice(&appended_at_ms.to_le_bytes());
        self.member_id.push(call.member_id);
        self.reason.push(call.reason);
        self.provider.push(call.provider);
        self.model.push(call.model);
        self.input_tokens.extend_from_slice(&call.input_tokens.to_le_bytes());
        self.output_tokens.extend_from_slice(&call.output_tokens.to_le_bytes());
        self.credits.extend_from_slice(&credits.to_le_bytes());
        self.provider_cost.extend_from_slice(&provider_cost.to_le_bytes());
        self.currency.push(currency);
        self.rows += 1;

        // Inside the two years before to one day after an append time that Kafka gave: 32 bits hold it until 2106.
        let quarter = crate::calendar::quarter_of(occurred_at_ms).starts_at as u32;
        match self.touches.entry((org, quarter)) {
            Entry::Occupied(mut touch) => {
                let (first, last) = touch.get_mut();
                (*first, *last) = ((*first).min(position), (*last).max(position));
            }
            Entry::Vacant(touch) => {
                touch.insert((position, position));
                let day = DateTime::from_timestamp_millis(occurred_at_ms).unwrap_or_default();
                self.months.insert((day.year(), day.month()));
            }
        }
    }

    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.rows == 0
    }

    /// Number of months that the calls happened in: partitions of the table that the insert touches, of which the
    /// engine allows 100 at a time (`max_partitions_per_insert_block`).
    pub fn months(&self) -> usize {
        self.months.len()
    }

    /// The columns of the insert.
    pub fn columns() -> &'static [&'static str] {
        &COLUMNS
    }

    /// Moves the rows out, as the body of the insert: one block of ClickHouse's Native format, in pieces to be sent one
    /// after the other. [`Self::rows`] and [`Self::touches`] still tell what it held.
    pub fn encode(&mut self) -> Vec<Bytes> {
        fn fixed<'a>(data_type: &'static str, bytes: &'a mut Vec<u8>) -> Column<'a> {
            Column::Fixed { data_type, bytes }
        }
        let [
            org_id,
            occurred_at,
            event_id,
            position,
            partition,
            appended_at,
            member_id,
            reason,
            provider,
            model,
            input_tokens,
            output_tokens,
            credits,
            provider_cost,
            currency,
        ] = COLUMNS;
        take_block(
            self.rows,
            [
                (org_id, Column::Dictionary(&mut self.org_id)),
                (occurred_at, fixed("DateTime64(3, 'UTC')", &mut self.occurred_at)),
                (event_id, fixed("UUID", &mut self.event_id)),
                (position, fixed("UInt64", &mut self.position)),
                (partition, fixed("UInt16", &mut self.partition)),
                (appended_at, fixed("DateTime64(3, 'UTC')", &mut self.appended_at)),
                (member_id, Column::Dictionary(&mut self.member_id)),
                (reason, Column::Dictionary(&mut self.reason)),
                (provider, Column::Dictionary(&mut self.provider)),
                (model, Column::Dictionary(&mut self.model)),
                (input_tokens, fixed("UInt32", &mut self.input_tokens)),
                (output_tokens, fixed("UInt32", &mut self.output_tokens)),
                (credits, fixed("Decimal(38, 12)", &mut self.credits)),
                (provider_cost, fixed("Decimal(38, 12)", &mut self.provider_cost)),
                (currency, Column::Dictionary(&mut self.currency)),
            ],
        )
    }

    /// What the block changes, one entry an organisation and quarter hour.
    pub fn touches(&self) -> Vec<Touch> {
        self.touches
            .iter()
            .map(|((org, quarter), (first, last))| Touch {
                org_id: self.org_id.text(*org).to_owned(),
                quarter: *quarter,
                first: *first,
                last: *last,
            })
            .collect()
    }
}

/// ClickHouse keeps a UUID as two little-endian halves, the upper one first.
fn put_uuid(bytes: &mut Vec<u8>, (upper, lower): (u64, u64)) {
    bytes.extend_from_slice(&upper.to_le_bytes());
    bytes.extend_from_slice(&lower.to_le_bytes());
}
