//! The worker's loop: what it computes when, how it starts again, and that a second one does no harm.

use crate::levels::random_calls;
use crate::world::{TABLES, World};
use rollup::Step;
use std::collections::BTreeMap;
use system_tests::{call, eventually, http_get, seeded};
use warehouse::calendar::Tz;

const NOW_MS: i64 = 1_774_000_000_000;
const DAY_MS: i64 = 86_400_000;

#[tokio::test]
async fn a_bucket_is_computed_when_it_has_passed_and_not_before() {
    let mut world = World::new("rollup_passing", 1).await;
    let mut worker = world.worker();
    let quarter_end = NOW_MS / 900_000 * 900_000 + 900_000;
    world.append(&[call().at_ms(quarter_end - 1000).build()], quarter_end - 900).await;
    world.settle(&mut worker).await;
    assert_eq!(world.rows(TABLES[0]).await, []);
    // Nothing arrives any more: a sign of life moves the time.
    world.write_batch(0, 1, 1, quarter_end + 1_999).await;
    world.settle(&mut worker).await;
    assert_eq!(world.rows(TABLES[0]).await, [], "in its grace");
    world.write_batch(0, 1, 1, quarter_end + 2_000).await;
    world.settle(&mut worker).await;
    assert_eq!(world.rows(TABLES[0]).await.len(), 1);
    assert_eq!(world.rows(TABLES[1]).await, [], "the day goes on");
    // A late call, while the batch before it is not there yet: its position is behind the frontier.
    world.append(&[call().at_ms(quarter_end - 500).build()], quarter_end + 60_000).await;
    world.settle(&mut worker).await;
    let rows = world.rows(TABLES[0]).await;
    assert_eq!(rows.iter().map(|row| row.calls).collect::<Vec<_>>(), [2]);
    world.write_batch(0, 2, 2, quarter_end + 40 * DAY_MS).await;
    world.settle(&mut worker).await;
    world.assert_complete(&BTreeMap::new(), quarter_end + 40 * DAY_MS).await;
}

#[tokio::test]
async fn a_restart_computes_nothing_twice() {
    let mut random = seeded("rollup_restart");
    let mut world = World::new("rollup_restart", 2).await;
    world.append(&random_calls(&mut random, 200, NOW_MS, 50 * DAY_MS), NOW_MS).await;
    world.settle(&mut world.worker()).await;
    let mut before = Vec::new();
    for table in TABLES {
        before.push(world.rows(table).await);
    }
    // The frontier moves on, so that whatever is computed again would go through another position.
    world.append(&[call().at_ms(NOW_MS).build()], NOW_MS).await;
    let mut restarted = world.worker();
    for _ in 0..4 {
        assert_eq!(restarted.step().await.unwrap(), Step::Idle);
    }
    for (table, before) in TABLES.into_iter().zip(before) {
        assert_eq!(world.rows(table).await, before, "{table}");
    }
}

#[tokio::test]
async fn workers_on_the_same_and_on_other_partitions_do_each_other_no_harm() {
    let mut random = seeded("rollup_workers");
    let mut world = World::new("rollup_workers", 4).await;
    let mut workers = [world.worker(), world.worker(), world.worker_of(0, 2), world.worker_of(1, 2)];
    let mut now_ms = NOW_MS;
    for _ in 0..4 {
        let calls = random_calls(&mut random, 150, now_ms, 20 * DAY_MS);
        for calls in calls.chunks(50) {
            world.append(calls, now_ms).await;
            let [a, b, c, d] = &mut workers;
            let steps = tokio::join!(a.step(), b.step(), c.step(), d.step());
            assert!(steps.0.is_ok() && steps.1.is_ok() && steps.2.is_ok() && steps.3.is_ok(), "{steps:?}");
            for table in TABLES {
                world.assert_true(table, &world.rows(table).await);
            }
        }
        now_ms += DAY_MS;
    }
    let [_, _, mut even, mut odd] = workers;
    world.settle(&mut even).await;
    world.settle(&mut odd).await;
    world.assert_complete(&BTreeMap::new(), now_ms - DAY_MS - 2_000).await;
}

#[tokio::test]
async fn a_changed_zone_has_its_own_days_and_months_also_when_no_worker_ran() {
    let mut random = seeded("rollup_zones");
    let mut world = World::new("rollup_zones", 1).await;
    world.append(&random_calls(&mut random, 150, NOW_MS, 40 * DAY_MS), NOW_MS).await;
    world.settle(&mut world.worker()).await;
    let mut zones = BTreeMap::new();
    world.assert_complete(&zones, NOW_MS - 2_000).await;

    let mut change = async |world: &mut World, org_id: &str, zone: Tz| {
        world.set_zone(org_id, zone.name()).await;
        zones.insert(org_id.to_owned(), zone);
        zones.clone()
    };
    let zones = change(&mut world, "acme", Tz::America__New_York).await;
    let mut worker = world.worker();
    world.settle(&mut worker).await;
    world.assert_complete(&zones, NOW_MS - 2_000).await;

    let zones = change(&mut world, "acme", Tz::Australia__Lord_Howe).await;
    eventually("the worker to see the zone", async || {
        worker.step().await.unwrap();
        let days = world.passed(TABLES[1], "acme", zones["acme"], NOW_MS - 2_000);
        let rows = world.rows(TABLES[1]).await;
        let stored =
            |start: i64| rows.iter().any(|row| row.org_id == "acme" && i64::from(row.starts_at) == start);
        if days.iter().all(|day| stored(day.starts_at)) { Ok(()) } else { Err("days are missing") }
    })
    .await;
    world.settle(&mut worker).await;
    world.assert_complete(&zones, NOW_MS - 2_000).await;

    let zones = change(&mut world, "acme", Tz::UTC).await;
    world.settle(&mut world.worker()).await;
    world.assert_complete(&zones, NOW_MS - 2_000).await;
    let query = world.warehouse().read("SELECT time_zone FROM rollup_zones FINAL WHERE org_id = 'acme'");
    assert_eq!(world.warehouse().fetch_one::<String>("reading", query).await.unwrap(), "UTC");
}

#[tokio::test]
async fn a_worker_without_a_source_waits_and_says_for_what() {
    let stack = system_tests::Stack::shared();
    let room = system_tests::Room::new(&stack, "rollup_no_source").await;
    let process = room.spawn("rollup", &[], &[]);
    let url = format!("http://{}/readyz", process.ops_address().await);
    eventually("the worker to say what it waits for", async || {
        let body = http_get(&url).await.unwrap().text().await.unwrap();
        if body.contains("a source of calls") { Ok(()) } else { Err(body) }
    })
    .await;
}
