//! Every message has its named end, and nothing is lost on the way to it.

use crate::ledger::{self, Counts};
use crate::topic::{Raw, first_message, publish, publish_with};
use crate::worker::{Worker, dead_letters};
use proto::topics::headers;
use std::collections::{BTreeMap, BTreeSet};
use system_tests::{PARTITIONS, Room, Stack, call};

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mixed_load_ends_as_it_must_and_every_dead_letter_keeps_its_bytes() {
    let room = Room::new(&Stack::shared(), "ends").await;
    let mut ingest = Worker::start(&room, &[("BATCH_ROWS_MAX", "300")]).await;
    let now = service::clock::now_ms();
    let good: Vec<_> = (0..2000).map(|n| call().org(&format!("org-{}", n % 50)).build()).collect();
    let mut messages: Vec<Raw> = good.iter().map(Raw::of).collect();
    // Five in a hundred twice, two in a hundred in a wrong partition, some late.
    messages.extend(good.iter().step_by(20).map(Raw::of));
    let misrouted: Vec<_> = (0..40).map(|n| call().org(&format!("lost-{n}")).build()).collect();
    messages.extend(misrouted.iter().map(|call| Raw::of(call).elsewhere()));
    let late: Vec<_> = (0..30).map(|n| call().at_ms(now - n * 86_400_000 * 20).build()).collect();
    messages.extend(late.iter().map(Raw::of));
    let odd = call().reason("a reason nobody knows").model("x", "=cmd|' /C calc'!A0").build();
    messages.push(Raw::of(&odd));

    let wire = |change: fn(&mut proto::wire::AiCall)| {
        use prost::Message;
        let mut wire = proto::wire::AiCall::decode(call().build().encode().as_slice()).unwrap();
        change(&mut wire);
        Raw::of(&call().build()).payload(Some(&wire.encode_to_vec()))
    };
    let bad: Vec<(&str, Raw)> = vec![
        ("undecodable", Raw::of(&call().build()).payload(Some(b"\xff\xfe garbage \x00"))),
        ("empty", Raw::of(&call().build()).payload(Some(b""))),
        ("no_payload", Raw::of(&call().build()).payload(None)),
        ("occurred_at_out_of_bounds", Raw::of(&call().at_ms(now + 2 * 86_400_000).build())),
        ("occurred_at_out_of_bounds", Raw::of(&call().at_ms(1000).build())),
        ("tokens_out_of_bounds", wire(|wire| wire.input_tokens = u64::MAX)),
        (
            "amount_out_of_bounds",
            wire(|wire| {
                wire.charge = Some(proto::wire::ai_call::Charge::Credits("0.1234567890123".into()));
            }),
        ),
        ("charge_missing", wire(|wire| wire.charge = None)),
        ("times_differ", wire(|wire| wire.occurred_at_ms += 1)),
        ("identifier_out_of_bounds", wire(|wire| wire.member_id = String::new())),
    ];
    messages.extend(bad.iter().map(|(_, raw)| raw.clone()));
    publish(&room, "calls", &messages).await;

    let counts = ledger::settled(&room).await;
    let rows = good.len() + good.len() / 20 + misrouted.len() + late.len() + 1;
    assert_eq!(
        counts,
        Counts {
            rows: rows as u64,
            dead_letters: bad.len() as u64,
            rerouted: misrouted.len() as u64,
            ..Counts::default()
        }
    );
    let expected: BTreeSet<String> = good
        .iter()
        .chain(&misrouted)
        .chain(&late)
        .chain([&odd])
        .map(|call| call.event_id.to_string())
        .collect();
    assert_eq!(ledger::identities(&room).await, expected);

    let mut found: Vec<(String, Option<String>)> =
        dead_letters(&room, &[]).into_iter().map(|letter| (letter.reason, letter.payload)).collect();
    let mut wanted: Vec<(String, Option<String>)> = bad
        .iter()
        .map(|(reason, raw)| ((*reason).to_owned(), raw.payload.as_deref().map(hexadecimal)))
        .collect();
    found.sort();
    wanted.sort();
    assert_eq!(found, wanted);
    assert_eq!(dead_letters(&room, &["--reason", "empty"]).len(), 1);
    assert_eq!(ingest.metric("ingest_dead_letters_total", "undecodable").await, 1);
    assert_eq!(ingest.metric("ingest_rerouted_total", "").await, misrouted.len() as u64);
    assert_eq!(ingest.metric("ingest_broken_sums_total", "").await, 0);
    assert!(ingest.process.stop().success());
}

/// The ledger cannot hold it: the time is part of the id. What tells of it is the dead letter, with both times.
#[tokio::test(flavor = "multi_thread")]
async fn one_event_id_under_two_times_counts_once_and_both_times_are_told() {
    use prost::Message;
    let room = Room::new(&Stack::shared(), "twotimes").await;
    let _ingest = Worker::start(&room, &[]).await;
    let call = call().build();
    let (told_ms, other_ms) = (call.occurred_at_ms(), call.occurred_at_ms() - 3_600_000);
    let mut wire = proto::wire::AiCall::decode(call.encode().as_slice()).unwrap();
    wire.occurred_at_ms = other_ms;
    let moved = Raw::of(&call).payload(Some(&wire.encode_to_vec()));
    publish(&room, "calls", &[moved.clone(), Raw::of(&call), moved]).await;
    let counts = ledger::settled(&room).await;
    assert_eq!((counts.rows, counts.dead_letters), (1, 2));
    assert_eq!(ledger::identities(&room).await, BTreeSet::from([call.event_id.to_string()]));
    let letters = dead_letters(&room, &["--reason", "times_differ"]);
    assert_eq!(letters.iter().map(|letter| letter.origin_offset).collect::<Vec<_>>(), [0, 2]);
    for letter in letters {
        let both = [told_ms, other_ms].map(|ms| letter.reason_text.contains(&ms.to_string()));
        assert_eq!(both, [true, true], "{}", letter.reason_text);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rerouted_call_keeps_key_headers_and_first_append_time() {
    let room = Room::new(&Stack::shared(), "reroute").await;
    let _ingest = Worker::start(&room, &[]).await;
    let call = call().org("wanderer").build();
    let raw = Raw { key: Some(b"another key".to_vec()), ..Raw::of(&call).elsewhere() };
    let found_in = raw.partition;
    publish(&room, "calls", &[raw.header("ai-usage-schema", "1")]).await;
    let counts = ledger::settled(&room).await;
    assert_eq!((counts.rows, counts.rerouted), (1, 1));

    let here = proto::partition_of(call.key(), PARTITIONS);
    let sent_on = first_message(&room, "calls", here);
    assert_eq!(sent_on.key, Some(b"another key".to_vec()));
    assert_eq!(sent_on.payload, Some(call.encode()));
    let header = |name: &str| {
        let found = sent_on.headers.iter().find(|(key, _)| key == name);
        found.map(|(_, value)| String::from_utf8(value.clone()).unwrap()).unwrap()
    };
    assert_eq!(header("ai-usage-schema"), "1");
    assert_eq!(header(headers::ORIGIN_TOPIC), room.topic("calls"));
    assert_eq!(header(headers::ORIGIN_PARTITION), found_in.to_string());
    assert_eq!(header(headers::ORIGIN_OFFSET), "0");
    let first_append = header(headers::ORIGIN_APPENDED_AT_MS);
    let sql = format!(
        "SELECT count() FROM ai_calls WHERE partition = {here} AND toUnixTimestamp64Milli(appended_at) = {first_append}"
    );
    assert_eq!(ledger::ask(&room, &sql).await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn forged_headers_make_no_call_disappear() {
    let room = Room::new(&Stack::shared(), "forged").await;
    let _ingest = Worker::start(&room, &[]).await;
    let topic = room.topic("calls");
    let marked = |raw: Raw, partition: &str, appended_at: &str| {
        raw.header(headers::ORIGIN_TOPIC, &topic)
            .header(headers::ORIGIN_PARTITION, partition)
            .header(headers::ORIGIN_OFFSET, "7")
            .header(headers::ORIGIN_APPENDED_AT_MS, appended_at)
    };
    let now = service::clock::now_ms().to_string();
    let other =
        |call: &proto::Call| ((proto::partition_of(call.key(), PARTITIONS) + 2) % PARTITIONS).to_string();
    let calls: Vec<_> = (0..5).map(|n| call().org(&format!("victim-{n}")).build()).collect();
    let messages = [
        // In its partition: counted, whatever the headers claim.
        marked(Raw::of(&calls[0]), &other(&calls[0]), &now),
        marked(Raw::of(&calls[1]), "banana", "never"),
        // In a wrong one, with headers that ingest cannot have written: sent on, counted.
        marked(Raw::of(&calls[2]).elsewhere(), &other(&calls[2]), "-9223372036854775808"),
        marked(Raw::of(&calls[3]).elsewhere(), "65536", &now),
        // In a wrong one, with headers that look right: a dead letter, with everything in it.
        marked(Raw::of(&calls[4]).elsewhere(), &other(&calls[4]), &now),
    ];
    publish(&room, "calls", &messages).await;
    let counts = ledger::settled(&room).await;
    assert_eq!(counts, Counts { rows: 4, dead_letters: 1, rerouted: 2, ..Counts::default() });
    let letters = dead_letters(&room, &[]);
    assert_eq!(letters.len(), 1);
    assert_eq!(letters[0].reason, "misrouted_twice");
    assert_eq!(letters[0].payload, Some(hexadecimal(&calls[4].encode())));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_header_whose_name_is_no_text_does_no_harm() {
    let room = Room::new(&Stack::shared(), "oddheader").await;
    let _ingest = Worker::start(&room, &[]).await;
    publish(&room, "calls", &[Raw::of(&call().build())]).await;
    crate::foreign::publish_with_header_name(&room, b"\xff\xfe\x80", &Raw::of(&call().build()));
    crate::foreign::publish_with_header_name(
        &room,
        b"\xc3\x28",
        &Raw::of(&call().build()).payload(Some(b"garbage")),
    );
    let counts = ledger::settled(&room).await;
    assert_eq!((counts.rows, counts.dead_letters), (2, 1));
    assert_eq!(dead_letters(&room, &[]).len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_of_the_largest_size_becomes_a_dead_letter_whole() {
    let room = Room::new(&Stack::shared(), "largest").await;
    let _ingest = Worker::start(&room, &[]).await;
    // The broker's limit counts the record batch, of which a little is not payload.
    let largest: Vec<u8> = (0..(1 << 20) - 200).map(|n: u32| (n % 251) as u8 | 0x80).collect();
    // Compressed on the wire, larger than the limit once unpacked.
    let swollen = vec![0xff; 5 << 20];
    publish(&room, "calls", &[Raw::of(&call().build()).payload(Some(&largest))]).await;
    let compressed = Raw::of(&call().build()).payload(Some(&swollen));
    publish_with(&room, "calls", &[compressed], &[("compression.codec", "zstd")]).await;
    // A valid call in a wrong partition, with unknown fields that make it too large to be sent on.
    let mut ballast = call().org("heavy").build().encode();
    ballast.extend([0xfa, 0x07, 0x80, 0x80, 0x04]);
    ballast.extend(vec![0x61; 1 << 16]);
    let heavy = Raw::of(&call().org("heavy").build()).elsewhere().payload(Some(&ballast));
    publish(&room, "calls", &[heavy, Raw::of(&call().build())]).await;

    let counts = ledger::settled(&room).await;
    assert_eq!((counts.rows, counts.dead_letters, counts.rerouted), (1, 3, 0));
    let letters = dead_letters(&room, &[]);
    let by_reason: BTreeMap<&str, usize> = letters.iter().fold(BTreeMap::new(), |mut sizes, letter| {
        let size = letter.payload.as_ref().map_or(0, |payload| payload.len() / 2);
        *sizes.entry(letter.reason.as_str()).or_default() += size;
        sizes
    });
    let expected = [("too_large_to_reroute", ballast.len()), ("undecodable", largest.len() + swollen.len())];
    assert_eq!(by_reason, BTreeMap::from(expected));
}
