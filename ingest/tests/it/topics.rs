//! Topics: made right, checked, and other kinds of them.

use crate::worker::command;
use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, ResourceSpecifier, TopicReplication};
use rdkafka::client::DefaultClientContext;
use system_tests::{Room, Stack};

fn admin(room: &Room) -> AdminClient<DefaultClientContext> {
    ClientConfig::new().set("bootstrap.servers", room.brokers()).create().expect("an admin client")
}

async fn config(room: &Room, topic: &str, option: &str) -> String {
    let topic = room.topic(topic);
    let resource = ResourceSpecifier::Topic(&topic);
    let mut described = admin(room).describe_configs([&resource], &AdminOptions::new()).await.unwrap();
    described.remove(0).unwrap().get(option).and_then(|entry| entry.value.clone()).unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread")]
async fn topics_are_made_once_with_all_that_exactness_needs() {
    let room = Room::new(&Stack::shared(), "made").await;
    for expected in ["created", "is there and right"] {
        let (went_well, said) = command(&room, &["topics"]);
        assert!(went_well && said.matches(expected).count() == 3, "{said}");
    }
    assert_eq!(config(&room, "calls", "message.timestamp.type").await, "LogAppendTime");
    assert_eq!(config(&room, "calls", "retention.ms").await, (30 * 86_400_000_i64).to_string());
    assert_eq!(config(&room, "directory", "cleanup.policy").await, "compact");
    assert_eq!(config(&room, "dead-letter", "retention.ms").await, "-1");
    assert_eq!(config(&room, "dead-letter", "max.message.bytes").await, (2 << 20).to_string());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_topic_of_another_kind_is_refused_with_what_to_do() {
    let room = Room::new(&Stack::shared(), "wrong").await;
    let calls = room.topic("calls");
    let other = [NewTopic::new(&calls, 7, TopicReplication::Fixed(1))];
    admin(&room).create_topics(&other, &AdminOptions::new()).await.unwrap().remove(0).unwrap();
    let (went_well, said) = command(&room, &["topics"]);
    assert!(!went_well && said.contains("has 7 partitions, 4 are set in kafka.calls_partitions"), "{said}");

    let room = Room::new(&Stack::shared(), "stamped").await;
    let calls = room.topic("calls");
    let other = [NewTopic::new(&calls, system_tests::PARTITIONS as i32, TopicReplication::Fixed(1))];
    admin(&room).create_topics(&other, &AdminOptions::new()).await.unwrap().remove(0).unwrap();
    let (went_well, said) = command(&room, &["topics"]);
    assert!(!went_well && said.contains("has message.timestamp.type=CreateTime"), "{said}");
    assert!(said.contains("kafka-configs --alter"), "{said}");
}
