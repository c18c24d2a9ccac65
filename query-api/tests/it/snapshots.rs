//! Snapshots: what pins an answer, and what is said about how complete it is.

use crate::api::Api;
use crate::world::World;
use proto::Position;
use serde_json::Value;
use system_tests::call;

fn numbers(answer: &Value) -> Value {
    let mut answer = answer.clone();
    let fields = answer.as_object_mut().unwrap();
    // What is said about the snapshot may grow; what is in it may not.
    fields.remove("complete_through");
    answer
}

#[tokio::test]
async fn a_pinned_answer_never_changes() {
    let mut world = World::new("query_pinned").await;
    world.organisation("acme", "Asia/Kathmandu").await;
    let now = service::clock::now_ms();
    let old = |days: i64| call().at_ms(now - days * 86_400_000).credits("0.1").build();
    world.append(&[old(0), old(1), old(40)], now).await;
    let api = Api::of(&world, &["acme"]).await;
    let as_of = api.json("/v1/orgs/acme/summary").await["as_of"].as_str().unwrap().to_owned();
    let resources = [
        format!("summary?as_of={as_of}"),
        format!("breakdowns?as_of={as_of}&range=last_30_days"),
        format!("usage?as_of={as_of}&range=last_30_days"),
        format!("filters?as_of={as_of}&range=last_month"),
        format!("calls?as_of={as_of}"),
    ];
    let mut before = Vec::new();
    for resource in &resources {
        before.push(numbers(&api.json(&format!("/v1/orgs/acme/{resource}")).await));
    }
    // Late and new calls arrive, rollups are computed, and the organisation moves to another zone.
    let mut worker = world.worker();
    world.settle(&mut worker).await;
    world.append(&[old(0), old(1), old(2), old(40)], now + 5_000).await;
    world.settle(&mut worker).await;
    world.organisation("acme", "America/Havana").await;
    for (resource, before) in resources.iter().zip(before) {
        let after = api.json(&format!("/v1/orgs/acme/{resource}")).await;
        assert_eq!(after["as_of"], as_of);
        assert_eq!(numbers(&after), before, "{resource}");
    }
    let fresh = api.json("/v1/orgs/acme/breakdowns?range=last_30_days").await;
    assert_eq!(fresh["totals"]["credits"], "0.5");
    assert_eq!(fresh["time_zone"], "America/Havana");
    api.stop().await;
}

#[tokio::test]
async fn only_what_is_covered_without_a_gap_is_counted_and_the_answer_says_through_when() {
    let mut world = World::new("query_frontier").await;
    let now = service::clock::now_ms();
    world.append(&[call().build(), call().build()], now).await;
    let partition = world.partition_of("acme");
    let next = world.position_of("acme").next_offset();
    // A batch two offsets further on; the one between has not been written yet.
    world.write_batch(partition, next + 2, next + 4, now + 9_000).await;
    let api = Api::of(&world, &["acme"]).await;
    let answer = api.json("/v1/orgs/acme/summary").await;
    let position: u64 = answer["as_of"].as_str().unwrap().split('.').next().unwrap().parse().unwrap();
    assert_eq!(Position::from_u64(position), world.position_of("acme"));
    assert_eq!(ms(&answer["complete_through"]), now);
    let beyond = position + 1;
    let (status, _, document) = api.problem(&format!("/v1/orgs/acme/summary?as_of={beyond}.{now}.UTC")).await;
    assert_eq!((status, &document["mistakes"][0]["parameter"]), (400, &"as_of".into()));

    // The gap closes, in two batches that overlap; then an idle sign of life moves the time, and not the position.
    world.write_batch(partition, next, next + 1, now + 7_000).await;
    world.write_batch(partition, next, next + 3, now + 8_000).await;
    let answer = api.json("/v1/orgs/acme/summary").await;
    assert!(answer["as_of"].as_str().unwrap().starts_with(&format!("{}.", position + 4)));
    assert_eq!(ms(&answer["complete_through"]), now + 9_000);
    world.write_batch(partition, next + 4, next + 4, now + 20_000).await;
    let answer = api.json("/v1/orgs/acme/summary").await;
    assert!(answer["as_of"].as_str().unwrap().starts_with(&format!("{}.", position + 4)));
    assert_eq!(ms(&answer["complete_through"]), now + 20_000);
    api.stop().await;
}

#[tokio::test]
async fn an_organisation_without_calls_has_zeros_and_a_service_without_a_source_has_no_answer() {
    let world = World::new("query_empty").await;
    let api = Api::of(&world, &["acme"]).await;
    let summary = api.json("/v1/orgs/acme/summary").await;
    assert_eq!(summary["this_month"]["credits"], "0");
    assert_eq!(summary["last_month"]["change"]["kind"], "flat");
    assert_eq!(summary["complete_through"], Value::Null);
    let file = api.get("/v1/orgs/acme/export.csv").await.text().await.unwrap();
    assert_eq!(file.lines().count(), 1);
    let delete = world.warehouse().write("TRUNCATE TABLE sources");
    world.warehouse().execute("forgetting", delete).await.unwrap();
    let (status, code, _) = api.problem("/v1/orgs/acme/summary").await;
    assert_eq!((status, code.as_str()), (503, "not-started"));
    api.stop().await;
}

fn ms(instant: &Value) -> i64 {
    instant.as_str().unwrap().parse::<chrono::DateTime<chrono::Utc>>().unwrap().timestamp_millis()
}

#[tokio::test]
async fn the_next_source_counts_as_soon_as_it_is_open() {
    let mut world = World::new("query_next_source").await;
    let now = service::clock::now_ms();
    let today = || call().at_ms(now).credits("1").build();
    world.append(&[today(), today()], now).await;
    let api = Api::of(&world, &["acme"]).await;
    let calls = async || api.json("/v1/orgs/acme/breakdowns").await["totals"]["calls"].as_u64().unwrap();
    assert_eq!(calls().await, 2);
    // The service knows the former source by now; each answer must still follow the newest.
    world.open_source().await;
    world.append(&[today()], now + 1_000).await;
    assert_eq!(calls().await, 3);
    world.open_source().await;
    assert_eq!(calls().await, 3, "one more source, and nothing in it");
    api.stop().await;
}
