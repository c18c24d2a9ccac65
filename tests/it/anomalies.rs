//! What is listed of calls that several messages told of.

use proto::Position;
use system_tests::{Room, Stack, call};
use warehouse::LedgerBlock;

#[tokio::test(flavor = "multi_thread")]
async fn the_command_lists_repeats_and_conflicts_with_what_each_says_and_where_it_stands() {
    let room = Room::new(&Stack::shared(), "anomalies").await;
    let first = call().org("acme").credits("2.5").build();
    let conflict = call().org("acme").id(first.event_id).member("eve").byok("0.0004", "EUR").build();
    let alone = call().org("acme").build();
    let repeated = call().org("globex").build();
    // Offsets are places in this list. The last one is a re-delivery: the same message, no repeat.
    let told = [&first, &conflict, &alone, &repeated, &repeated, &first];
    let mut block = LedgerBlock::default();
    for (offset, call) in told.into_iter().enumerate().chain([(2, &alone)]) {
        let bytes = call.encode();
        let view = proto::decode_call(&bytes).unwrap();
        block.push(&view, Position::of_message(1, offset as i64).unwrap(), 3, view.occurred_at_ms());
    }
    let columns = LedgerBlock::columns();
    room.warehouse().insert_native("testing", "ai_calls", columns, block.encode()).await.unwrap();

    let list = |arguments: &[&str]| {
        let mut process =
            room.spawn("warehouse", &[&["anomalies"], arguments].concat(), &[("TELEMETRY_LEVEL", "error")]);
        assert!(process.wait().success(), "{}", process.log().join("\n"));
        process.log()
    };
    let all = list(&[]);
    assert_eq!(all.len(), 7, "{}", all.join("\n"));
    assert_eq!(all[0], format!("acme {}", first.event_id));
    assert!(all[1].starts_with("  counts    source 1, partition 3, offset 0: ada chat openai"), "{}", all[1]);
    assert!(all[1].ends_with("2.5 credits · cost 0"), "{}", all[1]);
    assert!(all[2].starts_with("  conflict  source 1, partition 3, offset 1: eve"), "{}", all[2]);
    assert!(all[2].contains("EUR") && all[2].ends_with("0 credits · cost 0.0004"), "{}", all[2]);
    assert!(all[3].starts_with("  repeat    source 1, partition 3, offset 5: ada"), "{}", all[3]);
    assert_eq!(all[4], format!("globex {}", repeated.event_id));
    assert_eq!(list(&["--conflicts"]), all[..4]);
    assert_eq!(list(&["--org", "globex"]), all[4..]);
    assert!(list(&["--until", "2026-01-01T00:00:00Z"]).is_empty());
}
