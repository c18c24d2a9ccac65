//! The worker as a process, killed between any two of its writes.

use crate::levels::random_calls;
use crate::world::{TABLES, World};
use std::collections::BTreeMap;
use std::os::unix::process::ExitStatusExt;
use system_tests::{eventually, seeded};
use warehouse::calendar::Tz;

const NOW_MS: i64 = 1_774_000_000_000;
const DAY_MS: i64 = 86_400_000;
const SIGKILL: i32 = 9;

#[tokio::test]
async fn a_kill_between_any_two_writes_ends_in_exact_totals() {
    let mut random = seeded("rollup_crash");
    let mut world = World::new("rollup_crash", 2).await;
    world.set_zone("globex", "Asia/Kathmandu").await;
    let zones = BTreeMap::from([("globex".to_owned(), Tz::Asia__Kathmandu)]);
    for (round, fail_point) in rollup::FAIL_POINTS.into_iter().enumerate() {
        let now_ms = NOW_MS + round as i64 * 40 * DAY_MS;
        world.append(&random_calls(&mut random, 100, now_ms, 35 * DAY_MS), now_ms).await;
        let mut process = world.room.spawn("rollup", &[], &[("FAILPOINT", &format!("{fail_point}:1"))]);
        assert_eq!(process.wait().signal(), Some(SIGKILL), "{fail_point}");
        for table in TABLES {
            world.assert_true(table, &world.rows(table).await);
        }
    }
    let mut process = world.room.start("rollup", &[]).await;
    let until_ms = NOW_MS + 3 * 40 * DAY_MS - 2_000;
    eventually("all passed buckets to be computed", async || {
        for table in TABLES {
            let rows = world.rows(table).await;
            for org_id in world.org_ids() {
                let zone = zones.get(&org_id).copied().unwrap_or_default();
                for interval in world.passed(table, &org_id, zone, until_ms) {
                    let last = world.model(&org_id, interval, world.position_of(&org_id));
                    let is_there = rows.iter().any(|row| {
                        row.org_id == org_id
                            && i64::from(row.starts_at) == interval.starts_at
                            && row.cells() == last
                    });
                    if !is_there {
                        return Err(format!("{table} {org_id} {interval:?}"));
                    }
                }
            }
        }
        Ok(())
    })
    .await;
    world.assert_complete(&zones, until_ms).await;
    assert!(process.stop().success());
}
