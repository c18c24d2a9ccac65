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

    let run = |arguments: &[&str]| {
        let mut process =
            room.spawn("warehouse", &[&["anomalies"], arguments].concat(), &[("TELEMETRY_LEVEL", "error")]);
        (process.wait().code(), process.log())
    };
    // The calls, and the line about how many there are.
    let list = |arguments: &[&str]| {
        let (code, log) = run(arguments);
        assert_eq!(code, Some(0), "{}", log.join("\n"));
        let (about, calls): (Vec<_>, Vec<_>) =
            log.into_iter().partition(|line| line.contains("told of again"));
        (calls, about.concat())
    };
    let (all, about) = list(&[]);
    assert_eq!((all.len(), about.as_str()), (7, "calls that were told of again: 2"), "{}", all.join("\n"));
    assert_eq!(all[0], format!("acme {}", first.event_id));
    assert!(all[1].starts_with("  counts    source 1, partition 3, offset 0: ada chat openai"), "{}", all[1]);
    assert!(all[1].ends_with(" out · 2.5 credits"), "{}", all[1]);
    assert!(all[2].starts_with("  conflict  source 1, partition 3, offset 1: eve"), "{}", all[2]);
    assert!(all[2].ends_with(" out · BYOK, cost 0.0004 EUR"), "{}", all[2]);
    assert!(all[3].starts_with("  repeat    source 1, partition 3, offset 5: ada"), "{}", all[3]);
    assert_eq!(all[4], format!("globex {}", repeated.event_id));
    assert_eq!(list(&["--conflicts"]).0, all[..4]);
    assert_eq!(list(&["--org", "globex"]).0, all[4..]);
    let before = list(&["--until", "2026-01-01"]);
    assert_eq!((before.0.len(), before.1.as_str()), (0, "calls that were told of again: 0"));
    assert_eq!(list(&["--since", "2026-01-01", "--until", "2026-01-01T00:00:00.001Z"]).0, before.0);
    let (some, about) = list(&["--limit", "1"]);
    assert_eq!(some, all[..4]);
    assert!(about.starts_with("the first 1 calls") && about.contains("there are more"), "{about}");

    // What can only list nothing is refused: an empty list means that nothing was told of again.
    for (arguments, code, told) in [
        (["--org", "acne"].as_slice(), 1, "organisation `acne` has no calls"),
        (&["--since", "2026-01-02", "--until", "2026-01-02"], 1, "no instant is selected"),
        (
            &["--since", "yesterday"],
            2,
            "write an instant like 2026-11-01T00:00:00Z, or a day like 2026-11-01",
        ),
        (&["--limit", "0"], 2, "--limit"),
    ] {
        let (ended, log) = run(arguments);
        assert!(ended == Some(code) && log.join("\n").contains(told), "{arguments:?}: {ended:?} {log:?}");
    }
}
