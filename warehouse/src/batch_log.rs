//! What the tables `sources` and `batches` say: which topics were read, and how far.

use crate::client::Warehouse;
use crate::error::WarehouseError;
use crate::rows::{BatchRow, SourceRow, TouchRow};
use clickhouse::Row;
use proto::Position;
use serde::Deserialize;
use std::collections::HashMap;

/// The rows that lead without overlap from `start` as far as any do: each begins exactly where the one before ends.
/// Their counts may therefore be summed.
///
/// Such a chain reaches every end of a batch that a worker wrote after it started at the end of a chain, which workers
/// do; its end is never beyond the [`frontier`](crate::frontier()), and below it only while a worker that froze and
/// woke up has written rows further than the worker that took its place. Idle rows (`from = to`) are left out.
pub fn chain(start: Position, rows: &[BatchRow]) -> Vec<BatchRow> {
    let mut rows: Vec<&BatchRow> = rows.iter().filter(|row| row.from_position < row.to_position).collect();
    rows.sort_unstable_by_key(|row| (row.from_position, row.to_position));
    // The row by which each end was reached first; with rows in the order of their starts, all rows that end at a
    // position come before all that start there.
    let mut reached_by: HashMap<u64, &BatchRow> = HashMap::new();
    let start = start.as_u64();
    let mut end = start;
    for row in rows {
        if row.from_position == start || reached_by.contains_key(&row.from_position) {
            reached_by.entry(row.to_position).or_insert(row);
            end = end.max(row.to_position);
        }
    }
    let mut chain = Vec::new();
    while let Some(row) = reached_by.get(&end).filter(|_| end > start) {
        chain.push(**row);
        end = row.from_position;
    }
    chain.reverse();
    chain
}

/// The end of the [`chain`].
pub fn chain_end(start: Position, chain: &[BatchRow]) -> Position {
    chain.last().map_or(start, |row| Position::from_u64(row.to_position))
}

/// What the ledger holds of one quarter hour of one organisation.
#[derive(Row, Deserialize)]
struct HeldRow {
    org_id: String,
    quarter: u32,
    first_position: u64,
    last_position: u64,
    messages: u64,
}

impl Warehouse {
    /// All sources, each with all its partitions, in order.
    ///
    /// # Errors
    /// Engine, network and time-out.
    pub async fn sources(&self) -> Result<Vec<SourceRow>, WarehouseError> {
        let query = self.read(
            "SELECT source, partition, anyLast(kind) AS kind, anyLast(cluster_id) AS cluster_id, \
             anyLast(topic) AS topic, anyLast(topic_id) AS topic_id, anyLast(partitions) AS partitions, \
             min(start_position) AS start_position, max(end_position) AS end_position \
             FROM sources GROUP BY source, partition ORDER BY source, partition",
        );
        self.fetch_all("reading the sources", query).await
    }

    /// Rows of `batches` of one source and some of its partitions.
    ///
    /// # Errors
    /// Engine, network and time-out.
    pub async fn batches(&self, source: u16, partitions: &[u16]) -> Result<Vec<BatchRow>, WarehouseError> {
        let query = self
            .read(
                "SELECT partition, from_position, to_position, ledger_rows, dead_letters, rerouted, \
                 empty_offsets, lost, appended_at FROM batches FINAL \
                 WHERE partition IN {partitions:Array(UInt16)} \
                 AND bitShiftRight(from_position, 48) = {source:UInt16} \
                 ORDER BY partition, from_position, to_position",
            )
            .param("partitions", partitions)
            .param("source", source);
        self.fetch_all("reading the batches", query).await
    }

    /// How many rows of `batches` some partitions of a source have.
    ///
    /// # Errors
    /// Engine, network and time-out.
    pub async fn count_batches(
        &self,
        source: u16,
        partitions: &[u16],
    ) -> Result<Vec<(u16, u64)>, WarehouseError> {
        let query = self
            .read(
                "SELECT partition, count() FROM batches FINAL \
                 WHERE partition IN {partitions:Array(UInt16)} \
                 AND bitShiftRight(from_position, 48) = {source:UInt16} GROUP BY partition ORDER BY partition",
            )
            .param("partitions", partitions)
            .param("source", source);
        self.fetch_all("counting the batches", query).await
    }

    /// Deletes the rows that lie inside `folded`, a row that was inserted to stand for them. Running it again, or in
    /// two workers at once, changes nothing more.
    ///
    /// # Errors
    /// Engine, network and time-out.
    pub async fn delete_batches_inside(&self, folded: &BatchRow) -> Result<(), WarehouseError> {
        let sql = format!(
            "{} WHERE partition = {{partition:UInt16}} \
             AND from_position >= {{from:UInt64}} AND to_position <= {{to:UInt64}} \
             AND NOT (from_position = {{from:UInt64}} AND to_position = {{to:UInt64}})",
            self.flavour().delete_from("batches")
        );
        let query = self
            .write(&sql)
            .param("partition", folded.partition)
            .param("from", folded.from_position)
            .param("to", folded.to_position);
        self.execute("deleting folded batches", query).await
    }

    /// What the ledger holds of a partition in `(from, to]`: the touches that its rows need, and how many messages they
    /// are.
    ///
    /// # Errors
    /// Engine, network and time-out.
    pub async fn held_within(
        &self,
        partition: u16,
        from: Position,
        to: Position,
    ) -> Result<(Vec<TouchRow>, u64), WarehouseError> {
        let query = self
            .read(
                "SELECT org_id, toUnixTimestamp(toStartOfFifteenMinutes(occurred_at)) AS quarter, \
                 min(position) AS first_position, max(position) AS last_position, \
                 uniqExact(position) AS messages FROM ai_calls \
                 WHERE partition = {partition:UInt16} AND position > {from:UInt64} AND position <= {to:UInt64} \
                 GROUP BY org_id, quarter ORDER BY org_id, quarter",
            )
            .param("partition", partition)
            .param("from", from.as_u64())
            .param("to", to.as_u64());
        let held: Vec<HeldRow> = self.fetch_all("reading what the ledger holds", query).await?;
        let messages = held.iter().map(|row| row.messages).sum();
        let touches = held.into_iter().map(|row| TouchRow {
            org_id: row.org_id,
            quarter: row.quarter,
            first_position: row.first_position,
            last_position: row.last_position,
        });
        Ok((touches.collect(), messages))
    }

    /// Deletes ledger rows of a partition in `(from, to]`: rows beyond the end at which a source was closed, which a killed
    /// worker left behind. With later sources they would be below everybody's position, and count.
    ///
    /// # Errors
    /// Engine, network and time-out.
    pub async fn delete_ledger_rows(
        &self,
        partition: u16,
        from: Position,
        to: Position,
    ) -> Result<(), WarehouseError> {
        let sql = format!(
            "{} WHERE partition = {{partition:UInt16}} AND position > {{from:UInt64}} AND position <= {{to:UInt64}}",
            self.flavour().delete_from("ai_calls")
        );
        let query = self
            .write(&sql)
            .param("partition", partition)
            .param("from", from.as_u64())
            .param("to", to.as_u64());
        self.execute("deleting ledger rows beyond the end of a source", query).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(from_position: u64, to_position: u64) -> BatchRow {
        BatchRow {
            partition: 0,
            from_position,
            to_position,
            ledger_rows: to_position - from_position,
            dead_letters: 0,
            rerouted: 0,
            empty_offsets: 0,
            lost: 0,
            appended_at: 0,
        }
    }

    fn of(start: u64, rows: &[(u64, u64)]) -> Vec<(u64, u64)> {
        let rows: Vec<BatchRow> = rows.iter().map(|(from, to)| row(*from, *to)).collect();
        let chain = chain(Position::from_u64(start), &rows);
        chain.iter().map(|row| (row.from_position, row.to_position)).collect()
    }

    #[test]
    fn each_row_of_a_chain_begins_where_the_one_before_ends() {
        assert_eq!(of(5, &[]), []);
        assert_eq!(of(0, &[(4, 9), (0, 4), (9, 9), (9, 12)]), [(0, 4), (4, 9), (9, 12)]);
        assert_eq!(of(0, &[(1, 4)]), []);
    }

    #[test]
    fn of_two_workers_rows_the_ones_that_lead_furthest_are_taken() {
        assert_eq!(of(0, &[(0, 10), (10, 20), (0, 7), (7, 15), (15, 30)]), [(0, 7), (7, 15), (15, 30)]);
        assert_eq!(of(0, &[(0, 10), (10, 20), (0, 20)]), [(0, 20)]);
        assert_eq!(of(0, &[(0, 10), (5, 30), (10, 20)]), [(0, 10), (10, 20)]);
    }

    proptest::proptest! {
        /// Workers start at the end of a chain and write on from there, in any interleaving: the furthest row of the
        /// last one is always reached, and so the counts sum to the whole interval.
        #[test]
        fn what_a_worker_wrote_is_always_reached(
            lives in proptest::collection::vec(proptest::collection::vec(1u64..9, 1..5), 1..6),
        ) {
            let start = Position::from_u64(100);
            let mut rows: Vec<BatchRow> = Vec::new();
            for life in lives {
                let mut at = chain_end(start, &chain(start, &rows)).as_u64();
                // What the life before wrote late, after this one had read its start, overlaps.
                let late = rows.last().map(|last| row(last.from_position, last.to_position));
                for length in life {
                    rows.push(row(at, at + length));
                    at += length;
                }
                rows.extend(late);
                let chain = chain(start, &rows);
                proptest::prop_assert!(chain_end(start, &chain).as_u64() >= at);
                let sum: u64 = chain.iter().map(|row| row.ledger_rows).sum();
                proptest::prop_assert_eq!(sum, chain_end(start, &chain).as_u64() - start.as_u64());
            }
        }
    }
}
