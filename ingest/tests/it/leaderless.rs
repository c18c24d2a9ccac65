//! A broker that was away for longer than its session with the controller: when it answers again, its partitions have
//! no leader for a moment.

use ingest::cluster::Cluster;
use ingest::settings::IngestSettings;
use service::settings::load;
use std::time::{Duration, Instant};
use system_tests::{Component, Room, Stack, eventually_for};

/// Longer than the session of nine seconds, in which a broker must tell the controller that it is there.
const AWAY: Duration = Duration::from_secs(12);

/// How long before and after its return new clients come, one after the other: each keeps what the broker tells it
/// first.
const COMING: Duration = Duration::from_secs(1);

/// Well before a client asks anew by itself, which takes five minutes if nobody tells it otherwise.
const SOON: Duration = Duration::from_secs(120);

#[tokio::test(flavor = "multi_thread")]
async fn whoever_heard_that_a_partition_has_no_leader_hears_soon_that_it_has_one() {
    let stack = Stack::start_own();
    let room = Room::new(&stack, "leaderless").await;
    room.create_topics().await;
    let timeout = [("KAFKA_TIMEOUT".to_owned(), "5s".to_owned())];
    let environment = room.environment().iter().cloned().chain(timeout);
    let settings: IngestSettings = load(None, environment).expect("good settings");
    let topic = room.topic("calls");

    stack.freeze(Component::Kafka);
    tokio::time::sleep(AWAY).await;
    let (mut is_back, returns) = (false, Instant::now() + COMING);
    let mut clients = Vec::new();
    while Instant::now() < returns + COMING {
        if !is_back && Instant::now() >= returns {
            stack.thaw(Component::Kafka);
            is_back = true;
        }
        let client = Cluster::new(&settings.kafka).expect("a client");
        let (asked, topic) = (client.clone(), topic.clone());
        clients.push((client, tokio::task::spawn_blocking(move || asked.bounds(&topic, 0))));
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let mut misled = 0;
    for (client, first) in clients {
        misled += u32::from(first.await.expect("no panic").is_err());
        let topic = topic.clone();
        eventually_for(SOON, "a client to hear where the log starts", async || {
            let topic = topic.clone();
            client.ask(move |cluster| cluster.bounds(&topic, 0)).await.map_err(|error| error.to_string())
        })
        .await;
    }
    println!("{misled} clients were told of no leader");
}
