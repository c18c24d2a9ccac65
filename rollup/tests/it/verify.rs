//! `verify` finds every kind of damage, and nothing where there is none.

use crate::levels::random_calls;
use crate::world::{TABLES, World};
use rollup::verify::{Report, Summary, verify};
use rollup::{Progress, Selection};
use service::shutdown::Shutdown;
use std::io::{self, Write};
use std::sync::{Arc, Mutex};
use system_tests::{LedgerMessage, seeded};
use warehouse::Warehouse;

const NOW_MS: i64 = 1_774_000_000_000;
const DAY_MS: i64 = 86_400_000;
/// An event that nobody has.
const OTHER_ID: &str = "01900000-0000-7000-8000-000000000000";

/// What a report says, kept.
#[derive(Clone, Default)]
struct Paper(Arc<Mutex<Vec<u8>>>);

impl Write for Paper {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Counts, and the differences.
async fn reported(warehouse: &Warehouse, selection: &Selection) -> (Summary, Vec<serde_json::Value>) {
    let paper = Paper::default();
    let report = Report::new(paper.clone(), true, |print| print());
    let summary = verify(warehouse, selection, &Shutdown::new(), report, &Progress::hidden()).await.unwrap();
    let text = String::from_utf8(paper.0.lock().unwrap().clone()).unwrap();
    if summary.differences > 0 {
        println!("{text}");
    }
    let lines = text.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
    (summary, lines.filter(|line| line["kind"].is_string()).collect())
}

/// Counts, and the kinds of differences, each once.
async fn verified(warehouse: &Warehouse, selection: &Selection) -> (Summary, Vec<String>) {
    let (summary, differences) = reported(warehouse, selection).await;
    let mut kinds: Vec<String> =
        differences.iter().filter_map(|line| line["kind"].as_str().map(str::to_owned)).collect();
    kinds.sort_unstable();
    kinds.dedup();
    (summary, kinds)
}

/// A ledger with its rollups, in which everything is right.
async fn world(test: &str) -> World {
    let mut random = seeded(test);
    let mut world = World::new(test, 2).await;
    world.set_zone("globex", "Asia/Kathmandu").await;
    let calls = random_calls(&mut random, 600, NOW_MS, 70 * DAY_MS);
    for calls in calls.chunks(200) {
        world.append(calls, NOW_MS).await;
    }
    world.write(&world.messages[100..150], NOW_MS).await;
    world.settle(&mut world.worker()).await;
    world
}

#[tokio::test]
async fn where_nothing_is_wrong_nothing_is_found() {
    let world = world("rollup_verify_clean").await;
    let (summary, kinds) = verified(world.warehouse(), &Selection::default()).await;
    assert_eq!(kinds, Vec::<String>::new());
    assert_eq!(summary.ledger_rows, 600);
    assert_eq!(summary.calls + summary.repeats + summary.conflicts, 600);
    assert!(summary.repeats > 0 && summary.conflicts > 0 && summary.copies > 0, "{summary:?}");
    assert_eq!(summary.batches, 6);
    assert!(summary.rows > 300, "{summary:?}");

    let of_one = Selection { orgs: vec!["globex".into()], ..Selection::default() };
    let (one, kinds) = verified(world.warehouse(), &of_one).await;
    assert!(kinds.is_empty() && one.ledger_rows > 50 && one.ledger_rows < 600, "{one:?} {kinds:?}");
    let misspelt = Selection { orgs: vec!["globexx".into()], ..Selection::default() };
    let report = Report::new(Paper::default(), true, |print| print());
    let error = verify(world.warehouse(), &misspelt, &Shutdown::new(), report, &Progress::hidden()).await;
    assert!(error.unwrap_err().to_string().contains("`globexx`"), "not clean, but not verified");
    let of_days = Selection {
        since: "2026-02-01".parse().ok(),
        until: "2026-02-28".parse().ok(),
        ..Selection::default()
    };
    let (days, kinds) = verified(world.warehouse(), &of_days).await;
    assert!(kinds.is_empty() && days.ledger_rows > 50 && days.ledger_rows < 600, "{days:?} {kinds:?}");
}

#[tokio::test]
async fn a_difference_says_where_it_is_what_should_be_there_and_what_is() {
    let world = world("rollup_verify_words").await;
    let month = world.rows("usage_monthly").await.into_iter().find(|row| row.org_id == "globex").unwrap();
    let of_it = format!("org_id = 'globex' AND toUInt32(starts_at) = {}", month.starts_at);
    world.run(&format!("ALTER TABLE usage_monthly UPDATE calls = calls + 1 WHERE {of_it}")).await;
    let (_, differences) = reported(world.warehouse(), &Selection::default()).await;
    assert_eq!(differences.len(), 1, "{differences:?}");
    let says = |field: &str, text: &str| {
        let said = differences[0][field].as_str().unwrap();
        assert!(said.contains(text), "{field}: {said:?} without {text:?}");
    };
    let start = chrono::DateTime::from_timestamp(i64::from(month.starts_at), 0).unwrap();
    says("place", "globex");
    says("place", &start.format("%Y-%m-%dT%H:%MZ").to_string());
    says("expected", &format!("{} calls", month.calls));
    says("found", &format!("{} calls", month.calls + 1));
}

#[tokio::test]
async fn a_ledger_row_that_is_deleted_changed_or_doubled_is_found() {
    let world = world("rollup_verify_ledger").await;
    let warehouse = world.warehouse();
    let check = async |damage: &str, repair: &str, expected: &[&str]| {
        world.run(damage).await;
        let (_, kinds) = verified(warehouse, &Selection::default()).await;
        for kind in expected {
            assert!(kinds.contains(&(*kind).to_owned()), "{damage}: {kinds:?}");
        }
        world.run(repair).await;
        let (_, kinds) = verified(warehouse, &Selection::default()).await;
        assert!(kinds.is_empty(), "{repair}: {kinds:?}");
    };
    // One that neither repeats nor is repeated: without it the totals are others.
    let same = |a: &LedgerMessage, b: &LedgerMessage| {
        a.call.org_id == b.call.org_id && a.call.event_id == b.call.event_id
    };
    // And of a day that has passed, of which there are rollups.
    let is_alone = |one: &&LedgerMessage| {
        one.call.occurred_at_ms() < NOW_MS - DAY_MS
            && world.messages.iter().filter(|other| same(one, other)).count() == 1
    };
    let alone = world.messages.iter().find(is_alone).unwrap();
    let (position, partition, event_id) = (alone.position.as_u64(), alone.partition, alone.call.event_id);
    let here = format!("position = {position} AND partition = {partition}");
    world.run("CREATE TABLE spare AS ai_calls ENGINE = MergeTree ORDER BY position").await;
    world.run(&format!("INSERT INTO spare SELECT * FROM ai_calls WHERE {here}")).await;
    let delete = format!("ALTER TABLE ai_calls DELETE WHERE {here}");
    let bring_back = "INSERT INTO ai_calls SELECT * FROM spare";
    check(&delete, bring_back, &["batch_rows", "cell"]).await;
    // Each column, seen by the sums of the buckets that the row is in, or by the rules for its place. The append time is
    // in no sum: `ingest verify --read-log` compares it with the broker's.
    let changes = [
        ("org_id", "if(org_id = 'acme', 'globex', 'acme')", "cell"),
        ("occurred_at", "occurred_at + toIntervalHour(1)", "times_differ"),
        ("event_id", &format!("toUUID('{OTHER_ID}')"), "times_differ"),
        ("position", "position + 1000000", "batch_rows"),
        ("partition", "toUInt16(1 - partition)", "wrong_partition"),
        ("member_id", "'eve'", "cell"),
        ("reason", "concat(reason, 'x')", "cell"),
        ("provider", "concat(provider, 'x')", "cell"),
        ("model", "concat(model, 'x')", "cell"),
        ("input_tokens", "input_tokens + 1", "cell"),
        ("output_tokens", "output_tokens + 1", "cell"),
        ("credits", "credits + toDecimal128('0.000000000001', 12)", "cell"),
        ("provider_cost", "provider_cost + toDecimal128('0.000000000001', 12)", "cell"),
        ("currency", "concat(currency, 'X')", "cell"),
    ];
    for (column, value, kind) in changes {
        world.run(&delete).await;
        let changed = format!("INSERT INTO ai_calls SELECT * REPLACE ({value} AS {column}) FROM spare");
        world.run(&changed).await;
        let (_, kinds) = verified(warehouse, &Selection::default()).await;
        assert!(kinds.contains(&kind.to_owned()), "{column}: {kinds:?}");
        world
            .run(&format!("ALTER TABLE ai_calls DELETE WHERE event_id IN ('{event_id}', '{OTHER_ID}')"))
            .await;
        world.run(bring_back).await;
    }
    // Doubled under another identity; and the same key with another content.
    let other_time =
        "INSERT INTO ai_calls SELECT * REPLACE (occurred_at + INTERVAL 1 HOUR AS occurred_at) FROM spare";
    world.run(other_time).await;
    let (_, kinds) = verified(warehouse, &Selection::default()).await;
    assert!(
        kinds.contains(&"position_twice".to_owned()) && kinds.contains(&"times_differ".to_owned()),
        "{kinds:?}"
    );
    world.run(&delete).await;
    world.run(bring_back).await;
    let other_content = "INSERT INTO ai_calls SELECT * REPLACE (credits + 1 AS credits) FROM spare";
    world.run(other_content).await;
    let (_, kinds) = verified(warehouse, &Selection::default()).await;
    // As copies that differ, or, where the engine has merged them meanwhile and kept the wrong one, by the sums.
    assert!(kinds.contains(&"copies_differ".to_owned()) || kinds.contains(&"cell".to_owned()), "{kinds:?}");
}

#[tokio::test]
async fn a_batch_or_touch_that_is_deleted_changed_or_doubled_is_found() {
    let world = world("rollup_verify_batches").await;
    let warehouse = world.warehouse();
    let kinds_after = async |damage: &str| {
        world.run(damage).await;
        verified(warehouse, &Selection::default()).await.1
    };
    world.run("CREATE TABLE kept AS batches ENGINE = MergeTree ORDER BY tuple()").await;
    world.run("INSERT INTO kept SELECT * FROM batches").await;
    let middle =
        "from_position IN (SELECT from_position FROM kept ORDER BY partition, from_position LIMIT 1, 1)";
    let damages = [
        (format!("ALTER TABLE batches DELETE WHERE partition = 0 AND {middle}"), "gap"),
        ("ALTER TABLE batches DELETE WHERE (partition, to_position) IN (SELECT partition, max(to_position) FROM kept GROUP BY partition)".into(), "rows_beyond_frontier"),
        ("ALTER TABLE batches UPDATE ledger_rows = ledger_rows + 1 WHERE partition = 1".into(), "batch_does_not_add_up"),
        ("ALTER TABLE batches UPDATE ledger_rows = ledger_rows - 1, dead_letters = 1 WHERE partition = 1".into(), "batch_rows"),
        ("INSERT INTO batches SELECT * REPLACE (to_position - 1 AS to_position) FROM batches LIMIT 1".into(), "batch_does_not_add_up"),
    ];
    for (damage, kind) in damages {
        let kinds = kinds_after(&damage).await;
        assert!(kinds.contains(&kind.to_owned()), "{damage}: {kinds:?}");
        world.run("TRUNCATE TABLE batches").await;
        let kinds = kinds_after("INSERT INTO batches SELECT * FROM kept").await;
        assert!(kinds.is_empty(), "{kinds:?}");
    }
    world.run("CREATE TABLE touched AS touches ENGINE = MergeTree ORDER BY tuple()").await;
    world.run("INSERT INTO touched SELECT * FROM touches FINAL").await;
    for damage in [
        "ALTER TABLE touches DELETE WHERE quarter = (SELECT min(quarter) FROM touched)",
        "ALTER TABLE touches UPDATE last_position = last_position - 1 WHERE last_position > first_position",
        "INSERT INTO touches SELECT * REPLACE (quarter + INTERVAL 1 YEAR AS quarter) FROM touched LIMIT 1",
    ] {
        let kinds = kinds_after(damage).await;
        assert!(kinds.contains(&"touch".to_owned()), "{damage}: {kinds:?}");
        world.run("TRUNCATE TABLE touches").await;
        let kinds = kinds_after("INSERT INTO touches SELECT * FROM touched").await;
        assert!(kinds.is_empty(), "{kinds:?}");
    }
}

#[tokio::test]
async fn a_rollup_row_that_is_changed_or_doubled_is_found() {
    let world = world("rollup_verify_rows").await;
    let warehouse = world.warehouse();
    for table in ["usage_quarter_hourly", "usage_daily", "usage_monthly"] {
        world.run(&format!("CREATE TABLE kept_{table} AS {table} ENGINE = MergeTree ORDER BY tuple()")).await;
        let columns = "org_id, starts_at, ends_at, generation, through, calls, input_tokens, output_tokens, credits, \
                       cells.member_id, cells.reason, cells.provider, cells.model, cells.currency, cells.calls, \
                       cells.input_tokens, cells.output_tokens, cells.credits, cells.provider_cost";
        world.run(&format!("INSERT INTO kept_{table} ({columns}) SELECT {columns} FROM {table} FINAL")).await;
        let one = format!(
            "(org_id, starts_at) IN (SELECT org_id, starts_at FROM kept_{table} ORDER BY org_id, starts_at LIMIT 1)"
        );
        let replaced = |from: &str, to: &str| {
            let selected = columns.replacen(from, to, 1);
            format!("INSERT INTO {table} ({columns}) SELECT {selected} FROM kept_{table} WHERE {one}")
        };
        let damages = [
            (replaced("credits,", "credits + 1,"), "totals"),
            (replaced("cells.calls", "arrayMap(calls -> calls + 1, cells.calls)"), "cell"),
            (replaced("cells.member_id", "arrayMap(member -> 'eve', cells.member_id)"), "cell"),
            (
                replaced("cells.credits", "arrayMap(credits -> credits + 0.000000000001, cells.credits)"),
                "cell",
            ),
            // A version that wins and should not, and an interval that is another one.
            (
                replaced("calls, input_tokens", "calls + 1, input_tokens")
                    .replace("generation, through, calls + 1", "generation + 1, through, calls + 1"),
                "totals",
            ),
            (replaced("starts_at, ends_at", "starts_at, ends_at + INTERVAL 400 DAY"), "cell"),
        ];
        for (damage, kind) in damages {
            world.run(&damage).await;
            let (_, kinds) = verified(warehouse, &Selection::default()).await;
            assert!(kinds.contains(&kind.to_owned()), "{damage}: {kinds:?}");
            world.run(&format!("TRUNCATE TABLE {table}")).await;
            world.run(&format!("INSERT INTO {table} ({columns}) SELECT {columns} FROM kept_{table}")).await;
            let (_, kinds) = verified(warehouse, &Selection::default()).await;
            assert!(kinds.is_empty(), "{kinds:?}");
        }
    }
}

#[tokio::test]
async fn a_rollup_row_that_is_deleted_is_found_where_the_worker_says_that_it_was_computed() {
    let mut world = world("rollup_verify_row_gone").await;
    // A sign of life much later: everything has passed, and the workers' bookmarks come to the frontiers.
    world.append(&[], NOW_MS + 60 * DAY_MS).await;
    world.settle(&mut world.worker()).await;
    world.settle(&mut world.worker()).await;
    let warehouse = world.warehouse();
    let kinds = async || verified(warehouse, &Selection::default()).await.1;
    assert_eq!(kinds().await, Vec::<String>::new());
    for table in TABLES {
        world.run(&format!("CREATE TABLE gone_{table} AS {table} ENGINE = MergeTree ORDER BY tuple()")).await;
        let columns = "org_id, starts_at, ends_at, generation, through, calls, input_tokens, output_tokens, credits, \
                       cells.member_id, cells.reason, cells.provider, cells.model, cells.currency, cells.calls, \
                       cells.input_tokens, cells.output_tokens, cells.credits, cells.provider_cost";
        for org_id in ["acme", "globex"] {
            let one = format!(
                "org_id = '{org_id}' AND starts_at = (SELECT max(starts_at) FROM {table} WHERE org_id = '{org_id}')"
            );
            world
                .run(&format!(
                    "INSERT INTO gone_{table} ({columns}) SELECT {columns} FROM {table} FINAL WHERE {one}"
                ))
                .await;
            world.run(&format!("DELETE FROM {table} WHERE {one}")).await;
            assert_eq!(kinds().await, ["row_missing"], "{table} of {org_id}");
            // One that goes less far than the last touch is as good as none.
            let stale = columns.replacen("through", "through - 1000", 1);
            world.run(&format!("INSERT INTO {table} ({columns}) SELECT {stale} FROM gone_{table}")).await;
            assert_eq!(kinds().await, ["row_missing"], "{table} of {org_id}, stale");
            world.run(&format!("INSERT INTO {table} ({columns}) SELECT {columns} FROM gone_{table}")).await;
            world.run(&format!("TRUNCATE TABLE gone_{table}")).await;
            assert_eq!(kinds().await, Vec::<String>::new(), "{table} of {org_id}, put back");
        }
        // A worker that is behind claims nothing.
        world
            .run("CREATE TABLE IF NOT EXISTS claims AS rollup_progress ENGINE = MergeTree ORDER BY tuple()")
            .await;
        world.run("INSERT INTO claims SELECT * FROM rollup_progress").await;
        world.run("TRUNCATE TABLE rollup_progress").await;
        world.run(&format!("INSERT INTO gone_{table} ({columns}) SELECT {columns} FROM {table} FINAL")).await;
        world.run(&format!("TRUNCATE TABLE {table}")).await;
        assert_eq!(kinds().await, Vec::<String>::new(), "no bookmark");
        world.run("INSERT INTO rollup_progress SELECT * FROM claims").await;
        assert_eq!(kinds().await, ["row_missing"], "{table}, all rows");
        world.run(&format!("INSERT INTO {table} ({columns}) SELECT {columns} FROM gone_{table}")).await;
    }
}
