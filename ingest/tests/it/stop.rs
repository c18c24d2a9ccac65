//! What must not go on: the worker ends, loudly, with what to do; and what it says can be done.

use crate::ledger;
use crate::load::Load;
use crate::topic::publish;
use crate::worker::{Worker, command, command_alone};
use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions};
use rdkafka::client::DefaultClientContext;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use system_tests::{CAREFUL, PARTITIONS, Process, Room, Stack, eventually};
use warehouse::BatchRow;

fn admin(room: &Room) -> AdminClient<DefaultClientContext> {
    ClientConfig::new().set("bootstrap.servers", room.brokers()).create().expect("an admin client")
}

/// Waits for the worker's end, which must be a failure, and returns its last line.
pub async fn last_words(process: &mut Process) -> String {
    eventually("the worker to stop", async || {
        if process.has_ended() { Ok(()) } else { Err(process.log().join("\n")) }
    })
    .await;
    assert!(!process.wait().success());
    process.log().into_iter().rfind(|line| line.contains("ingest ends:")).expect("a last word")
}

async fn recreate_calls(room: &Room) {
    let topic = room.topic("calls");
    admin(room).delete_topics(&[&topic], &AdminOptions::new()).await.expect("deleted");
    eventually("the topic to be made again", async || {
        let (ended_well, said) = command(room, &["topics"]);
        if ended_well && said.contains(&format!("`{topic}` created")) { Ok(()) } else { Err(said) }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_deleted_before_they_were_read_stop_the_worker_until_the_loss_is_recorded() {
    let room = Room::new(&Stack::shared(), "retention").await;
    let mut load = Load::default();
    let mut worker = Worker::start(&room, &[]).await;
    publish(&room, "calls", &load.more(1000)).await;
    load.is_counted(&room).await;
    assert!(worker.process.stop().success());

    let before = ledger::settled(&room).await;
    publish(&room, "calls", &Load::default().more(2000)).await;
    let mut cut = TopicPartitionList::new();
    cut.add_partition_offset(&room.topic("calls"), 2, Offset::End).unwrap();
    admin(&room).delete_records(&cut, &AdminOptions::new()).await.expect("deleted");

    let mut worker = Worker::spawn(&room, &[]).await;
    let words = last_words(&mut worker.process).await;
    assert!(words.contains("partition 2: the ledger goes to offset"), "{words}");
    let advice = words.split('`').find(|part| part.starts_with("ingest record-loss")).expect("what to do");
    let arguments: Vec<&str> = advice.split(' ').skip(1).collect();

    // What is still there cannot be given up, and nothing without the long word.
    let (went_on, said) = command_alone(&room, &arguments[..arguments.len() - 1]).await;
    assert!(!went_on && said.contains("yes-these-messages-are-gone"), "{said}");
    let mut too_far = arguments.clone();
    let through = (arguments[6].parse::<i64>().expect("an offset") + 1).to_string();
    too_far[6] = &through;
    let (went_on, said) = command(&room, &too_far);
    assert!(!went_on && said.contains("is not gone"), "{said}");

    let (went_on, said) = command(&room, &arguments);
    assert!(went_on, "{said}");
    let _worker = Worker::start(&room, &[]).await;
    let after = ledger::settled(&room).await;
    assert!(after.lost > 0 && after.rows > before.rows, "{after:?}");
    assert_eq!(said.matches(&format!(" {} offsets", after.lost)).count(), 1, "{said}");
}

/// Its worker was killed between insert and touches; then Kafka deleted everything before it was read again.
#[tokio::test(flavor = "multi_thread")]
async fn of_a_loss_what_had_reached_the_ledger_is_touched_and_counts() {
    let room = Room::new(&Stack::shared(), "survivors").await;
    let mut load = Load::default();
    // All of them in one batch.
    let slow =
        [CAREFUL, ("FAILPOINT", "after_insert:1"), ("BATCH_AGE_MAX", "3s"), ("BATCH_AGE_MAX_BEHIND", "3s")];
    let mut worker = Worker::start(&room, &slow).await;
    publish(&room, "calls", &load.more(1000)).await;
    worker.process.says("fail point reached").await;
    worker.process.wait();
    let untouched = "SELECT count() FROM (SELECT org_id, toStartOfFifteenMinutes(occurred_at) AS quarter, \
                     max(position) AS last FROM ai_calls GROUP BY org_id, quarter) AS held LEFT JOIN \
                     (SELECT org_id, quarter, max(last_position) AS touch FROM touches GROUP BY org_id, quarter) AS told \
                     USING (org_id, quarter) WHERE told.touch < held.last";
    assert!(ledger::ask(&room, untouched).await > 0, "the worker was killed before it touched them");
    let held = ledger::ask(&room, "SELECT uniqExact(position) FROM ai_calls WHERE partition = 2").await;
    assert!(held > 0);
    let mut cut = TopicPartitionList::new();
    cut.add_partition_offset(&room.topic("calls"), 2, Offset::End).unwrap();
    admin(&room).delete_records(&cut, &AdminOptions::new()).await.expect("deleted");

    let mut worker = Worker::spawn(&room, &[]).await;
    let words = last_words(&mut worker.process).await;
    let advice = words.split('`').find(|part| part.starts_with("ingest record-loss")).expect("what to do");
    let arguments: Vec<&str> = advice.split(' ').skip(1).collect();
    let (went_on, gone) = command_alone(&room, &arguments).await;
    assert!(went_on, "{gone}");
    assert!(gone.contains(&format!("{held} of these were in the ledger and count")), "{gone}");
    let mut worker = Worker::start(&room, &[CAREFUL]).await;
    let counts = ledger::settled(&room).await;
    assert!(counts.lost > 0, "{counts:?}");
    let rows = ledger::ask(&room, "SELECT uniqExact((partition, position)) FROM ai_calls").await;
    assert_eq!(counts.rows, rows);
    assert_eq!(ledger::ask(&room, untouched).await, 0);
    let (is_clean, said) = command(&room, &["verify", "--read-log"]);
    assert!(is_clean, "{said}");
    assert!(worker.process.stop().success());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_ends_before_the_ledger_stops_the_worker_until_a_new_source_begins() {
    let room = Room::new(&Stack::shared(), "cut").await;
    let mut load = Load::default();
    let mut worker = Worker::start(&room, &[]).await;
    publish(&room, "calls", &load.more(600)).await;
    load.is_counted(&room).await;
    assert!(worker.process.stop().success());
    // As if Kafka had come back from an older copy: ten messages were counted that it does not have.
    let counted = room.warehouse().batches(1, &[1]).await.unwrap();
    let end = counted.iter().map(|row| row.to_position).max().unwrap();
    let ahead = BatchRow {
        partition: 1,
        from_position: end,
        to_position: end + 10,
        ledger_rows: 0,
        dead_letters: 10,
        rerouted: 0,
        empty_offsets: 0,
        lost: 0,
        appended_at: 0,
    };
    room.warehouse().insert_rows("testing", "batches", &[ahead]).await.unwrap();

    let mut worker = Worker::spawn(&room, &[]).await;
    let words = last_words(&mut worker.process).await;
    assert!(words.contains("partition 1: the ledger goes to offset"), "{words}");
    assert!(words.contains("but the log ends at"), "{words}");
    // What it says can be done.
    for advice in ["ingest source close", "ingest source open"] {
        let command_line = words.split('`').find(|part| part.starts_with(advice)).expect("what to do");
        let arguments: Vec<&str> = command_line.split(' ').skip(1).collect();
        let (went_on, said) = command_alone(&room, &arguments).await;
        assert!(went_on, "{said}");
    }
    // The partition that was cut is read again, and nothing in it counts twice.
    let _worker = Worker::start(&room, &[]).await;
    publish(&room, "calls", &load.more(300)).await;
    let counts = ledger::settled_since(&room).await;
    assert!(counts.rows > 300 && counts.rows < 600, "the other partitions are not read again: {counts:?}");
    assert_eq!(ledger::identities(&room).await, load.ids);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_topic_made_anew_under_the_same_name_stops_the_worker_until_a_new_source_begins() {
    let room = Room::new(&Stack::shared(), "anew").await;
    let mut load = Load::default();
    let mut worker = Worker::start(&room, &[]).await;
    publish(&room, "calls", &load.more(800)).await;
    load.is_counted(&room).await;
    let of_first = ledger::identities(&room).await;

    // Under a running worker, which notices by itself.
    recreate_calls(&room).await;
    publish(&room, "calls", &Load::default().more(3000)).await;
    let words = last_words(&mut worker.process).await;
    assert!(words.contains("is not the one that source 1 stands for: the topic's id was"), "{words}");
    let mut again = Worker::spawn(&room, &[]).await;
    let words = last_words(&mut again.process).await;
    assert!(words.contains("is not the one that source 1 stands for"), "{words}");
    assert_eq!(ledger::identities(&room).await, of_first, "nothing of the other topic was counted");

    let (went_on, said) = command_alone(&room, &["source", "open", "--topic", "calls"]).await;
    assert!(!went_on && said.contains("source 1 is still open"), "{said}");
    let (went_on, said) = command(&room, &["source", "close", "--topic", "calls"]);
    assert!(!went_on && said.contains("is not the one"), "{said}");
    let close = ["source", "close", "--topic", "calls", "--at-frontier", "--yes-the-rest-is-gone"];
    let (went_on, said) = command(&room, &close);
    assert!(went_on && said.contains("closed at offset"), "{said}");
    let (went_on, said) = command(&room, &["source", "open", "--topic", "calls"]);
    assert!(went_on && said.contains("source 3"), "{said}");

    let mut worker = Worker::start(&room, &[]).await;
    let counts = ledger::settled_since(&room).await;
    assert_eq!(counts.rows + counts.dead_letters + counts.rerouted, 3000 + counts.rerouted);
    assert!(ledger::identities(&room).await.is_superset(&of_first));
    assert!(worker.process.stop().success());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_is_closed_when_all_of_it_is_counted_and_continued_by_the_next() {
    let room = Room::new(&Stack::shared(), "close").await;
    let mut load = Load::default();
    let mut worker = Worker::start(&room, &[]).await;
    publish(&room, "calls", &load.more(500)).await;
    load.is_counted(&room).await;
    let (went_on, said) = command(&room, &["source", "close", "--topic", "calls"]);
    assert!(!went_on && said.contains("stop them first"), "{said}");
    assert!(worker.process.stop().success());
    publish(&room, "calls", &load.more(100)).await;
    eventually("the group to be empty, and the missing part to be named", async || {
        let (went_on, said) = command(&room, &["source", "close", "--topic", "calls"]);
        assert!(!went_on, "{said}");
        if said.contains("not everything") { Ok(()) } else { Err(said) }
    })
    .await;
    let mut worker = Worker::start(&room, &[]).await;
    load.is_counted(&room).await;
    assert!(worker.process.stop().success());
    eventually("the source to be closed", async || {
        let (went_on, said) = command(&room, &["source", "close", "--topic", "calls"]);
        if went_on { Ok(()) } else { Err(said) }
    })
    .await;
    let mut worker = Worker::spawn(&room, &[]).await;
    let words = last_words(&mut worker.process).await;
    assert!(words.contains("source 1 of topic") && words.contains("is closed"), "{words}");
    let (went_on, said) = command(&room, &["source", "open", "--topic", "calls"]);
    assert!(went_on, "{said}");
    let _worker = Worker::start(&room, &[]).await;
    let before = ledger::identities(&room).await.len();
    publish(&room, "calls", &Load::default().more(200)).await;
    let counts = ledger::settled_since(&room).await;
    assert!(counts.rows > 0 && counts.rows < 300, "the first source is not read again: {counts:?}");
    assert!(ledger::identities(&room).await.len() > before);
    assert_eq!(ledger::ask(&room, "SELECT uniqExact(bitShiftRight(position, 48)) FROM ai_calls").await, 2);
    assert_eq!(ledger::ask(&room, "SELECT uniqExact(partition) FROM sources").await, u64::from(PARTITIONS));
}
