//! Claim: `emit()` never makes a copilot wait, whatever Kafka does: how long it takes while calls are published, while Kafka
//! is away, while a queue of hours is caught up with, and when the queue is full; against Kafka's own client, which keeps
//! calls in memory only.

use crate::generator::{Generator, Message, Size, Timeline, World};
use crate::report::{Report, microseconds, percentile, ratio, thousands};
use crate::{engine, row};
use anyhow::{Context, Result, ensure};
use emitter::{Emitter, EmitterSettings};
use proto::Call;
use rdkafka::ClientConfig;
use rdkafka::producer::{BaseRecord, DefaultProducerContext, ThreadedProducer};
use std::net::TcpListener;
use std::path::Path;
use std::time::{Duration, Instant};
use system_tests::{Room, Stack};

/// What is measured.
#[derive(Debug, Clone, clap::Args)]
pub struct Options {
    /// Calls a second, of all threads together.
    #[arg(long, default_value_t = 10_000)]
    pub rate: u32,
    /// Threads that emit.
    #[arg(long, default_value_t = 2)]
    pub threads: u32,
    /// Seconds of each case.
    #[arg(long, default_value_t = 20)]
    pub seconds: u64,
    /// Calls that wait in the queue that is caught up with.
    #[arg(long, default_value_t = 1_000_000)]
    pub backlog: u64,
}

impl Options {
    /// Small: some seconds.
    pub fn quick(self) -> Self {
        Self { seconds: 2, backlog: 50_000, ..self }
    }
}

/// Different calls that are emitted round and round.
const CALLS: u64 = 100_000;
/// How long Kafka may take to acknowledge what is left at the end of a case.
const PATIENCE: Duration = Duration::from_secs(120);

/// How long calls took that were accepted, and that were refused; sorted.
#[derive(Debug, Default)]
struct Times {
    accepted: Vec<Duration>,
    refused: Vec<Duration>,
}

/// Emits at a rate, for a while.
struct Load<'a> {
    calls: &'a [Call],
    threads: u32,
    /// Between two calls of a thread.
    pause: Duration,
    lasts: Duration,
}

/// Measures all cases, one after the other.
///
/// # Errors
/// If the stack fails, or a case does not do what it is about.
pub async fn run(seed: u64, options: &Options) -> Result<Report> {
    let stack = Stack::shared();
    let room = Room::new(&stack, "emit").await;
    room.create_topics().await;
    let version = engine::version(room.warehouse()).await?;
    let calls = &calls(seed)?;
    let (there, away) = (room.brokers(), &nobody()?);
    let pause = Duration::from_secs(1) * options.threads / options.rate;
    let load = Load { calls, threads: options.threads, pause, lasts: Duration::from_secs(options.seconds) };
    let unpaced = Load { pause: Duration::ZERO, ..load };
    let queue = |case: &str| stack.dir().join(format!("queue of {case}"));
    let settings = |brokers: &str, queue: &Path| {
        let mut settings = EmitterSettings::new(brokers, queue);
        settings.topic = room.topic("calls");
        settings
    };

    let client = client(there, &room.topic("calls"))?;
    let baseline = load.times(client);
    let emitter = Emitter::start(settings(there, &queue("Kafka there")))?;
    let published = load.times(|call| emitter.emit(call).is_ok());
    ended(&emitter, PATIENCE, 0)?;

    let mut with_sync = settings(there, &queue("syncs"));
    with_sync.sync_interval = Some(Duration::from_secs(1));
    let emitter = Emitter::start(with_sync)?;
    let synced = load.times(|call| emitter.emit(call).is_ok());
    ended(&emitter, PATIENCE, 0)?;

    let client = self::client(away, &room.topic("calls"))?;
    let away_baseline = load.times(client);
    let mut waiting = settings(away, &queue("Kafka away"));
    waiting.queue_bytes_max = 4 << 30;
    let emitter = Emitter::start(waiting.clone())?;
    let kept = load.times(|call| emitter.emit(call).is_ok());
    for call in calls.iter().cycle().take(usize::try_from(options.backlog)?) {
        // A new file of the queue is not always ready for the fastest.
        while emitter.emit(call).is_err() {
            std::thread::sleep(Duration::from_millis(1));
        }
    }
    let left = kept.accepted.len() as u64 + options.backlog;
    ended(&emitter, Duration::ZERO, left)?;
    drop(emitter);

    waiting.brokers = there.to_owned();
    let emitter = Emitter::start(waiting)?;
    let caught_up = load.times(|call| emitter.emit(call).is_ok());
    ended(&emitter, PATIENCE, 0)?;

    let mut small = settings(away, &queue("little room"));
    small.queue_bytes_max = 3 * small.segment_bytes;
    let emitter = Emitter::start(small)?;
    while emitter.counters().refused_full == 0 {
        calls.iter().for_each(|call| {
            emitter.emit(call).ok();
        });
    }
    let full = load.times(|call| emitter.emit(call).is_ok());
    ensure!(full.accepted.is_empty(), "a full queue accepted {} calls", full.accepted.len());

    let emitter = Emitter::start(settings(there, &queue("no pause")))?;
    let fastest = unpaced.times(|call| emitter.emit(call).is_ok());
    ended(&emitter, PATIENCE, 0)?;
    engine::drop_database(room.warehouse(), room.warehouse().database()).await?;

    let head = row!["while", "who", "calls", "refused", "median", "p99", "most", "p99, ratio"];
    let mut table = vec![head];
    for (case, who, times, against) in [
        ("Kafka takes them", "Kafka's client", &baseline, &baseline),
        ("Kafka takes them", "emitter", &published, &baseline),
        ("… and the queue is synced every second", "emitter", &synced, &baseline),
        ("Kafka is away", "Kafka's client", &away_baseline, &away_baseline),
        ("Kafka is away", "emitter", &kept, &away_baseline),
        ("Kafka is back, and a long queue is caught up with", "emitter", &caught_up, &baseline),
        ("Kafka is away and the queue full: refused", "emitter", &full, &away_baseline),
        ("Kafka takes them, as fast as they go", "emitter", &fastest, &baseline),
    ] {
        table.push(times.row(case, who, against));
    }
    Ok(Report::new("What `emit()` takes of a copilot's time", &version, seed)
        .fact("calls", format!("{} a second from {} threads, {} s a case", thousands(options.rate.into()), options.threads, options.seconds))
        .fact("calls caught up with", thousands(left))
        .table(table)
        .note(
            "Each figure is of one call, from the function's begin to its end, on a machine whose processors the broker and \
             the threads behind the queue use, too: the longest are those of a thread that the machine put aside. Of accepted \
             calls where there are any, else of refused ones. Kafka's client gets the same calls, encoded, with `acks=all`; what it \
             accepts is lost when the process dies, what the emitter accepts is in a file.",
        ))
}

/// Calls of the shape of all benchmarks.
fn calls(seed: u64) -> Result<Vec<Call>> {
    let world = World::new(seed, Size::default());
    let timeline = Timeline::new(seed, (0, 3_600_000), CALLS);
    let mut generator = Generator::new(&world, seed);
    let mut message = Message::default();
    let mut next = || {
        generator.next_of(&timeline, &mut message);
        Ok(proto::decode_call(&message.payload)?.to_call()?)
    };
    (0..CALLS).map(|_| next()).collect()
}

/// An address where nobody listens.
fn nobody() -> Result<String> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.to_string())
}

/// Kafka's client as a copilot without the emitter would use it.
fn client(brokers: &str, topic: &str) -> Result<impl Fn(&Call) -> bool + Sync + use<>> {
    let producer: ThreadedProducer<DefaultProducerContext> = ClientConfig::new()
        .set("bootstrap.servers", brokers)
        .set("acks", "all")
        .set("enable.idempotence", "true")
        .set("linger.ms", "20")
        .set("partitioner", "murmur2_random")
        .set("queue.buffering.max.messages", "10000000")
        .create()
        .context("making Kafka's client")?;
    let topic = topic.to_owned();
    Ok(move |call: &Call| {
        let payload = call.encode();
        producer.send(BaseRecord::to(&topic).key(call.key()).payload(&payload)).is_ok()
    })
}

/// Ends an emitter that must leave so many calls.
fn ended(emitter: &Emitter, patience: Duration, left: u64) -> Result<()> {
    let report = emitter.shutdown(patience);
    ensure!(
        report.unsent == left,
        "{} calls are left in the place of {left}: {:?}",
        report.unsent,
        emitter.trouble()
    );
    Ok(())
}

impl Load<'_> {
    fn times(&self, emit: impl Fn(&Call) -> bool + Sync) -> Times {
        let mut all = Times::default();
        std::thread::scope(|scope| {
            let threads: Vec<_> =
                (0..self.threads).map(|_| scope.spawn(|| self.times_of_thread(&emit))).collect();
            for times in threads.into_iter().filter_map(|thread| thread.join().ok()) {
                all.accepted.extend(times.accepted);
                all.refused.extend(times.refused);
            }
        });
        all.accepted.sort_unstable();
        all.refused.sort_unstable();
        all
    }

    fn times_of_thread(&self, emit: impl Fn(&Call) -> bool) -> Times {
        // Room for all of them: growing would be measured, too.
        let mut times = Times { accepted: Vec::with_capacity(1 << 22), refused: Vec::with_capacity(1 << 22) };
        let until = Instant::now() + self.lasts;
        let mut next = Instant::now();
        for call in self.calls.iter().cycle() {
            let began = Instant::now();
            if began >= until {
                break;
            }
            let accepted = emit(call);
            let took = began.elapsed();
            if accepted {
                times.accepted.push(took)
            } else {
                times.refused.push(took)
            }
            next += self.pause;
            std::thread::sleep(next.saturating_duration_since(Instant::now()));
        }
        times
    }
}

impl Times {
    /// Of accepted calls, or of refused ones where none was accepted.
    fn told(&self) -> &[Duration] {
        if self.accepted.is_empty() { &self.refused } else { &self.accepted }
    }

    fn row(&self, case: &str, who: &str, against: &Self) -> Vec<String> {
        let [p50, p99, most] = [50, 99, 100].map(|percent| percentile(self.told(), percent));
        row![
            case,
            who,
            thousands((self.accepted.len() + self.refused.len()) as u64),
            thousands(self.refused.len() as u64),
            microseconds(p50),
            microseconds(p99),
            microseconds(most),
            ratio(p99.as_nanos(), percentile(against.told(), 99).as_nanos()),
        ]
    }
}
