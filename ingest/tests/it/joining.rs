//! A broker that goes away while a worker is on its way into the consumer group.

use ingest::kafka::group_consumer;
use ingest::rebalance::{Change, GroupContext};
use ingest::settings::{IngestSettings, KafkaSettings};
use ingest::topic::Kind;
use rdkafka::consumer::{BaseConsumer, Consumer};
use service::settings::load;
use std::time::{Duration, Instant};
use system_tests::{Manner, Proxy, Room, Stack};

/// Each step of a worker's way takes twice as long, so that many of them are caught at each.
const DELAY: Duration = Duration::from_millis(50);

/// How long workers come, one after the other, until the broker goes.
const COMING: Duration = Duration::from_secs(2);

/// Longer than a client waits for an answer.
const AWAY: Duration = Duration::from_secs(14);

/// Well before a client gives up a request to join, which takes five minutes if nobody tells it otherwise.
const SOON: Duration = Duration::from_secs(120);

/// How long after the broker's return a worker of a group of its own is in. Blocks.
fn joins(settings: &KafkaSettings, topic: String, is_back: impl Fn() -> Option<Instant>) -> Duration {
    let context = GroupContext::new([(Kind::Calls, topic.clone())].into());
    let consumer: BaseConsumer<_> =
        group_consumer(settings).create_with_context(context).expect("a consumer");
    consumer.subscribe(&[&topic]).expect("subscribed");
    loop {
        drop(consumer.poll(Duration::from_millis(50)));
        let late = is_back().map_or(Duration::ZERO, |at| at.elapsed());
        let is_in =
            |change: &Change| matches!(change, Change::Assigned(partitions) if !partitions.is_empty());
        if late > SOON || consumer.context().take_changes().iter().any(is_in) {
            return late;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_was_on_the_way_into_the_group_comes_in_soon_after_the_brokers_return() {
    let proxy = Proxy::unaimed().await;
    let stack = Stack::start_own_behind(&proxy);
    let room = Room::new(&stack, "joining").await;
    room.create_topics().await;
    let brokers = [("KAFKA_BROKERS", proxy.address()), ("KAFKA_TIMEOUT", "2s")];
    let brokers = brokers.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let environment = room.environment().iter().cloned().chain(brokers);
    let settings: IngestSettings = load(None, environment).expect("good settings");
    let (back, is_back) = tokio::sync::watch::channel(None);

    proxy.set(Manner::Delays(DELAY));
    let mut workers = Vec::new();
    let goes = Instant::now() + COMING;
    while Instant::now() < goes {
        let settings =
            KafkaSettings { group_id: format!("joining-{}", workers.len()), ..settings.kafka.clone() };
        let (topic, is_back) = (room.topic("calls"), is_back.clone());
        workers.push(tokio::task::spawn_blocking(move || joins(&settings, topic, || *is_back.borrow())));
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    proxy.set(Manner::Swallows);
    tokio::time::sleep(AWAY).await;
    proxy.set(Manner::Passes);
    back.send_replace(Some(Instant::now()));

    let mut waited = Vec::new();
    for worker in workers {
        waited.push(worker.await.expect("no panic"));
    }
    waited.sort();
    println!("after the broker's return, {} workers were in after {waited:?}", waited.len());
    assert!(waited.iter().all(|late| *late < SOON), "a worker never came into the group");
    assert!(waited.iter().any(|late| !late.is_zero()), "nobody was on the way");
}
