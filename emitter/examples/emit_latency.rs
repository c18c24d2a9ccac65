//! Measures how long `emit()` takes while calls are being published to Kafka.
//!
//! ```text
//! KAFKA_BROKERS=127.0.0.1:19092 cargo run --release -p emitter --example emit_latency -- [THREADS] [CALLS_PER_SECOND] [SECONDS] [SYNC_MS]
//! ```
//!
//! Defaults: 2 threads, 10,000 calls a second in all, 10 s, no sync. `max` as rate emits as fast as it goes. The topic
//! `emit-latency` is created with 12 partitions if it is missing.

#![expect(clippy::expect_used, reason = "the identifiers below are constants")]

use emitter::{EmitError, Emitter, EmitterSettings};
use proto::{Amount, Call, Charge, Credits, EventId, MemberId, Model, OrgId, Provider, Reason};
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::config::ClientConfig;
use std::time::{Duration, Instant};

const TOPIC: &str = "emit-latency";

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let number = |index: usize, default: u64| {
        arguments.get(index).and_then(|argument| argument.parse().ok()).unwrap_or(default)
    };
    let (threads, seconds) = (number(0, 2), number(2, 10));
    let pause = match arguments.get(1).map(String::as_str) {
        Some("max") => Duration::ZERO,
        _ => Duration::from_nanos(1_000_000_000 * threads / number(1, 10_000)),
    };
    let brokers = std::env::var("KAFKA_BROKERS")?;
    create_topic(&brokers)?;
    let folder = tempfile::tempdir_in(".")?;
    let mut settings = EmitterSettings::new(&brokers, folder.path());
    TOPIC.clone_into(&mut settings.topic);
    settings.sync_interval = arguments.get(3).and_then(|ms| ms.parse().ok()).map(Duration::from_millis);
    let emitter = Emitter::start(settings)?;

    let began = Instant::now();
    let until = began + Duration::from_secs(seconds);
    let emitter_of_all = &emitter;
    let mut nanoseconds: Vec<u64> = std::thread::scope(|scope| {
        let emitters: Vec<_> = (0..threads)
            .map(|thread| scope.spawn(move || emit_until(emitter_of_all, thread, pause, until)))
            .collect();
        emitters.into_iter().flat_map(|thread| thread.join().unwrap_or_default()).collect()
    });
    let emitted_in = began.elapsed();
    let report = emitter.shutdown(Duration::from_secs(60));
    let counters = emitter.counters();

    nanoseconds.sort_unstable();
    let per_second = counters.accepted as u128 * 1000 / emitted_in.as_millis();
    println!("{} calls accepted, {per_second} a second, from {threads} threads", counters.accepted);
    for (name, per_million) in
        [("p50", 500_000), ("p99", 990_000), ("p99.9", 999_000), ("p99.99", 999_900), ("max", 1_000_000)]
    {
        let index = (nanoseconds.len() * per_million / 1_000_000).min(nanoseconds.len().saturating_sub(1));
        let value = nanoseconds.get(index).copied().unwrap_or_default();
        println!("{name:>7} {:>7}.{} µs", value / 1000, value % 1000 / 100);
    }
    println!("all acknowledged after {:.1?}, unsent: {}", began.elapsed(), report.unsent);
    println!("{counters:?}");
    Ok(())
}

/// How long each accepted call took, in nanoseconds.
fn emit_until(emitter: &Emitter, thread: u64, pause: Duration, until: Instant) -> Vec<u64> {
    let mut taken = Vec::with_capacity(1 << 22);
    let mut next = Instant::now();
    for number in 0u64.. {
        let call = call(thread, number);
        let began = Instant::now();
        if began >= until {
            break;
        }
        let outcome = emitter.emit(&call);
        if outcome.is_ok() {
            taken.push(began.elapsed().as_nanos() as u64);
        } else if outcome != Err(EmitError::SegmentNotReady) && outcome != Err(EmitError::QueueFull) {
            eprintln!("{outcome:?}");
        }
        next += pause;
        std::thread::sleep(next.saturating_duration_since(Instant::now()));
    }
    taken
}

fn call(thread: u64, number: u64) -> Call {
    let mut random = [0; 10];
    random[..8].copy_from_slice(&number.to_be_bytes());
    random[8] = thread as u8;
    let text = "identifiers of this benchmark are inside every bound";
    Call {
        event_id: EventId::from_parts(1_790_000_000_000 + (number / 20) as i64, random),
        org_id: OrgId::new(&format!("org-{}", number % 200)).expect(text),
        member_id: MemberId::new(&format!("member-{}", number % 1999)).expect(text),
        reason: Reason::new("generate_field").expect(text),
        provider: Provider::new("openai").expect(text),
        model: Model::new("gpt-6-sol").expect(text),
        input_tokens: (number % 9000) as u32,
        output_tokens: (number % 700) as u32,
        charge: Charge::Credits(Credits(Amount::from_units(i128::from(number % 1000) * 1_000_000_000))),
    }
}

fn create_topic(brokers: &str) -> Result<(), Box<dyn std::error::Error>> {
    let admin: AdminClient<DefaultClientContext> =
        ClientConfig::new().set("bootstrap.servers", brokers).create()?;
    let topic = NewTopic::new(TOPIC, 12, TopicReplication::Fixed(1));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    // One that exists already is an error inside the result: just what is wanted.
    runtime.block_on(admin.create_topics(&[topic], &AdminOptions::new()))?;
    Ok(())
}
