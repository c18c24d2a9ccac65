//! A ledger of a test's own, written as ingest would write it, and everything that was ever written to it.

use proto::{Call, Position};
use rollup::{Step, Worker, WorkerSettings};
use service::settings::DurationSetting;
use service::shutdown::Shutdown;
use system_tests::{Room, Stack};
use warehouse::{BatchRow, LedgerBlock, MemberRow, OrganisationRow, SourceRow, TouchRow, Warehouse};

const PARTITIONS: u16 = 3;

/// A message in the ledger.
#[derive(Debug, Clone)]
pub struct Message {
    pub call: Call,
    pub partition: u16,
    pub position: Position,
    pub appended_at_ms: i64,
}

/// A room with a source, and what was written to it.
pub struct World {
    pub room: Room,
    pub messages: Vec<Message>,
    pub members: Vec<MemberRow>,
    source: u16,
    next_offsets: [i64; PARTITIONS as usize],
    directory_position: u64,
}

impl World {
    pub async fn new(test: &str) -> Self {
        let room = Room::new(&Stack::shared(), test).await;
        let mut world = Self {
            room,
            messages: Vec::new(),
            members: Vec::new(),
            source: 0,
            next_offsets: Default::default(),
            directory_position: 0,
        };
        world.open_source().await;
        world
    }

    /// Records the end of the source, if there is one, and opens the next.
    pub async fn open_source(&mut self) {
        let row = |source, partition, start_position: u64, end_position: u64| SourceRow {
            source,
            partition,
            kind: "calls".into(),
            cluster_id: "test".into(),
            topic: "test".into(),
            topic_id: format!("test {source}"),
            partitions: PARTITIONS,
            start_position,
            end_position,
        };
        let begin = |source| Position::before(source, 0).unwrap().as_u64();
        let former = self.source;
        let mut rows = Vec::new();
        for partition in (0..PARTITIONS).filter(|_| former > 0) {
            let end = Position::before(former, self.next_offsets[usize::from(partition)]).unwrap();
            rows.push(row(former, partition, begin(former), end.as_u64()));
        }
        self.source += 1;
        self.next_offsets = Default::default();
        rows.extend((0..PARTITIONS).map(|partition| row(self.source, partition, begin(self.source), 0)));
        self.warehouse().insert_rows("recording", "sources", &rows).await.unwrap();
    }

    pub fn warehouse(&self) -> &Warehouse {
        self.room.warehouse()
    }

    /// Tells an organisation's names and zone.
    pub async fn organisation(&mut self, org_id: &str, zone: &str) {
        self.directory_position += 1;
        let row = OrganisationRow {
            org_id: org_id.into(),
            position: self.directory_position,
            short_name: format!("{org_id}-short"),
            display_name: format!("{org_id} Ltd"),
            time_zone: zone.into(),
        };
        self.warehouse().insert_rows("naming", "organisations", &[row]).await.unwrap();
    }

    /// Tells a member's name.
    pub async fn member(&mut self, org_id: &str, member_id: &str, name: &str, removed: bool) {
        self.directory_position += 1;
        let row = MemberRow {
            org_id: org_id.into(),
            member_id: member_id.into(),
            position: self.directory_position,
            name: name.into(),
            email: format!("{member_id}@{org_id}.example"),
            removed,
        };
        self.warehouse().insert_rows("naming", "members", std::slice::from_ref(&row)).await.unwrap();
        self.members.retain(|known| (known.org_id.as_str(), known.member_id.as_str()) != (org_id, member_id));
        self.members.push(row);
    }

    /// Appends calls as one batch a partition: ledger rows, touches, batch row.
    pub async fn append(&mut self, calls: &[Call], appended_at_ms: i64) {
        let from = self.next_offsets;
        let first_new = self.messages.len();
        for call in calls {
            let partition = partition_of(call.org_id.as_str());
            let offset = &mut self.next_offsets[usize::from(partition)];
            let position = Position::of_message(self.source, *offset).unwrap();
            *offset += 1;
            self.messages.push(Message { call: call.clone(), partition, position, appended_at_ms });
        }
        self.write(&self.messages[first_new..], appended_at_ms).await;
        for partition in 0..PARTITIONS {
            let (from, to) = (from[usize::from(partition)], self.next_offsets[usize::from(partition)]);
            self.batch(partition, from, to, appended_at_ms).await;
        }
    }

    /// Writes ledger rows and touches of messages, once more where they are there already.
    pub async fn write(&self, messages: &[Message], appended_at_ms: i64) {
        let encoded: Vec<Vec<u8>> = messages.iter().map(|message| message.call.encode()).collect();
        let mut block = LedgerBlock::default();
        for (message, bytes) in messages.iter().zip(&encoded) {
            let view = proto::decode_call(bytes).unwrap();
            block.push(&view, message.position, message.partition, appended_at_ms);
        }
        if block.is_empty() {
            return;
        }
        let warehouse = self.warehouse();
        warehouse.insert_native("writing", "ai_calls", LedgerBlock::columns(), block.encode()).await.unwrap();
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
        warehouse.insert_rows("touching", "touches", &touches).await.unwrap();
    }

    /// Writes a batch row for offsets `from..to`.
    pub async fn batch(&self, partition: u16, from: i64, to: i64, appended_at_ms: i64) {
        let position = |offset| Position::before(self.source, offset).unwrap().as_u64();
        let row = BatchRow {
            partition,
            from_position: position(from),
            to_position: position(to),
            ledger_rows: (to - from) as u64,
            dead_letters: 0,
            rerouted: 0,
            empty_offsets: 0,
            lost: 0,
            appended_at: appended_at_ms,
        };
        self.warehouse().insert_rows("batching", "batches", &[row]).await.unwrap();
    }

    /// The position before the next message of an organisation.
    pub fn position_of(&self, org_id: &str) -> Position {
        let partition = usize::from(partition_of(org_id));
        Position::before(self.source, self.next_offsets[partition]).unwrap()
    }

    /// A rollup worker of this ledger.
    pub fn worker(&self) -> Worker {
        let settings = WorkerSettings {
            index: 0,
            count: 1,
            step_interval: DurationSetting::from_millis(10),
            grace: DurationSetting::from_secs(2),
            rows_per_statement: 1_000_000,
            buckets_per_statement: 2_000,
        };
        Worker::new(self.warehouse().clone(), settings, Shutdown::new())
    }

    /// Lets a worker step until nothing is left to do.
    pub async fn settle(&self, worker: &mut Worker) {
        let mut idle = 0;
        while idle < 2 {
            // A bucket is due one look after its last touch was seen.
            idle = if worker.step().await.unwrap() == Step::Idle { idle + 1 } else { 0 };
        }
    }
}

/// The partition of an organisation.
pub fn partition_of(org_id: &str) -> u16 {
    u16::try_from(proto::partition_of(org_id.as_bytes(), u32::from(PARTITIONS))).unwrap()
}
