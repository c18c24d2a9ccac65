//! Snapshots: what pins an answer, and what is said about how complete it is.

use crate::api::Api;
use crate::world::World;
use chrono_tz::Tz;
use proto::Position;
use query_api::as_of::AsOf;
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
    let beyond = AsOf::new("acme", Position::from_u64(position + 1), now, Tz::UTC);
    let (status, _, document) = api.problem(&format!("/v1/orgs/acme/summary?as_of={beyond}")).await;
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

#[tokio::test]
async fn a_snapshot_of_another_organisation_or_one_that_was_changed_is_refused() {
    let mut world = World::new("query_foreign_snapshots").await;
    let now = service::clock::now_ms();
    world.append(&[call().org("acme").build(), call().org("globex").build()], now).await;
    let api = Api::of(&world, &["acme", "globex"]).await;
    let as_of = |answer: &Value| answer["as_of"].as_str().unwrap().to_owned();
    let ours = as_of(&api.json("/v1/orgs/acme/summary").await);
    let theirs = as_of(&api.json("/v1/orgs/globex/summary").await);
    let rest = ours.split_once('.').unwrap().1;
    for refused in [&theirs, &format!("0.{rest}"), &ours.replace("UTC", "Asia~Tokyo")] {
        assert_ne!(*refused, ours);
        for resource in ["summary", "breakdowns", "usage", "filters", "calls", "anomalies", "export.csv"] {
            let path = format!("/v1/orgs/acme/{resource}?as_of={refused}");
            let (status, _, document) = api.problem(&path).await;
            let mistake = &document["mistakes"][0];
            assert_eq!((status, &mistake["parameter"]), (400, &"as_of".into()), "{path}");
            assert!(mistake["message"].as_str().unwrap().contains("another organisation"), "{document}");
        }
        let page = api.get(&format!("/orgs/acme/settings/audit?as_of={refused}")).await;
        assert_eq!(page.status(), 400);
    }
    assert_eq!(as_of(&api.json(&format!("/v1/orgs/acme/summary?as_of={ours}")).await), ours);
    api.stop().await;
}

#[tokio::test]
async fn the_longest_period_is_compared_with_one_that_begins_before_any_call_can_lie() {
    let mut world = World::new("query_longest_period").await;
    for (org, zone) in [("acme", "Pacific/Kiritimati"), ("globex", "America/Adak")] {
        world.organisation(org, zone).await;
        world.append(&[call().org(org).credits("2").build()], service::clock::now_ms()).await;
    }
    let api = Api::of(&world, &["acme", "globex"]).await;
    for org in ["acme", "globex"] {
        for (since, until) in
            [("2000-01-01", "2099-12-31"), ("2000-01-01", "2030-06-01"), ("2000-01-01", "2029-12-31")]
        {
            let days = format!("range=custom&since={since}&until={until}");
            let usage = api.json(&format!("/v1/orgs/{org}/usage?by=month&{days}")).await;
            assert_eq!(
                (&usage["totals"]["calls"], &usage["totals"]["credits"]),
                (&1.into(), &"2".into()),
                "{days}"
            );
            assert_eq!(usage["previous"]["totals"]["calls"], 0, "{days}");
            assert_eq!(api.json(&format!("/v1/orgs/{org}/breakdowns?{days}")).await["totals"]["calls"], 1);
        }
    }
    api.stop().await;
}
