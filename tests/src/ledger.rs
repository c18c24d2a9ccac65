//! A ledger of a test's own, written as ingest would write it, without Kafka.

use crate::Room;
use proto::{Call, Position};
use warehouse::{BatchRow, LedgerBlock, SourceRow, TouchRow, Warehouse};

/// A message in the ledger.
#[derive(Debug, Clone)]
pub struct LedgerMessage {
    /// The call it holds.
    pub call: Call,
    /// The partition of its organisation.
    pub partition: u16,
    /// Its place.
    pub position: Position,
    /// When the broker took it, in Unix milliseconds.
    pub appended_at_ms: i64,
}

/// A room with a source, and all that was written to it.
pub struct Ledger {
    /// Database and topics.
    pub room: Room,
    /// Number of partitions.
    pub partitions: u16,
    /// Every message, in the order in which they were appended.
    pub messages: Vec<LedgerMessage>,
    source: u16,
    next_offsets: Vec<i64>,
}

impl Ledger {
    /// An empty one with so many partitions.
    pub async fn new(room: Room, partitions: u16) -> Self {
        let mut ledger = Self { room, partitions, messages: Vec::new(), source: 0, next_offsets: Vec::new() };
        ledger.open_source().await;
        ledger
    }

    /// Records the end of the source, if there is one, and opens the next.
    pub async fn open_source(&mut self) {
        let row = |source, partition, start_position: Position, end_position: Option<Position>| SourceRow {
            source,
            partition,
            kind: "calls".into(),
            cluster_id: "test".into(),
            topic: "test".into(),
            topic_id: format!("test {source}"),
            partitions: self.partitions,
            start_position: start_position.as_u64(),
            end_position: end_position.map_or(0, Position::as_u64),
        };
        let (former, next) = (self.source, self.source + 1);
        let mut rows = Vec::new();
        for (partition, offset) in (0..).zip(&self.next_offsets) {
            rows.push(row(former, partition, before(former, 0), Some(before(former, *offset))));
        }
        rows.extend((0..self.partitions).map(|partition| row(next, partition, before(next, 0), None)));
        self.warehouse().insert_rows("recording", "sources", &rows).await.expect("a source");
        (self.source, self.next_offsets) = (next, vec![0; usize::from(self.partitions)]);
    }

    /// The database.
    pub fn warehouse(&self) -> &Warehouse {
        self.room.warehouse()
    }

    /// Appends calls as one batch a partition, at an append time: ledger rows, touches, batch row.
    pub async fn append(&mut self, calls: &[Call], appended_at_ms: i64) {
        let from = self.next_offsets.clone();
        let first_new = self.messages.len();
        for call in calls {
            let partition = self.partition_of(call.org_id.as_str());
            let offset = &mut self.next_offsets[usize::from(partition)];
            let position = Position::of_message(self.source, *offset).expect("a position");
            *offset += 1;
            self.messages.push(LedgerMessage { call: call.clone(), partition, position, appended_at_ms });
        }
        self.write(&self.messages[first_new..], appended_at_ms).await;
        for partition in 0..self.partitions {
            let (from, to) = (from[usize::from(partition)], self.next_offsets[usize::from(partition)]);
            self.write_batch(partition, from, to, appended_at_ms).await;
        }
    }

    /// Writes ledger rows and touches of messages, once more where they are there already.
    pub async fn write(&self, messages: &[LedgerMessage], appended_at_ms: i64) {
        let encoded: Vec<Vec<u8>> = messages.iter().map(|message| message.call.encode()).collect();
        let mut block = LedgerBlock::default();
        for (message, bytes) in messages.iter().zip(&encoded) {
            let view = proto::decode_call(bytes).expect("a valid call");
            block.push(&view, message.position, message.partition, appended_at_ms);
        }
        if block.is_empty() {
            return;
        }
        let columns = LedgerBlock::columns();
        let inserted = self.warehouse().insert_native("writing", "ai_calls", columns, block.encode()).await;
        inserted.expect("ledger rows");
        let touches: Vec<TouchRow> = block
            .touches()
            .into_iter()
            .map(|touch| TouchRow {
                org_id: touch.org_id,
                quarter: touch.quarter,
                first_position: touch.first.as_u64(),
                last_position: touch.last.as_u64(),
            })
            .collect();
        self.warehouse().insert_rows("touching", "touches", &touches).await.expect("touches");
    }

    /// Writes a batch row for offsets `from..to`, all of which became ledger rows.
    pub async fn write_batch(&self, partition: u16, from: i64, to: i64, appended_at_ms: i64) {
        let row = BatchRow {
            partition,
            from_position: before(self.source, from).as_u64(),
            to_position: before(self.source, to).as_u64(),
            ledger_rows: (to - from) as u64,
            dead_letters: 0,
            rerouted: 0,
            empty_offsets: 0,
            lost: 0,
            appended_at: appended_at_ms,
        };
        self.warehouse().insert_rows("batching", "batches", &[row]).await.expect("a batch row");
    }

    /// The partition of an organisation.
    pub fn partition_of(&self, org_id: &str) -> u16 {
        proto::partition_of(org_id.as_bytes(), u32::from(self.partitions)) as u16
    }

    /// The position before the next message of an organisation.
    pub fn position_of(&self, org_id: &str) -> Position {
        before(self.source, self.next_offsets[usize::from(self.partition_of(org_id))])
    }
}

fn before(source: u16, offset: i64) -> Position {
    Position::before(source, offset).expect("a position")
}
