//! The ledger's rows as they stand, in no order, of spans of positions: for comparing them with what the broker holds.
//!
//! The key begins with the organisation, so a span of positions is found by reading one narrow column of everything; the
//! other columns are read where it matches. Ask for large spans.

use crate::client::Warehouse;
use crate::error::WarehouseError;
use crate::rows::DecimalUnits;
use clickhouse::Row;
use clickhouse::query::{Query, RowCursor};
use proto::Position;
use serde::{Deserialize, Serialize};

/// A ledger row: every column of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Row, Serialize, Deserialize)]
pub struct LedgerRow<'a> {
    /// The organisation.
    pub org_id: &'a str,
    /// When it happened, in Unix milliseconds.
    pub occurred_at: i64,
    /// The id's bytes.
    pub event_id: [u8; 16],
    /// The message's position.
    pub position: u64,
    /// The message's partition.
    pub partition: u16,
    /// The broker's append time, in Unix milliseconds.
    pub appended_at: i64,
    /// The member.
    pub member_id: &'a str,
    /// What for.
    pub reason: &'a str,
    /// Who answered.
    pub provider: &'a str,
    /// With which model.
    pub model: &'a str,
    /// Tokens read.
    pub input_tokens: u32,
    /// Tokens written.
    pub output_tokens: u32,
    /// 0 for a BYOK call.
    pub credits: DecimalUnits,
    /// 0 for a call charged in credits.
    pub provider_cost: DecimalUnits,
    /// Of the provider cost; empty for a call charged in credits.
    pub currency: &'a str,
}

/// Where a ledger row stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Row, Serialize, Deserialize)]
pub struct LedgerPlace {
    /// The message's partition.
    pub partition: u16,
    /// The message's position.
    pub position: u64,
}

const DOING: &str = "reading the ledger";

impl Warehouse {
    /// Where the ledger rows of spans `(from, to]` stand, one span a partition, by its number. The same message comes
    /// twice where a re-delivery is not merged yet.
    ///
    /// # Errors
    /// Engine, network, and a time-out of any one wait.
    pub async fn each_ledger_place(
        &self,
        spans: &[(Position, Position)],
        mut visit: impl FnMut(LedgerPlace),
    ) -> Result<(), WarehouseError> {
        let mut cursor = self.spans("partition, position", spans).fetch::<LedgerPlace>().map_err(failed)?;
        while let Some(row) = self.next(&mut cursor).await? {
            visit(row);
        }
        Ok(())
    }

    /// The same rows with all their columns.
    ///
    /// # Errors
    /// As [`Self::each_ledger_place`].
    pub async fn each_ledger_row(
        &self,
        spans: &[(Position, Position)],
        mut visit: impl FnMut(LedgerRow<'_>),
    ) -> Result<(), WarehouseError> {
        let columns = "org_id, occurred_at, UUIDToNum(event_id) AS event_id, position, partition, appended_at, member_id, \
                       reason, provider, model, input_tokens, output_tokens, credits, provider_cost, currency";
        let mut cursor = self.spans(columns, spans).fetch::<LedgerRow<'_>>().map_err(failed)?;
        while let Some(row) = self.next(&mut cursor).await? {
            visit(row);
        }
        Ok(())
    }

    fn spans(&self, columns: &str, spans: &[(Position, Position)]) -> Query {
        let from: Vec<u64> = spans.iter().map(|(from, _)| from.as_u64()).collect();
        let to: Vec<u64> = spans.iter().map(|(_, to)| to.as_u64()).collect();
        // A partition beyond the arrays finds 0 in both, and so nothing.
        let sql = format!(
            "SELECT {columns} FROM ai_calls \
             PREWHERE position > {{lowest:UInt64}} AND position <= {{highest:UInt64}} \
             AND position > {{from:Array(UInt64)}}[ai_calls.partition + 1] \
             AND position <= {{to:Array(UInt64)}}[ai_calls.partition + 1]"
        );
        self.read(&sql)
            .param("lowest", from.iter().min().copied().unwrap_or_default())
            .param("highest", to.iter().max().copied().unwrap_or_default())
            .param("from", from)
            .param("to", to)
    }

    async fn next<'c, T: clickhouse::RowRead>(
        &self,
        cursor: &'c mut RowCursor<T>,
    ) -> Result<Option<T::Value<'c>>, WarehouseError> {
        let limit = self.timeout();
        match tokio::time::timeout(limit, cursor.next()).await {
            Ok(row) => row.map_err(failed),
            Err(_) => Err(WarehouseError::Timeout { doing: DOING, limit }),
        }
    }
}

fn failed(source: clickhouse::error::Error) -> WarehouseError {
    WarehouseError::Engine { doing: DOING, source }
}
