//! Claim: Kafka → ledger and all passed buckets computed, in events per processor second (our processes and the
//! engine together, the broker apart), against ClickHouse's own Kafka table engine with materialized views into a
//! ledger, an hourly and a monthly summing table, on the same broker, engine and topic.

mod ours;
pub mod peer;

pub use ours::wait_until_counted;

use crate::generator::{Generator, Message, Size, Timeline, World};
use crate::machine::{Counted, CpuTimes};
use crate::memory;
use crate::publisher::Publisher;
use crate::report::{Report, per_second, ratio, thousands};
use crate::{engine, row};
use anyhow::{Context, Result};
use service::clock;
use std::time::{Duration, Instant};
use system_tests::{PARTITIONS, Room, Stack};
use warehouse::calendar;

/// Between two looks whether all is done. A look costs the engine a millisecond or two.
const POLL: Duration = Duration::from_millis(250);

/// What is measured.
#[derive(Debug, Clone, clap::Args)]
pub struct Options {
    /// Events.
    #[arg(long, default_value_t = 5_000_000)]
    pub events: u64,
    /// Hours over which they are spread; they end with the month before this one, so that every quarter hour, day and
    /// month has passed.
    #[arg(long, default_value_t = 4)]
    pub hours: u32,
    /// How often each side is measured, in turn.
    #[arg(long, default_value_t = 2)]
    pub rounds: u32,
    /// Measure only our side, e.g. under a profiler.
    #[arg(long)]
    pub only_ours: bool,
    /// Measure only the peer.
    #[arg(long)]
    pub only_peer: bool,
}

impl Options {
    /// Small: half a minute.
    pub fn quick(self) -> Self {
        Self { events: 500_000, hours: 1, rounds: 1, ..self }
    }
}

/// The messages on their topic.
pub struct Load<'a> {
    /// What the peer's database is called after.
    pub name: &'a str,
    /// The broker's address.
    pub brokers: &'a str,
    /// The topic.
    pub topic: &'a str,
    /// How many there are.
    pub messages: u64,
}

/// What one side needed.
pub struct Cost {
    /// When all was counted.
    done: Reading,
    /// When background merges had ended, too.
    settled: Reading,
    /// Most memory of each service.
    peak_memory_kib: Vec<(String, u64)>,
}

struct Reading {
    wall_ms: u64,
    cpu: CpuTimes,
}

/// Wall and processor time since a start.
struct Clock {
    started: Instant,
    processes: Vec<Counted>,
    before: CpuTimes,
}

impl Clock {
    fn start(processes: &[Counted]) -> Result<Self> {
        Ok(Self { started: Instant::now(), processes: processes.into(), before: CpuTimes::now(processes)? })
    }

    /// Counts processes, too, that began after the start.
    fn with(mut self, processes: &[Counted]) -> Self {
        self.processes.extend_from_slice(processes);
        self
    }

    fn read(&self) -> Result<Reading> {
        let cpu = CpuTimes::now(&self.processes)?.since(&self.before);
        Ok(Reading { wall_ms: self.started.elapsed().as_millis() as u64, cpu })
    }
}

/// Publishes the events, lets both sides take them in, in turn, and compares.
///
/// # Errors
/// If the stack fails or one side does not count every event.
pub async fn run(seed: u64, options: &Options) -> Result<Report> {
    let stack = Stack::shared();
    let world = World::new(seed, Size::default());
    let now = clock::now();
    let this_month = calendar::month(calendar::Tz::UTC, now.date_naive()).starts_at * 1000;
    let span = (this_month - i64::from(options.hours) * 3_600_000, this_month);

    let mut ours: Vec<Cost> = Vec::new();
    let mut peers: Vec<Cost> = Vec::new();
    let mut version = String::new();
    for round in 0..options.rounds {
        // A topic of its own for each round: a consumer group begins at the start, and the log is cold for neither.
        let room = Room::new(&stack, &format!("ingest{round}")).await;
        room.create_topics().await;
        let topic = room.topic("calls");
        publish(&world, seed + u64::from(round), span, options.events, &room)?;
        let load =
            Load { name: &room.name, brokers: room.brokers(), topic: &topic, messages: options.events };
        version = engine::version(room.warehouse()).await?;
        if !options.only_ours {
            eprintln!("round {}: the peer", round + 1);
            let cost = peer::measure(room.warehouse(), &load).await.context("measuring the peer")?;
            eprintln!("  {} ms; {}; settled {}", cost.done.wall_ms, cost.done.cpu, cost.settled.cpu);
            peers.push(cost);
        }
        if !options.only_peer {
            eprintln!("round {}: our services", round + 1);
            let cost = ours::measure(&room, &load).await.context("measuring our services")?;
            eprintln!("  {} ms; {}; settled {}", cost.done.wall_ms, cost.done.cpu, cost.settled.cpu);
            ours.push(cost);
        }
        engine::drop_database(room.warehouse(), room.warehouse().database()).await?;
    }
    Ok(report(seed, options, &version, &ours, &peers))
}

fn publish(world: &World, seed: u64, span: (i64, i64), events: u64, room: &Room) -> Result<()> {
    let timeline = Timeline::new(seed, span, events);
    let mut generator = Generator::new(world, seed);
    let publisher =
        Publisher::new(world, room.brokers(), &room.topic("calls"), PARTITIONS, Duration::from_millis(50))?;
    let mut message = Message::default();
    let started = Instant::now();
    for _ in 0..events {
        generator.next_of(&timeline, &mut message);
        publisher.send(&message)?;
    }
    publisher.flush()?;
    eprintln!("published {} events in {} ms", thousands(events), started.elapsed().as_millis());
    Ok(())
}

fn report(seed: u64, options: &Options, version: &str, ours: &[Cost], peers: &[Cost]) -> Report {
    let events = options.events;
    let mut rows = vec![row![
        "round",
        "side",
        "wall",
        "events/s",
        "processor time",
        "events per processor second",
        "… with merges settled",
        "ratio",
        "… settled"
    ]];
    for index in 0..ours.len().max(peers.len()) {
        let (own, peer) = (ours.get(index), peers.get(index));
        for (side, cost) in [("ClickHouse's Kafka engine", peer), ("ours", own)] {
            let Some(cost) = cost else { continue };
            let against = |of: fn(&Cost) -> u64| match (own, peer) {
                (Some(own), Some(peer)) if side == "ours" => ratio(of(peer).into(), of(own).into()),
                _ => "1.00".into(),
            };
            rows.push(row![
                index + 1,
                side,
                format!("{} s", cost.done.wall_ms / 1000),
                per_second(events, cost.done.wall_ms),
                cost.done.cpu,
                per_second(events, cost.done.cpu.total_ms()),
                per_second(events, cost.settled.cpu.total_ms()),
                against(|cost| cost.done.cpu.total_ms()),
                against(|cost| cost.settled.cpu.total_ms()),
            ]);
        }
    }
    let memory = ours.iter().flat_map(|cost| cost.peak_memory_kib.iter());
    Report::new("Kafka to ledger and rollups", version, seed)
        .fact("events", thousands(events))
        .fact("spread over", format!("{} hours that have passed", options.hours))
        .table(rows)
        .table(memory::table(memory))
        .note(
            "Processor time is user and system time of all named processes from the start of consumption (our \
             services: from before they start) until every event is counted: with the peer in ledger, hourly and \
             monthly table, with ours in the ledger and in every quarter hour, day and month. \"Settled\" counts on \
             until background merges have ended. The broker is not counted, on neither side.",
        )
}
