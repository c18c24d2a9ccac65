//! Dead letters that can be counted now are put back, once.

use crate::ledger;
use crate::topic::{Raw, message_at, publish};
use crate::worker::{Worker, command, dead_letters};
use proto::topics::headers;
use rdkafka::topic_partition_list::Offset;
use system_tests::{PARTITIONS, Room, Stack, call};

/// A call in a wrong partition with the marks of one that was sent on already.
fn misrouted_twice(room: &Room, org: &str) -> Raw {
    let raw = Raw::of(&call().org(org).build()).elsewhere();
    let other = (raw.partition + 1) % PARTITIONS;
    raw.header("ai-usage-schema", "1")
        .header(headers::ORIGIN_TOPIC, &room.topic("calls"))
        .header(headers::ORIGIN_PARTITION, &other.to_string())
        .header(headers::ORIGIN_OFFSET, "7")
        .header(headers::ORIGIN_APPENDED_AT_MS, &service::clock::now_ms().to_string())
}

/// A room with dead letters: three calls in wrong partitions, one of them too large to be sent on, two that are
/// garbage, and one of the directory.
async fn with_dead_letters(test: &str) -> (Room, Worker) {
    let room = Room::new(&Stack::shared(), test).await;
    let ingest = Worker::start(&room, &[]).await;
    let mut ballast = call().org("globex").build().encode();
    ballast.extend([0xfa, 0x07, 0x80, 0x80, 0x04]);
    ballast.extend(vec![0x61; 1 << 16]);
    let messages = [
        misrouted_twice(&room, "acme"),
        misrouted_twice(&room, "acme"),
        Raw::of(&call().org("globex").build()).elsewhere().payload(Some(&ballast)),
        Raw::of(&call().build()).elsewhere().payload(Some(b"\xff garbage")),
        Raw::of(&call().build()).elsewhere().payload(None),
    ];
    publish(&room, "calls", &messages).await;
    let change = Raw { key: Some(b"acme".to_vec()), ..Raw::default() };
    publish(&room, "directory", &[change.payload(Some(b"\xff"))]).await;
    let counts = ledger::settled(&room).await;
    assert_eq!((counts.rows, counts.dead_letters, counts.rerouted), (0, 5, 0));
    system_tests::eventually("the directory's dead letter", async || {
        let found = dead_letters(&room, &[]).len();
        if found == 6 { Ok(()) } else { Err(format!("{found} dead letters")) }
    })
    .await;
    (room, ingest)
}

/// Runs the command; returns its lines.
fn redrive(room: &Room, arguments: &[&str]) -> Vec<String> {
    let (ended_well, said) = command(room, &[&["dead-letters", "redrive"], arguments].concat());
    assert!(ended_well, "{said}");
    let lines = said.lines().map(|line| line.trim().to_owned());
    lines.filter(|line| !line.starts_with("looked at ")).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_can_be_counted_now_is_put_back_once_and_the_rest_stays() {
    let (room, mut ingest) = with_dead_letters("redrive").await;
    let said = redrive(&room, &["--dry-run"]);
    assert_eq!(said[..3], ["3 would be put back", "0 were put back before", DIRECTORY_LINE]);
    assert!(said.contains(&"1 stay: they would be refused again, undecodable".to_owned()), "{said:?}");
    assert!(said.contains(&"1 stay: they would be refused again, no_payload".to_owned()), "{said:?}");
    assert_eq!(ledger::settled(&room).await.rows, 0, "a dry run changes nothing");
    assert_eq!(dead_letters(&room, &["--open"]).len(), 6);

    assert_eq!(redrive(&room, &["--org", "acme", "--limit", "1"])[0], "1 put back");
    assert_eq!(redrive(&room, &["--reason", "too_large_to_reroute"])[0], "1 put back");
    assert_eq!(ledger::settled(&room).await.rows, 2);
    assert_eq!(redrive(&room, &[])[..2], ["1 put back", "2 were put back before"]);
    let counts = ledger::settled(&room).await;
    assert_eq!((counts.rows, counts.dead_letters, counts.rerouted), (3, 5, 0));
    assert_eq!(ledger::identities(&room).await.len(), 3);

    assert_eq!(redrive(&room, &[])[..2], ["0 put back", "3 were put back before"]);
    assert_eq!(ledger::settled(&room).await, counts, "redriving twice changes nothing");
    let letters = dead_letters(&room, &[]);
    assert_eq!(letters.len(), 6, "what was found stays found");
    let back = letters.iter().filter(|letter| letter.put_back.is_some()).count();
    assert_eq!((back, dead_letters(&room, &["--open"]).len()), (3, 3));
    assert!(ingest.process.stop().success());
}

const DIRECTORY_LINE: &str = "1 of other topics: publish the present state of the directory instead";

#[tokio::test(flavor = "multi_thread")]
async fn a_kill_before_the_note_costs_a_repeat_that_never_counts() {
    let (room, _ingest) = with_dead_letters("redrivekill").await;
    let extra = [("FAILPOINT", "after_put_back:1")];
    let mut killed = room.spawn("ingest", &["dead-letters", "redrive", "--org", "acme"], &extra);
    assert!(!killed.wait().success());
    assert_eq!(ledger::settled(&room).await.rows, 2);
    assert_eq!(dead_letters(&room, &["--open"]).len(), 6, "nothing says so yet");

    assert_eq!(redrive(&room, &["--org", "acme"])[0], "2 put back");
    assert_eq!(ledger::settled(&room).await.rows, 4, "each once more, as evidence");
    assert_eq!(ledger::identities(&room).await.len(), 2, "and counted once");
    assert_eq!(redrive(&room, &["--org", "acme"])[..2], ["0 put back", "2 were put back before"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_is_put_back_keeps_what_its_producer_wrote_and_says_where_it_arrived_first() {
    let (room, _ingest) = with_dead_letters("redrivekeep").await;
    redrive(&room, &["--org", "acme"]);
    let letter = dead_letters(&room, &["--reason", "misrouted_twice"]).remove(0);
    let home = proto::partition_of(b"acme", PARTITIONS);
    let now = letter.put_back.expect("it was put back");
    let offset = now.strip_prefix(&format!("{home}/")).expect("in its partition").parse().unwrap();
    let back = message_at(&room, "calls", home, Offset::Offset(offset));
    let header = |name: &str| {
        let found = back.headers.iter().filter(|(key, _)| key == name);
        found.map(|(_, value)| String::from_utf8(value.clone()).unwrap()).collect::<Vec<_>>()
    };
    assert_eq!(header("ai-usage-schema"), ["1"]);
    let place = format!("{}/{}/{}", letter.origin_topic, letter.origin_partition, letter.origin_offset);
    assert_eq!(header(headers::FIRST_ARRIVAL), [place]);
    assert!(header(headers::ORIGIN_TOPIC).is_empty() && header(headers::REASON).is_empty());
    assert_eq!(back.key, Some(b"acme".to_vec()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_filter_by_partition_and_a_limit_take_what_they_say() {
    let (room, _ingest) = with_dead_letters("redrivefilter").await;
    let all = dead_letters(&room, &[]);
    assert_eq!(dead_letters(&room, &["--limit", "2"]).len(), 2);
    // Who mistypes a reason must not read that there is none.
    let (_, said) = command(&room, &["dead-letters", "list", "--reason", "undecodeable"]);
    assert!(said.contains(&format!("0 of {} dead letters shown", all.len())), "{said}");
    let said = redrive(&room, &["--dry-run", "--reason", "undecodeable"]);
    assert!(said.contains(&format!("{} are not selected", all.len())), "{said:?}");
    let (mut listed, mut would_go) = (0, 0);
    for number in 0..PARTITIONS {
        let filter = number.to_string();
        let letters = dead_letters(&room, &["--partition", &filter]);
        assert!(letters.iter().all(|letter| letter.origin_partition == number as i32), "{letters:?}");
        listed += letters.len();
        let said = redrive(&room, &["--dry-run", "--partition", &filter]);
        let count = said[0].strip_suffix(" would be put back").expect("a count");
        would_go += count.parse::<usize>().expect("a number");
    }
    assert_eq!((listed, would_go), (all.len(), 3));
}
