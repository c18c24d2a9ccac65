//! `ingest verify` finds whatever is missing, and nothing where nothing is.

use crate::ledger;
use crate::load::Load;
use crate::topic::{Raw, publish, publish_with};
use crate::worker::{Worker, command};
use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions};
use rdkafka::client::DefaultClientContext;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use system_tests::{Room, Stack, call};

/// A room with 800 messages of every kind, in batches of about a hundred, and a worker that has ended.
async fn room_with_calls(test: &str) -> Room {
    let room = Room::new(&Stack::shared(), test).await;
    let mut worker = Worker::start(&room, &[("BATCH_ROWS_MAX", "100")]).await;
    let mut load = Load::default();
    publish(&room, "calls", &load.more(800)).await;
    load.is_counted(&room).await;
    assert!(worker.process.stop().success());
    room
}

async fn damage(room: &Room, sql: &str) {
    let query = room.warehouse().write(sql).with_setting("mutations_sync", "1");
    room.warehouse().execute("damaging", query).await.expect("damaged");
}

/// The codes of the differences that are found, each once.
fn found(room: &Room, arguments: &[&str]) -> Vec<String> {
    let (is_clean, said) = command(room, &[&["verify"], arguments].concat());
    let lines = said.lines().filter(|line| line.starts_with("  ") && !line.starts_with("  partition"));
    let mut kinds: Vec<String> =
        lines.filter_map(|line| Some(line.trim().split_once(':')?.0.to_owned())).collect();
    kinds.sort();
    kinds.dedup();
    assert_eq!(is_clean, kinds.is_empty(), "{said}");
    kinds
}

#[tokio::test(flavor = "multi_thread")]
async fn an_undamaged_ledger_has_no_difference_also_while_it_grows_and_offsets_without_messages_are_named() {
    let room = room_with_calls("verify").await;
    assert!(found(&room, &[]).is_empty());
    let transaction = [("transactional.id", room.name.as_str())];
    publish_with(&room, "calls", &[Raw::of(&call().build())], &transaction).await;
    let _worker = Worker::start(&room, &[]).await;
    publish(&room, "calls", &Load::default().more(2000)).await;
    assert!(found(&room, &["--read-log"]).is_empty(), "in the middle");
    let counts = ledger::settled(&room).await;
    assert_eq!(counts.empty_offsets, 1);
    let (_, said) = command(&room, &["verify", "--read-log"]);
    assert!(said.contains("+ 1 without a message + 0 lost; 0 of the log are not read yet"), "{said}");
    assert!(said.contains("0 differences"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_ledger_is_found() {
    let room = room_with_calls("verifyledger").await;
    let one = "SELECT max(position) FROM ai_calls WHERE partition = 1";
    damage(&room, &format!("DELETE FROM ai_calls WHERE partition = 1 AND position = ({one})")).await;
    assert_eq!(found(&room, &[]), ["ledger_rows"]);
    assert_eq!(found(&room, &["--read-log"]), ["ledger_rows", "missing"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_of_another_position_in_place_of_one_is_found_in_the_log() {
    let room = room_with_calls("verifyswap").await;
    // Where a dead letter was: the sums of all rows stay as they are.
    let sql = "SELECT min(bitShiftLeft(1::UInt64, 48) + number) FROM numbers(1, 200) \
               WHERE bitShiftLeft(1::UInt64, 48) + number NOT IN (SELECT position FROM ai_calls WHERE partition = 2)";
    let position = ledger::ask(&room, sql).await;
    let one = "SELECT * FROM ai_calls WHERE partition = 2 LIMIT 1";
    let sql =
        format!("INSERT INTO ai_calls SELECT * REPLACE (toUInt64({position}) AS position) FROM ({one})");
    damage(&room, &sql).await;
    let kinds = found(&room, &["--read-log"]);
    assert!(kinds.contains(&"unexpected".to_owned()), "{kinds:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn damaged_batches_are_found() {
    let room = room_with_calls("verifybatches").await;
    let first = "SELECT min(to_position) FROM batches WHERE partition = 0 AND from_position < to_position";
    damage(&room, &format!("DELETE FROM batches WHERE partition = 0 AND to_position = ({first})")).await;
    assert_eq!(found(&room, &[]), ["gap"]);

    let room = room_with_calls("verifychanged").await;
    let changed = "ledger_rows = ledger_rows - 1, rerouted = rerouted + 1";
    damage(&room, &format!("ALTER TABLE batches UPDATE {changed} WHERE partition = 0 AND ledger_rows > 5"))
        .await;
    assert_eq!(found(&room, &[]), ["ledger_rows"]);
    assert_eq!(found(&room, &["--read-log"]), ["batch_and_log_differ", "ledger_rows"]);

    let room = room_with_calls("verifysum").await;
    damage(&room, "ALTER TABLE batches UPDATE empty_offsets = 1 WHERE partition = 3 AND ledger_rows > 5")
        .await;
    assert!(found(&room, &[]).contains(&"batch_does_not_add_up".to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_that_were_deleted_unread_and_dead_letters_that_were_deleted_are_found() {
    let room = room_with_calls("verifygone").await;
    let admin: AdminClient<DefaultClientContext> =
        ClientConfig::new().set("bootstrap.servers", room.brokers()).create().expect("an admin client");
    let cut = async |topic: &str, partition| {
        let mut list = TopicPartitionList::new();
        list.add_partition_offset(&room.topic(topic), partition, Offset::End).unwrap();
        admin.delete_records(&list, &AdminOptions::new()).await.expect("deleted");
    };
    // What is in the ledger may go.
    cut("calls", 3).await;
    assert!(found(&room, &["--read-log"]).is_empty());
    publish(&room, "calls", &Load::default().more(300)).await;
    cut("calls", 3).await;
    assert_eq!(found(&room, &[]), ["deleted_unread"]);
    cut("dead-letter", 0).await;
    let (is_clean, said) = command(&room, &["verify"]);
    assert!(!is_clean && said.contains("dead letters must be kept"), "{said}");
}
