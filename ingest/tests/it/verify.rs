//! `ingest verify` finds whatever is missing, and nothing where nothing is.

use crate::ledger;
use crate::load::Load;
use crate::topic::{Raw, message_at, publish, publish_with};
use crate::worker::{Worker, command, dead_letters};
use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions};
use rdkafka::client::DefaultClientContext;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use system_tests::{CAREFUL, Room, Stack, call};

/// A room with 800 messages of every kind, in batches of about a hundred, and a worker that has ended.
async fn room_with_calls(test: &str) -> Room {
    let room = Room::new(&Stack::shared(), test).await;
    let mut worker = Worker::start(&room, &[CAREFUL, ("BATCH_ROWS_MAX", "100")]).await;
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
    let _worker = Worker::start(&room, &[CAREFUL]).await;
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

    // As if all that came within the next hour had been counted. A changed time is a newer version of its row.
    let room = room_with_calls("verifytime").await;
    let later = "INSERT INTO batches SELECT * REPLACE (appended_at + INTERVAL 1 HOUR AS appended_at) FROM batches \
                 WHERE partition = 1 AND from_position < to_position ORDER BY to_position LIMIT 1";
    damage(&room, later).await;
    assert_eq!(found(&room, &["--read-log"]), ["complete_too_early"]);

    // As if a message had been given up that the log still has.
    let room = room_with_calls("verifylost").await;
    damage(&room, "ALTER TABLE batches UPDATE rerouted = rerouted - 1, lost = lost + 1 WHERE rerouted > 0")
        .await;
    assert_eq!(found(&room, &["--read-log"]), ["batch_and_log_differ"]);

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

/// Every column of the ledger, and another value for it.
const CHANGES: [(&str, &str); 15] = [
    ("org_id", "concat(org_id, 'x')"),
    ("occurred_at", "occurred_at + toIntervalMillisecond(1)"),
    ("event_id", "toUUID('01900000-0000-7000-8000-000000000000')"),
    ("position", "position + 1000000"),
    ("partition", "toUInt16(partition + 100)"),
    ("appended_at", "appended_at - toIntervalMillisecond(1)"),
    ("member_id", "concat(member_id, 'x')"),
    ("reason", "concat(reason, 'x')"),
    ("provider", "concat(provider, 'x')"),
    ("model", "concat(model, 'x')"),
    ("input_tokens", "input_tokens + 1"),
    ("output_tokens", "output_tokens + 1"),
    ("credits", "credits + toDecimal128('0.000000000001', 12)"),
    ("provider_cost", "provider_cost + toDecimal128('0.000000000001', 12)"),
    ("currency", "concat(currency, 'X')"),
];

/// No rollup worker has ever seen this ledger: what is found here, the messages alone can tell.
#[tokio::test(flavor = "multi_thread")]
async fn each_column_of_a_first_write_a_repeat_a_conflict_and_a_single_call_that_is_changed_is_named() {
    let room = Room::new(&Stack::shared(), "verifycolumns").await;
    let mut worker = Worker::start(&room, &[CAREFUL]).await;
    let (told, single) = (call().org("acme").build(), call().org("globex").byok("0.5", "EUR").build());
    let conflict = call().org("acme").id(told.event_id).member("someone-else").build();
    let messages = [&told, &told, &conflict, &single].map(Raw::of);
    publish(&room, "calls", &messages).await;
    ledger::settled(&room).await;
    assert!(worker.process.stop().success());
    damage(&room, "CREATE TABLE kept AS ai_calls ENGINE = MergeTree ORDER BY tuple()").await;
    damage(&room, "INSERT INTO kept SELECT * FROM ai_calls").await;
    assert!(found(&room, &["--read-log"]).is_empty());
    for (column, value) in CHANGES {
        damage(&room, "TRUNCATE TABLE ai_calls").await;
        let changed = format!("INSERT INTO ai_calls SELECT * REPLACE ({value} AS {column}) FROM kept");
        damage(&room, &changed).await;
        let (is_clean, said) = command(&room, &["verify", "--read-log"]);
        let count = |text: &str| said.lines().filter(|line| line.contains(text)).count();
        let named = match column {
            "position" | "partition" => count("there is no ledger row"),
            _ => count(&format!("{column}: expected ")),
        };
        assert!(!is_clean && named == 4, "{column}: {said}");
    }
    // A message that was delivered again is the same row once more, which the engine merges.
    damage(&room, "TRUNCATE TABLE ai_calls").await;
    for _ in 0..2 {
        damage(&room, "INSERT INTO ai_calls SELECT * FROM kept").await;
    }
    assert!(found(&room, &["--read-log"]).is_empty());
    // Doubled with another content, under the same key and under another one.
    for (column, value) in [("member_id", "'eve'"), ("org_id", "'initech'")] {
        let doubled =
            format!("INSERT INTO ai_calls SELECT * REPLACE ({value} AS {column}) FROM kept LIMIT 1");
        damage(&room, &doubled).await;
        assert_eq!(found(&room, &["--read-log"]), ["row_differs"], "{column}");
        damage(&room, "TRUNCATE TABLE ai_calls").await;
        damage(&room, "INSERT INTO ai_calls SELECT * FROM kept").await;
    }
    // Each of them deleted.
    for offset in 0..4 {
        let one = format!(
            "(partition, position) = (SELECT partition, position FROM kept ORDER BY partition, position LIMIT {offset}, 1)"
        );
        damage(&room, &format!("DELETE FROM ai_calls WHERE {one}")).await;
        assert_eq!(found(&room, &["--read-log"]), ["ledger_rows", "missing"], "row {offset}");
        damage(&room, &format!("INSERT INTO ai_calls SELECT * FROM kept WHERE {one}")).await;
    }
    assert!(found(&room, &["--read-log"]).is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_letter_that_does_not_hold_the_bytes_of_its_message_is_found() {
    let room = Room::new(&Stack::shared(), "verifyletters").await;
    let mut worker = Worker::start(&room, &[CAREFUL]).await;
    let poison = Raw::of(&call().build()).payload(Some(b"no call")).header("trace", "abc");
    publish(&room, "calls", &[poison]).await;
    ledger::settled(&room).await;
    assert!(worker.process.stop().success());
    assert!(found(&room, &["--read-log"]).is_empty());
    let [letter] = &dead_letters(&room, &[])[..] else { panic!("one dead letter") };
    let letter = message_at(&room, "dead-letter", letter.partition as u32, Offset::Offset(letter.offset));
    publish(&room, "dead-letter", std::slice::from_ref(&letter)).await;
    assert!(found(&room, &["--read-log"]).is_empty(), "written twice, as after a kill");
    let with_header = |index: usize, value: &str| {
        let mut changed = letter.clone();
        changed.headers[index].1 = value.into();
        changed
    };
    let of_ours = letter.headers.len() - 6;
    let changes = [
        ("payload", letter.clone().payload(Some(b"no call!"))),
        ("payload", letter.clone().payload(None)),
        ("key", Raw { key: None, ..letter.clone() }),
        ("headers", with_header(0, "abd")),
        ("append time or reason", with_header(of_ours + 3, "1")),
        ("append time or reason", with_header(of_ours + 4, "empty")),
    ];
    for (so_many, (part, changed)) in (1..).zip(changes) {
        publish(&room, "dead-letter", &[changed]).await;
        let (is_clean, said) = command(&room, &["verify", "--read-log"]);
        let lines: Vec<&str> = said.lines().filter(|line| line.contains("dead_letter_differs")).collect();
        assert!(!is_clean && lines.len() == so_many, "{part}: {said}");
        assert!(lines.iter().any(|line| line.contains(part)), "{part}: {said}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_is_compared_at_once_the_same_is_found() {
    let room = room_with_calls("verifywindows").await;
    let said = |arguments: &[&str]| command(&room, &[&["verify", "--read-log"], arguments].concat());
    let (is_clean, whole) = said(&[]);
    assert!(is_clean, "{whole}");
    assert_eq!(said(&["--at-once", "300"]), (true, whole));
    let one = "SELECT min(position) FROM ai_calls WHERE partition = 1";
    damage(&room, &format!("DELETE FROM ai_calls WHERE partition = 1 AND position = ({one})")).await;
    let other = "SELECT max(position) FROM ai_calls WHERE partition = 2";
    damage(
        &room,
        &format!("ALTER TABLE ai_calls UPDATE model = 'x' WHERE partition = 2 AND position = ({other})"),
    )
    .await;
    let kinds = found(&room, &["--read-log"]);
    assert_eq!(kinds, ["ledger_rows", "missing", "row_differs"]);
    assert_eq!(found(&room, &["--read-log", "--at-once", "300"]), kinds);
    assert_eq!(found(&room, &["--at-once", "300"]), ["ledger_rows"]);
    let (is_clean, said) = command(&room, &["verify", "--at-once", "0"]);
    assert!(!is_clean && said.contains("--at-once"), "{said}");
}
