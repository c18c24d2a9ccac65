//! Claim: from published to visible in the breakdowns at most a second for 99 of 100 calls, with many calls in the running
//! hour, over all organisations and in one; against ClickHouse's own Kafka engine and views under the same load.

mod load;
mod probe;

use crate::api::Api;
use crate::generator::{Generator, Message, Size, Timeline, World};
use crate::ingest::{self, peer::Peer, wait_until_counted};
use crate::machine::peak_memory_kib;
use crate::publisher::Publisher;
use crate::report::{Report, milliseconds, per_second, percentile, ratio, thousands};
use crate::{engine, memory, row};
use anyhow::{Context, Result, ensure};
use load::Load;
use probe::{Prober, Seen};
use rand::rngs::Xoshiro256PlusPlus;
use rand::{RngExt, SeedableRng};
use service::clock;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};
use system_tests::{PARTITIONS, Room, Stack};

const HOUR_MS: i64 = 3_600_000;
const QUARTER_MS: i64 = 900_000;
/// The hour must have so much behind it: its calls shall be as dense as the load that follows, not all of them a minute old.
const LEAST_OF_HOUR_MS: i64 = 1_200_000;
/// It must still run when everything was measured.
const MOST_OF_HOUR_MS: i64 = 2_400_000;
/// The running quarter hour, of which no rollup row helps, must hold many of the calls ...
const LEAST_OF_QUARTER_MS: i64 = 300_000;
/// ... and still run when everything was measured.
const MOST_OF_QUARTER_MS: i64 = 480_000;

/// What is measured.
#[derive(Debug, Clone, clap::Args)]
pub struct Options {
    /// Calls that are in the running hour before anything is measured.
    #[arg(long, default_value_t = 36_000_000)]
    pub calls: u64,
    /// Events a second over all organisations.
    #[arg(long, default_value_t = 20_000)]
    pub rate: u64,
    /// Events a second in the largest organisation alone.
    #[arg(long, default_value_t = 1_000)]
    pub rate_of_one: u64,
    /// Seconds of each load.
    #[arg(long, default_value_t = 60)]
    pub seconds: u64,
    /// Probes under way at once.
    #[arg(long, default_value_t = 2)]
    pub probers: u32,
    /// Begin at once, whatever of the hour and the quarter hour has passed.
    #[arg(long)]
    pub now: bool,
}

impl Options {
    /// Small: two minutes.
    pub fn quick(self) -> Self {
        Self { calls: 500_000, rate: 5_000, seconds: 10, now: true, ..self }
    }
}

/// One load with what was seen under it.
struct Phase {
    name: String,
    sent: u64,
    lasted: Duration,
    seen: Seen,
}

/// Fills the running hour, then measures under both loads, then the peer.
///
/// # Errors
/// If the stack fails or a call is not visible within two minutes.
pub async fn run(seed: u64, options: &Options) -> Result<Report> {
    let stack = Stack::shared();
    let room = Room::new(&stack, "freshness").await;
    room.create_topics().await;
    let world = World::new(seed, Size::default());
    let calls_topic = room.topic("calls");

    let mut ingest = room.start("ingest", &[]).await;
    let mut rollup = room.start("rollup", &[]).await;
    let (hour_ms, into_hour_ms) = fill(&world, seed, options, &room).await?;
    wait_until_counted(room.warehouse(), options.calls).await?;
    // What half an hour brought at this rate was merged as it came, not all at once.
    engine::settle(room.warehouse(), room.warehouse().database()).await?;
    let quarter_ms = hour_ms + into_hour_ms - into_hour_ms % QUARTER_MS;
    eprintln!("all are counted and all passed buckets computed");
    let mut api = Api::start(&stack, &room, world.organisations.iter().map(|org| org.id.as_str())).await?;

    let over_all = Load {
        world: &world,
        seed: seed + 1,
        brokers: room.brokers(),
        topic: &calls_topic,
        partitions: PARTITIONS,
        rate: options.rate,
        one_organisation: false,
    };
    let in_one = Load { seed: seed + 2, rate: options.rate_of_one, one_organisation: true, ..over_all };
    let ask = async |org_id: &str, _: &str| api.get(org_id, "breakdowns").await;
    let mut phases = Vec::new();
    for load in [&over_all, &in_one] {
        phases.push(measure(load, options, &ask).await?);
        ensure!(
            options.now || clock::now_ms() < quarter_ms + QUARTER_MS,
            "the quarter hour ended before everything was measured"
        );
    }
    let calls_since = async |unix_ms: i64| {
        let sql = format!(
            "SELECT count() FROM ai_calls WHERE occurred_at >= fromUnixTimestamp64Milli({unix_ms}, 'UTC')"
        );
        engine::number(room.warehouse(), &sql).await
    };
    let (in_hour, in_quarter) = (calls_since(hour_ms).await?, calls_since(quarter_ms).await?);
    ensure!(in_hour >= options.calls, "the running hour holds {in_hour} calls only");
    let services = [("ingest", ingest.id()), ("rollup", rollup.id()), ("query-api", api.process.id())];
    let peaks = services.map(|(name, pid)| Ok((name.to_owned(), peak_memory_kib(pid)?)));
    let peaks: Vec<(String, u64)> = peaks.into_iter().collect::<Result<_>>()?;
    api.process.stop();
    ingest.stop();
    rollup.stop();
    let version = engine::version(room.warehouse()).await?;
    engine::drop_database(room.warehouse(), room.warehouse().database()).await?;

    let peer = measure_peer(&stack, &world, seed + 3, options).await?;
    Ok(Report::new("Published to visible", &version, seed)
        .fact("calls in the running hour before", thousands(options.calls))
        .fact("calls in it at the end", thousands(in_hour))
        .fact("of these in the running quarter hour", thousands(in_quarter))
        .fact("part of the hour they fill", format!("{} minutes", into_hour_ms / 60_000))
        .fact("each load lasts", format!("{} s, with {} probes under way", options.seconds, options.probers))
        .table(table(&phases, &peer))
        .table(memory::table(&peaks))
        .note(
            "Visible: from handing a call by a new member to the Kafka client until an answer of `breakdowns` of this \
             month that names the member is read. The next question follows at once on the last answer, so the questions \
             are a load of their own. Half of the probes choose the organisation by its calls, half by lot. The peer starts \
             with an empty ledger, under the same load over all organisations, and is asked for the member's calls in \
             its hourly table.",
        ))
}

/// Publishes the calls that are there before. Returns the start of the hour and how much of it they fill, in milliseconds.
async fn fill(world: &World, seed: u64, options: &Options, room: &Room) -> Result<(i64, i64)> {
    let calls = options.calls;
    let mut now_ms = clock::now_ms();
    let fits = |now_ms: i64| {
        options.now
            || (LEAST_OF_HOUR_MS..MOST_OF_HOUR_MS).contains(&(now_ms % HOUR_MS))
                && (LEAST_OF_QUARTER_MS..MOST_OF_QUARTER_MS).contains(&(now_ms % QUARTER_MS))
    };
    while !fits(now_ms) {
        eprintln!("waiting for the 20th to 23rd or the 35th to 38th minute of an hour");
        tokio::time::sleep(Duration::from_secs(20)).await;
        now_ms = clock::now_ms();
    }
    let timeline = Timeline::new(seed, (now_ms - now_ms % HOUR_MS, now_ms), calls);
    let mut generator = Generator::new(world, seed);
    let publisher =
        Publisher::new(world, room.brokers(), &room.topic("calls"), PARTITIONS, Duration::from_millis(50))?;
    let mut message = Message::default();
    for _ in 0..calls {
        generator.next_of(&timeline, &mut message);
        publisher.send(&message)?;
    }
    publisher.flush()?;
    eprintln!("published {} calls", thousands(calls));
    Ok((now_ms - now_ms % HOUR_MS, now_ms % HOUR_MS))
}

async fn measure(
    load: &Load<'_>,
    options: &Options,
    ask: &impl AsyncFn(&str, &str) -> Result<String>,
) -> Result<Phase> {
    let (over, sent) = (AtomicBool::new(false), AtomicU64::new(0));
    let where_to =
        if load.one_organisation { "in the largest organisation" } else { "over all organisations" };
    let name = format!("{} events/s {where_to}", thousands(load.rate));
    eprintln!("{name}");
    let began = Instant::now();
    let seen = std::thread::scope(|scope| {
        let publisher = scope.spawn(|| load.publish(&over, &sent));
        let seen = tokio::task::block_in_place(|| {
            tokio::runtime::Handle::current().block_on(probe_all(load, options, ask))
        });
        over.store(true, Ordering::Relaxed);
        publisher.join().map_err(|_| anyhow::anyhow!("the publisher panicked"))??;
        seen
    })?;
    Ok(Phase { name, sent: sent.load(Ordering::Relaxed), lasted: began.elapsed(), seen })
}

async fn probe_all(
    load: &Load<'_>,
    options: &Options,
    ask: &impl AsyncFn(&str, &str) -> Result<String>,
) -> Result<Seen> {
    let prober = Prober::new(load.brokers, load.topic, load.partitions)?;
    let until = Instant::now() + Duration::from_secs(options.seconds);
    let probers = (0..options.probers).map(|number| {
        let prober = &prober;
        async move {
            let mut rng = Xoshiro256PlusPlus::seed_from_u64(load.seed ^ u64::from(number));
            let mut seen = Seen::default();
            while Instant::now() < until {
                let organisation = match (load.one_organisation, number % 2) {
                    (true, _) => 0,
                    (false, 0) => load.world.by_calls.pick(&mut rng),
                    (false, _) => rng.random_range(0..load.world.organisations.len()),
                };
                let member = format!("probe-{:016x}", rng.random::<u64>());
                prober.probe(load.world, organisation, &member, &mut seen, ask).await?;
            }
            anyhow::Ok(seen)
        }
    });
    let mut all = Seen::default();
    for seen in futures_util::future::try_join_all(probers).await? {
        all.add(seen);
    }
    Ok(all)
}

async fn measure_peer(stack: &Stack, world: &World, seed: u64, options: &Options) -> Result<Phase> {
    let room = Room::new(stack, "freshness_peer").await;
    room.create_topics().await;
    let topic = room.topic("calls");
    let warehouse = room.warehouse();
    let to_peer = ingest::Load { name: &room.name, brokers: room.brokers(), topic: &topic, messages: 0 };
    let peer = Peer::prepare(warehouse, &to_peer).await?;
    peer.start(warehouse).await?;
    let load = Load {
        world,
        seed,
        brokers: room.brokers(),
        topic: &topic,
        partitions: PARTITIONS,
        rate: options.rate,
        one_organisation: false,
    };
    let sql = format!(
        "SELECT toString(groupUniqArray(member_id)) FROM {}.usage_hourly WHERE org_id = {{org:String}} AND member_id = {{member:String}}",
        peer.database
    );
    let ask = async |org_id: &str, member: &str| {
        let query = warehouse.read(&sql).param("org", org_id).param("member", member);
        // The peer needs seconds; asking it all the time would only take processor time from it.
        tokio::time::sleep(Duration::from_millis(20)).await;
        warehouse.fetch_one::<String>("asking the peer", query).await.context("asking the peer")
    };
    let phase = measure(&load, options, &ask).await?;
    engine::drop_database(warehouse, &peer.database).await?;
    engine::drop_database(warehouse, warehouse.database()).await?;
    Ok(Phase { name: format!("ClickHouse's Kafka engine, {}", phase.name), ..phase })
}

fn table(phases: &[Phase], peer: &Phase) -> Vec<Vec<String>> {
    let peer_p99 = percentile(&peer.seen.visible, 99).as_micros();
    let mut rows = vec![row![
        "load",
        "sent",
        "events/s reached",
        "probes",
        "visible: median",
        "p95",
        "p99",
        "most",
        "answers",
        "answer: median",
        "p99",
        "left calls out",
        "times fresher than the peer (p99)"
    ]];
    for phase in phases.iter().chain([peer]) {
        let Phase { name, sent, lasted, seen } = phase;
        let of = |times: &[Duration], percent| milliseconds(percentile(times, percent));
        rows.push(row![
            name,
            thousands(*sent),
            per_second(*sent, lasted.as_millis() as u64),
            seen.visible.len(),
            of(&seen.visible, 50),
            of(&seen.visible, 95),
            of(&seen.visible, 99),
            of(&seen.visible, 100),
            seen.answers.len(),
            of(&seen.answers, 50),
            of(&seen.answers, 99),
            seen.behind,
            ratio(peer_p99, percentile(&seen.visible, 99).as_micros()),
        ]);
    }
    rows
}
