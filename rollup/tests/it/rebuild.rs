//! Rollups are thrown away and computed anew while workers run and readers read.

use crate::levels::random_calls;
use crate::world::{TABLES, World};
use rollup::{Progress, RollupSettings, Selection, rebuild};
use service::shutdown::Shutdown;
use std::collections::BTreeMap;
use std::os::unix::process::ExitStatusExt;
use system_tests::{eventually, seeded};
use warehouse::calendar::Tz;

const NOW_MS: i64 = 1_774_000_000_000;
const DAY_MS: i64 = 86_400_000;

fn settings(world: &World) -> RollupSettings {
    service::settings::load(
        None,
        world.room.environment().iter().filter(|(name, _)| !name.starts_with("KAFKA_")).cloned(),
    )
    .unwrap()
}

#[tokio::test]
async fn damaged_rows_are_right_again_and_those_outside_the_selection_are_left_alone() {
    let mut random = seeded("rollup_rebuild");
    let mut world = World::new("rollup_rebuild", 2).await;
    world.append(&random_calls(&mut random, 300, NOW_MS, 60 * DAY_MS), NOW_MS).await;
    world.settle(&mut world.worker()).await;
    for table in TABLES {
        // A mutation changes rows in place: same version, other content. No worker would look at them again.
        world.run(&format!("ALTER TABLE {table} UPDATE calls = calls + 1 WHERE 1")).await;
    }
    let settings = settings(&world);
    let run = async |selection: Selection| {
        rebuild(&settings, &selection, "a test", &Shutdown::new(), &Progress::hidden()).await
    };
    let error = run(Selection { orgs: vec!["acme".into(), "acmee".into()], ..Selection::default() })
        .await
        .unwrap_err();
    assert!(error.to_string().contains("`acmee`"), "{error}");

    let first = run(Selection { orgs: vec!["acme".into()], ..Selection::default() }).await.unwrap();
    assert_eq!(first.generation, 1);
    for table in TABLES {
        let (acme, others): (Vec<_>, Vec<_>) =
            world.rows(table).await.into_iter().partition(|row| row.org_id == "acme");
        assert!(acme.iter().all(|row| row.generation == 1) && others.iter().all(|row| row.generation == 0));
        world.assert_true(table, &acme);
    }
    let second = run(Selection {
        since: "2026-02-01".parse().ok(),
        until: "2026-02-10".parse().ok(),
        ..Selection::default()
    })
    .await
    .unwrap();
    assert_eq!(second.generation, 2);
    assert!(second.buckets.iter().all(|count| *count > 0), "{second}");
    let all = run(Selection::default()).await.unwrap();
    assert_eq!(all.generation, 3);
    world.settle(&mut world.worker()).await;
    world.assert_complete(&BTreeMap::new(), NOW_MS - 2_000).await;
    let query =
        world.warehouse().read("SELECT generation, reason FROM generations FINAL ORDER BY generation");
    let raised: Vec<(u32, String)> = world.warehouse().fetch_all("reading", query).await.unwrap();
    assert_eq!(raised.len(), 3);
    assert!(raised.iter().all(|(_, reason)| reason == "a test"));
}

/// A zone that an organisation had before: its days and months lie there still, and are used when it comes back.
#[tokio::test]
async fn damaged_rows_of_an_earlier_zone_do_not_come_back_with_it() {
    let mut random = seeded("rollup_earlier_zone");
    let mut world = World::new("rollup_earlier_zone", 2).await;
    world.append(&random_calls(&mut random, 200, NOW_MS, 60 * DAY_MS), NOW_MS).await;
    world.set_zone("acme", "Asia/Tokyo").await;
    world.settle(&mut world.worker()).await;
    world.set_zone("acme", "America/New_York").await;
    world.settle(&mut world.worker()).await;
    for table in TABLES {
        world.run(&format!("ALTER TABLE {table} UPDATE calls = calls + 1 WHERE 1")).await;
    }
    let settings = settings(&world);
    rebuild(&settings, &Selection::default(), "a test", &Shutdown::new(), &Progress::hidden()).await.unwrap();
    for table in TABLES {
        let rows = world.rows(table).await;
        assert!(!rows.is_empty() && rows.iter().all(|row| row.generation == 1), "{table}");
    }
    world.set_zone("acme", "Asia/Tokyo").await;
    world.settle(&mut world.worker()).await;
    let zones = BTreeMap::from([("acme".to_owned(), Tz::Asia__Tokyo)]);
    world.assert_complete(&zones, NOW_MS - 2_000).await;
}

#[tokio::test]
async fn no_row_is_wrong_at_any_moment_while_everything_is_rebuilt_and_late_calls_come() {
    let mut random = seeded("rollup_rebuild_live");
    let mut world = World::new("rollup_rebuild_live", 2).await;
    world.append(&random_calls(&mut random, 200, NOW_MS, 40 * DAY_MS), NOW_MS).await;
    let mut worker = world.worker();
    world.settle(&mut worker).await;
    let settings = settings(&world);
    for _ in 0..3 {
        let selection = Selection::default();
        let (shutdown, progress) = (Shutdown::new(), Progress::hidden());
        let mut rebuilding = Box::pin(rebuild(&settings, &selection, "a test", &shutdown, &progress));
        let mut is_done = false;
        while !is_done {
            world.append(&random_calls(&mut random, 20, NOW_MS, 40 * DAY_MS), NOW_MS).await;
            tokio::select! {
                result = &mut rebuilding => {
                    result.unwrap();
                    is_done = true;
                }
                step = worker.step() => {
                    step.unwrap();
                }
            }
            for table in TABLES {
                world.assert_true(table, &world.rows(table).await);
            }
        }
    }
    world.settle(&mut worker).await;
    world.assert_complete(&BTreeMap::new(), NOW_MS - 2_000).await;
}

#[tokio::test]
async fn a_rebuild_that_is_killed_half_way_leaves_only_right_rows_and_can_be_repeated() {
    const SIGKILL: i32 = 9;
    let mut random = seeded("rollup_rebuild_killed");
    let mut world = World::new("rollup_rebuild_killed", 2).await;
    world.append(&random_calls(&mut random, 300, NOW_MS, 60 * DAY_MS), NOW_MS).await;
    world.settle(&mut world.worker()).await;
    // A bucket a statement: hundreds of statements.
    let slow = [("WORKER_BUCKETS_PER_STATEMENT", "1")];
    let arguments = ["rebuild", "--reason", "a test"];
    let mut process = world.room.spawn("rollup", &arguments, &slow);
    let rebuilt = async || {
        let rows = world.rows(TABLES[0]).await;
        (rows.iter().filter(|row| row.generation > 0).count(), rows.len())
    };
    eventually("some rows to be of the new generation", async || match rebuilt().await {
        (0, all) => Err(format!("none of {all}")),
        _ => Ok(()),
    })
    .await;
    process.kill();
    assert_eq!(process.wait().signal(), Some(SIGKILL));
    let (new, all) = rebuilt().await;
    assert!(new < all, "it was over before it was killed");
    for table in TABLES {
        world.assert_true(table, &world.rows(table).await);
    }
    let mut again = world.room.spawn("rollup", &arguments, &[]);
    assert!(again.wait().success(), "{}", again.log().join("\n"));
    for table in TABLES {
        assert!(world.rows(table).await.iter().all(|row| row.generation == 2), "{table}");
    }
    world.assert_complete(&BTreeMap::new(), NOW_MS - 2_000).await;
}
