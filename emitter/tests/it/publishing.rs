//! The library against a real broker.

use super::calls::{assert_first_arrivals_in_order, assert_partitions, call, numbers_by_org};
use super::kafka::{Kafka, PATIENCE};
use emitter::{EmitError, Emitter, EmitterSettings, ShutdownReport, StartError};
use rand::RngExt;
use std::path::Path;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// Nobody listens there.
const NOWHERE: &str = "127.0.0.1:9";

fn settings(brokers: &str, topic: &str, folder: &Path) -> EmitterSettings {
    let mut settings = EmitterSettings::new(brokers, folder);
    topic.clone_into(&mut settings.topic);
    settings.segment_bytes = 256 << 10;
    settings
}

fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < deadline, "not in time: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn every_call_arrives_once_in_its_partition_and_in_order() {
    const ORGS: u64 = 40;
    const EACH: u64 = 500;
    let kafka = Kafka::shared();
    kafka.create_topic("arrives", 7, &[]);
    let folder = TempDir::new().unwrap();
    let emitter = Emitter::start(settings(&kafka.brokers, "arrives", folder.path())).unwrap();
    std::thread::scope(|scope| {
        for half in 0..2 {
            let emitter = &emitter;
            scope.spawn(move || {
                for number in 0..EACH {
                    for org in (half..ORGS).step_by(2) {
                        eventually("there is room", || {
                            emitter.emit(&call(&format!("org-{org}"), number)).is_ok()
                        });
                    }
                }
            });
        }
    });
    assert!(emitter.flush(PATIENCE));
    let counters = emitter.counters();
    assert_eq!((counters.accepted, counters.acknowledged), (ORGS * EACH, ORGS * EACH));
    assert_eq!((counters.queued_records, counters.queued_bytes), (0, 0));
    assert_eq!(counters.oldest_age, Duration::ZERO);
    assert_eq!(emitter.trouble(), None);

    let found = kafka.read("arrives");
    assert_partitions(&found, 7);
    let numbers = numbers_by_org(&found);
    assert_eq!(numbers.len() as u64, ORGS);
    for of_org in numbers.values() {
        assert_eq!(of_org, &(0..EACH).collect::<Vec<_>>());
    }
}

#[test]
fn calls_arrive_in_order_though_the_broker_is_killed_in_between() {
    const ORGS: u64 = 10;
    let kafka = Kafka::start();
    kafka.create_topic("killed", 5, &[]);
    let folder = TempDir::new().unwrap();
    let mut settings = settings(&kafka.brokers, "killed", folder.path());
    // Shorter than the outage, so that the emitter's own retries are at work too.
    settings.delivery_timeout = Duration::from_secs(2);
    let emitter = Emitter::start(settings).unwrap();
    let mut number = 0;
    let mut emit_some = |count: u64| {
        for _ in 0..count {
            for org in 0..ORGS {
                eventually("there is room", || emitter.emit(&call(&format!("org-{org}"), number)).is_ok());
            }
            number += 1;
        }
    };
    emit_some(200);
    eventually("some have arrived", || emitter.counters().acknowledged > 0);
    emit_some(200);
    kafka.kill();
    emit_some(200);
    eventually("the emitter has started over", || {
        emit_some(1);
        emitter.counters().retried > 0 && emitter.trouble().is_some()
    });
    assert!(emitter.counters().oldest_age > Duration::ZERO);
    assert!(!emitter.flush(Duration::from_millis(100)));
    kafka.start_again();
    assert!(emitter.flush(PATIENCE), "{:?} {:?}", emitter.trouble(), emitter.counters());
    assert_eq!(emitter.trouble(), None);
    let accepted = number;
    assert_eq!(emitter.shutdown(PATIENCE), ShutdownReport { unsent: 0 });
    assert_eq!(emitter.counters().acknowledged, accepted * ORGS);

    let found = kafka.read("killed");
    assert_partitions(&found, 5);
    let numbers = numbers_by_org(&found);
    assert_eq!(numbers.len() as u64, ORGS);
    for of_org in numbers.values() {
        assert_first_arrivals_in_order(of_org, 0..accepted);
    }
}

#[test]
fn calls_wait_for_a_topic_that_does_not_exist_yet() {
    let kafka = Kafka::shared();
    let folder = TempDir::new().unwrap();
    let emitter = Emitter::start(settings(&kafka.brokers, "later", folder.path())).unwrap();
    emitter.emit(&call("acme", 1)).unwrap();
    eventually("it is told", || {
        emitter.trouble().is_some_and(|trouble| trouble.reason == "topic `later` does not exist; create it")
    });
    assert_eq!(emitter.counters().queued_records, 1);
    kafka.create_topic("later", 3, &[]);
    assert!(emitter.flush(PATIENCE));
    assert_eq!(numbers_by_org(&kafka.read("later"))["acme"], [1]);
}

#[test]
fn what_one_process_left_behind_the_next_one_publishes() {
    let kafka = Kafka::shared();
    kafka.create_topic("resumed", 3, &[]);
    let folder = TempDir::new().unwrap();
    let emitter = Emitter::start(settings(NOWHERE, "resumed", folder.path())).unwrap();
    for number in 0..5000 {
        eventually("there is room", || emitter.emit(&call("acme", number)).is_ok());
    }
    let second = Emitter::start(settings(NOWHERE, "resumed", folder.path()));
    assert!(matches!(second, Err(StartError::Locked { .. })));
    assert_eq!(emitter.shutdown(Duration::ZERO), ShutdownReport { unsent: 5000 });
    assert_eq!(emitter.emit(&call("acme", 5000)), Err(EmitError::ShuttingDown));
    drop(emitter);

    let emitter = Emitter::start(settings(&kafka.brokers, "resumed", folder.path())).unwrap();
    assert_eq!(emitter.counters().recovered, 5000);
    emitter.emit(&call("acme", 5000)).unwrap();
    assert_eq!(emitter.shutdown(PATIENCE), ShutdownReport { unsent: 0 });
    assert_eq!(emitter.counters().acknowledged, 5001);
    let numbers = numbers_by_org(&kafka.read("resumed"));
    assert_eq!(numbers["acme"], (0..=5000).collect::<Vec<_>>());
}

#[test]
fn what_the_broker_never_takes_goes_aside_and_the_others_arrive() {
    let kafka = Kafka::shared();
    // One call fits, several do not, and one with long identifiers does not either.
    kafka.create_topic("small", 1, &[("max.message.bytes", "300")]);
    let folder = TempDir::new().unwrap();
    let emitter = Emitter::start(settings(&kafka.brokers, "small", folder.path())).unwrap();
    for number in 0..500 {
        let mut call = call("acme", number);
        if number == 250 {
            // Letters that no compression makes shorter.
            let mut random: rand::rngs::SmallRng = rand::SeedableRng::seed_from_u64(7);
            let mut text = || String::from_iter((0..128).map(|_| random.random_range('!'..='~')));
            call.member_id = proto::MemberId::new(&text()).unwrap();
            call.provider = proto::Provider::new(&text()).unwrap();
        }
        emitter.emit(&call).unwrap();
    }
    assert!(emitter.flush(PATIENCE));
    let counters = emitter.counters();
    assert_eq!((counters.kafka_refused, counters.acknowledged, counters.queued_records), (1, 499, 0));
    let numbers = numbers_by_org(&kafka.read("small"));
    assert_first_arrivals_in_order(&numbers["acme"], (0..500).filter(|number| *number != 250));

    let refused = std::fs::read_to_string(folder.path().join("refused.jsonl")).unwrap();
    assert_eq!(refused.lines().count(), 1);
    assert!(refused.contains("\"key\":\"acme\"") && refused.contains("too large"), "{refused}");
}

#[test]
fn a_full_queue_is_told_to_the_caller_and_loses_nothing() {
    let folder = TempDir::new().unwrap();
    let mut small = settings(NOWHERE, "nowhere", folder.path());
    small.segment_bytes = 64 << 10;
    small.queue_bytes_max = 3 * small.segment_bytes;
    let emitter = Emitter::start(small).unwrap();
    let mut accepted = 0;
    eventually("the queue is full", || match emitter.emit(&call("acme", accepted)) {
        Ok(()) => {
            accepted += 1;
            false
        }
        Err(error) => error == EmitError::QueueFull,
    });
    let counters = emitter.counters();
    assert_eq!((counters.accepted, counters.queued_records), (accepted, accepted));
    assert!(counters.refused_full > 0);
    let trouble = || emitter.trouble().map(|trouble| trouble.reason).unwrap_or_default();
    eventually("the reason is told", || trouble().contains("127.0.0.1:9"));
}

#[test]
fn a_call_that_ingest_would_refuse_is_refused_at_once() {
    let folder = TempDir::new().unwrap();
    let emitter = Emitter::start(settings(NOWHERE, "nowhere", folder.path())).unwrap();
    let mut call = call("acme", 0);
    call.output_tokens = u32::MAX;
    let error = emitter.emit(&call).unwrap_err();
    assert!(error.to_string().contains("`output_tokens` is 4294967295"), "{error}");
    assert_eq!((emitter.counters().refused_invalid, emitter.counters().accepted), (1, 0));
}

#[test]
fn options_that_kafka_does_not_know_are_an_error_of_the_start() {
    let folder = TempDir::new().unwrap();
    let mut wrong = settings(NOWHERE, "nowhere", folder.path());
    wrong.kafka_options.push(("no.such.option".to_owned(), "1".to_owned()));
    let Err(StartError::Kafka(error)) = Emitter::start(wrong) else { panic!("started with a wrong option") };
    assert!(error.to_string().contains("no.such.option"), "{error}");
}
