//! What must hold in every room at the end, asked from the real engine and the real broker.

use ingest::source::Source;
use ingest::topic::Kind;
use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use std::collections::BTreeSet;
use std::time::Duration;
use system_tests::{PARTITIONS, Room, eventually};
use warehouse::{BatchRow, chain, chain_end};

/// Counts of the calls topic, over all partitions and the whole chain of batches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    pub rows: u64,
    pub dead_letters: u64,
    pub rerouted: u64,
    pub empty_offsets: u64,
    pub lost: u64,
}

/// Waits until the batches of every partition of the calls topic reach the end of its log.
pub async fn caught_up(room: &Room) {
    // The end of all messages, not of the committed ones: a transaction's marker comes a moment after its commit.
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", room.brokers())
        .set("isolation.level", "read_uncommitted")
        .create()
        .expect("a client");
    let topic = room.topic("calls");
    eventually("the ledger to reach the end of the log", async || {
        // All positions first, all ends after them: a call that was rerouted in between would else be missed.
        let mut positions = Vec::new();
        for partition in 0..PARTITIONS as u16 {
            positions.push(counts_of(room, partition).await.ok_or("no source is open")?.0);
        }
        let mut behind = Vec::new();
        for (partition, at) in positions.into_iter().enumerate() {
            let (_, end) = consumer
                .fetch_watermarks(&topic, partition as i32, Duration::from_secs(20))
                .map_err(|error| error.to_string())?;
            if at != end {
                behind.push(format!("partition {partition}: {at} of {end}"));
            }
        }
        if behind.is_empty() { Ok(()) } else { Err(behind.join(", ")) }
    })
    .await;
}

async fn newest_source(room: &Room) -> Option<Source> {
    let rows = room.warehouse().sources().await.expect("sources");
    Source::newest(&rows, Kind::Calls).expect("complete sources")
}

impl Counts {
    fn and(self, more: Self) -> Self {
        Self {
            rows: self.rows + more.rows,
            dead_letters: self.dead_letters + more.dead_letters,
            rerouted: self.rerouted + more.rerouted,
            empty_offsets: self.empty_offsets + more.empty_offsets,
            lost: self.lost + more.lost,
        }
    }
}

/// Where the chain of a partition ends, and its sums.
async fn counts_of(room: &Room, partition: u16) -> Option<(i64, Counts)> {
    let source = newest_source(room).await?;
    let rows = room.warehouse().batches(source.number, &[partition]).await.expect("batches");
    let start = source.extents[usize::from(partition)].start;
    let chain = chain(start, &rows);
    let mut counts = Counts::default();
    for row in &chain {
        assert!(BatchRow::adds_up(row), "{row:?}");
        counts = counts.and(Counts {
            rows: row.ledger_rows,
            dead_letters: row.dead_letters,
            rerouted: row.rerouted,
            empty_offsets: row.empty_offsets,
            lost: row.lost,
        });
    }
    Some((chain_end(start, &chain).next_offset(), counts))
}

/// As [`settled`], for a room whose calls came from two sources: the counts are those of the newest.
pub async fn settled_since(room: &Room) -> Counts {
    caught_up(room).await;
    let source = newest_source(room).await.expect("a source").number;
    let mut all = Counts::default();
    for partition in 0..PARTITIONS as u16 {
        let (_, counts) = counts_of(room, partition).await.expect("a source");
        let sql = format!(
            "SELECT uniqExact(position) FROM ai_calls WHERE partition = {partition} \
             AND bitShiftRight(position, 48) = {source}"
        );
        assert_eq!(
            ask(room, &sql).await,
            counts.rows,
            "ledger rows of partition {partition} and its batches"
        );
        all = all.and(counts);
    }
    all
}

/// Waits until everything is read, proves that ledger, touches and batches fit together, and returns the counts.
pub async fn settled(room: &Room) -> Counts {
    caught_up(room).await;
    let mut all = Counts::default();
    for partition in 0..PARTITIONS as u16 {
        let (_, counts) = counts_of(room, partition).await.expect("a source");
        let rows: u64 =
            ask(room, &format!("SELECT uniqExact(position) FROM ai_calls WHERE partition = {partition}"))
                .await;
        assert_eq!(rows, counts.rows, "ledger rows of partition {partition} and what its batches say");
        all = all.and(counts);
    }
    let untouched: u64 = ask(
        room,
        "SELECT count() FROM ai_calls AS c LEFT JOIN (SELECT org_id, quarter, min(first_position) AS low, \
         max(last_position) AS high FROM touches GROUP BY org_id, quarter) AS t \
         ON c.org_id = t.org_id AND toStartOfFifteenMinutes(toDateTime(c.occurred_at)) = t.quarter \
         WHERE NOT (t.low <= c.position AND c.position <= t.high)",
    )
    .await;
    assert_eq!(untouched, 0, "ledger rows without a touch");
    let strangers: u64 = ask(
        room,
        &format!(
            "SELECT count() FROM ai_calls WHERE partition >= {PARTITIONS} OR position = 0 OR appended_at = 0"
        ),
    )
    .await;
    assert_eq!(strangers, 0, "rows that no message can have made");
    all
}

/// Event ids of the ledger: each counts once, however many rows it has.
pub async fn identities(room: &Room) -> BTreeSet<String> {
    let query = room.warehouse().read("SELECT DISTINCT toString(event_id) FROM ai_calls");
    let ids: Vec<String> = room.warehouse().fetch_all("testing", query).await.expect("an answer");
    ids.into_iter().collect()
}

/// A number from the engine.
pub async fn ask(room: &Room, sql: &str) -> u64 {
    let query = room.warehouse().read(sql);
    room.warehouse().fetch_one("testing", query).await.expect("an answer")
}
