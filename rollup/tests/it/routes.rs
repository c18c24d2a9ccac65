//! Same bucket, same position, same bytes, whichever way a row was computed.

use crate::levels::random_calls;
use crate::world::{StoredRow, TABLES, World, worker_settings};
use rollup::{Bucket, Level, Organisations, Recompute};
use service::shutdown::Shutdown;
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use system_tests::{call, seeded};
use warehouse::calendar::Tz;

const NOW_MS: i64 = 1_774_000_000_000;
const DAY_MS: i64 = 86_400_000;

/// Computes every bucket of a level that holds calls at the present frontiers, and returns the rows.
async fn computed(world: &World, level: Level, zone: Tz) -> Vec<StoredRow> {
    let mut organisations = Organisations::default();
    let zones = world.org_ids().into_iter().map(|org_id| (org_id, zone.name().to_owned()));
    organisations.set_zones(zones);
    let buckets: BTreeSet<Bucket> = world
        .messages
        .iter()
        .map(|message| {
            let org = organisations.number(message.call.org_id.as_str());
            let quarter = message.call.occurred_at_ms().div_euclid(900_000) * 900;
            Bucket { org, interval: level.interval(zone, quarter as u32) }
        })
        .collect();
    let frontiers = world.frontiers().await;
    let recompute = Recompute {
        warehouse: world.warehouse(),
        organisations: &organisations,
        frontiers: &frontiers,
        settings: &worker_settings(),
        shutdown: &Shutdown::new(),
    };
    let mut stored = 0;
    let count = buckets.len();
    recompute.compute(level, buckets.into_iter().collect(), |buckets| stored += buckets).await.unwrap();
    assert_eq!(stored, count);
    let rows = world.rows(level.table()).await;
    assert_eq!(rows.len(), count);
    world.assert_true(level.table(), &rows);
    rows
}

async fn forget(world: &World, level: Level) {
    world.run(&format!("TRUNCATE TABLE {}", level.table())).await;
}

#[tokio::test]
async fn days_and_months_are_the_same_bytes_from_rows_and_from_the_ledger() {
    let mut random = seeded("rollup_routes");
    let mut world = World::new("rollup_routes", 2).await;
    let zone = Tz::Asia__Kathmandu;
    world.append(&random_calls(&mut random, 500, NOW_MS, 40 * DAY_MS), NOW_MS).await;

    let month_from_ledger = computed(&world, Level::Month, zone).await;
    let day_from_ledger = computed(&world, Level::Day, zone).await;
    forget(&world, Level::Month).await;
    assert!(computed(&world, Level::Month, zone).await == month_from_ledger, "from days");

    forget(&world, Level::Day).await;
    forget(&world, Level::Month).await;
    let quarters = computed(&world, Level::Quarter, zone).await;
    assert!(computed(&world, Level::Month, zone).await == month_from_ledger, "from quarter hours");
    assert!(computed(&world, Level::Day, zone).await == day_from_ledger, "from quarter hours");

    // Some rows of each level are gone: a month is made of days, quarter hours and the ledger at once.
    world.run("ALTER TABLE usage_quarter_hourly DELETE WHERE cityHash64(starts_at) % 3 = 0").await;
    world.run("ALTER TABLE usage_daily DELETE WHERE cityHash64(starts_at) % 2 = 0").await;
    forget(&world, Level::Month).await;
    assert!(computed(&world, Level::Month, zone).await == month_from_ledger, "from everything");
    assert!(computed(&world, Level::Day, zone).await == day_from_ledger, "from quarter hours and the ledger");
    assert!(computed(&world, Level::Quarter, zone).await == quarters, "again");
}

#[tokio::test]
async fn a_row_that_is_stale_or_too_new_is_not_built_upon() {
    let mut world = World::new("rollup_stale", 1).await;
    let at = |hour: i64| call().at_ms(NOW_MS - 40 * DAY_MS + hour * 3_600_000).credits("1").build();
    let calls: Vec<_> = (0..48).map(at).collect();
    world.append(&calls, NOW_MS).await;
    computed(&world, Level::Quarter, Tz::UTC).await;
    computed(&world, Level::Day, Tz::UTC).await;
    // Late calls make every row stale. The rows stay, and must not be used.
    let late: Vec<_> = (0..48).map(|hour| at(hour * 7 % 48)).collect();
    world.append(&late, NOW_MS).await;
    let month = computed(&world, Level::Month, Tz::UTC).await;
    assert_eq!(month.iter().map(|row| row.calls).sum::<u64>(), 96);
    // Rows that know more than the position asked for: the frontier goes back, as after a restore.
    computed(&world, Level::Quarter, Tz::UTC).await;
    computed(&world, Level::Day, Tz::UTC).await;
    world
        .run("ALTER TABLE batches DELETE WHERE from_position != (SELECT min(from_position) FROM batches)")
        .await;
    world.run("INSERT INTO generations VALUES (1, 'test', now64())").await;
    computed(&world, Level::Month, Tz::UTC).await;
    let month = world.rows(TABLES[2]).await;
    assert_eq!(month.iter().map(|row| row.calls).sum::<u64>(), 48, "{month:?}");
}

#[tokio::test]
async fn texts_with_more_combinations_than_an_integer_has_values_are_folded_all_the_same() {
    let mut world = World::new("rollup_texts", 1).await;
    let currency = |n: u32| -> String {
        [n / 676, n / 26 % 26, n % 26].iter().map(|digit| char::from(b'A' + *digit as u8)).collect()
    };
    // 8,000 distinct texts in five columns: 3 × 10^19 combinations, more than the 1.8 × 10^19 of 64 bits. With fewer the
    // test would pass without the guard: the integer would still hold them.
    let calls: Vec<_> = (0..8000u32)
        .map(|n| {
            call()
                .at_ms(NOW_MS - DAY_MS - i64::from(n))
                .member(&format!("member-{n}"))
                .reason(&format!("reason-{n}"))
                .model(&format!("provider-{n}"), &format!("model '{n}\\"))
                .byok("0.5", &currency(n))
                .build()
        })
        .collect();
    world.append(&calls, NOW_MS).await;
    for level in [Level::Quarter, Level::Day, Level::Month] {
        let log = DebugLog::start();
        computed(&world, level, Tz::UTC).await;
        assert!(log.text().contains("folding by texts"), "{level:?} was folded by numbers: {}", log.text());
    }
}

/// What is logged on this thread while it lives.
struct DebugLog {
    lines: Arc<Mutex<Vec<u8>>>,
    _guard: tracing::subscriber::DefaultGuard,
}

impl DebugLog {
    fn start() -> Self {
        let lines = Arc::new(Mutex::new(Vec::new()));
        let writer = Arc::clone(&lines);
        let log = tracing_subscriber::fmt()
            .with_max_level(tracing::Level::DEBUG)
            .with_ansi(false)
            .with_writer(move || Lines(Arc::clone(&writer)))
            .finish();
        Self { lines, _guard: tracing::subscriber::set_default(log) }
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.lines.lock().unwrap()).into_owned()
    }
}

struct Lines(Arc<Mutex<Vec<u8>>>);

impl std::io::Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn the_engine_and_the_partitioner_agree_on_every_organisations_partition() {
    let world = World::new("rollup_partitions", 1).await;
    let orgs: Vec<String> = (0..2000)
        .map(|n| format!("org-{n}{}", ["", "ö", "🦀", "'\\"][n % 4]))
        .chain((0..128).map(|length| "x".repeat(length)))
        .collect();
    for partitions in [1u32, 3, 64] {
        let query = world
            .warehouse()
            .read("SELECT arrayMap(org -> toUInt32(kafkaMurmurHash(org) % {n:UInt32}), {orgs:Array(String)})")
            .param("n", partitions)
            .param("orgs", &orgs);
        let found: Vec<u32> = world.warehouse().fetch_one("asking", query).await.unwrap();
        let expected: Vec<u32> =
            orgs.iter().map(|org| proto::partition_of(org.as_bytes(), partitions)).collect();
        assert_eq!(found, expected);
    }
}
