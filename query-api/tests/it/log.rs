//! The walk through the log: every row once, in order, however the pages are cut.

use crate::api::Api;
use crate::world::World;
use proto::{Call, EventId};
use rand::RngExt;
use serde_json::Value;
use std::collections::BTreeSet;
use system_tests::call;

#[tokio::test]
async fn pages_of_any_size_join_to_every_row_once_also_while_new_calls_arrive() {
    let mut random = rand::rng();
    let mut world = World::new("query_walk").await;
    let now = service::clock::now_ms();
    // Many calls at few instants: pages end between calls of one millisecond.
    let mut calls: Vec<Call> = (0..300)
        .map(|_| {
            let at_ms = now - random.random_range(0..5) * 3_600_000;
            let member = ["ada", "bob"][random.random_range(0..2)];
            call().id(EventId::from_parts(at_ms, random.random())).member(member).build()
        })
        .collect();
    let repeats: Vec<Call> = calls.iter().step_by(3).cloned().collect();
    calls.extend(repeats);
    world.append(&calls, now).await;
    let mut worker = world.worker();
    world.settle(&mut worker).await;
    let api = Api::of(&world, &["acme"]).await;
    let ids: BTreeSet<String> = calls.iter().map(|call| call.event_id.to_string()).collect();

    for filter in ["", "&member=ada&member=bob"] {
        let mut orders: Vec<Vec<String>> = Vec::new();
        for limit in [7, 50, 200] {
            let mut path = format!("/v1/orgs/acme/calls?range=last_30_days&limit={limit}{filter}");
            let mut found = Vec::new();
            loop {
                let page = api.json(&path).await;
                let rows = page["calls"].as_array().unwrap();
                found.extend(rows.iter().map(|row| row["event_id"].as_str().unwrap().to_owned()));
                let Some(next) = page["next"].as_str() else { break };
                assert_eq!(rows.len(), limit);
                let as_of = page["as_of"].as_str().unwrap();
                path = format!(
                    "/v1/orgs/acme/calls?range=last_30_days&limit={limit}{filter}&after={next}&as_of={as_of}"
                );
                // Meanwhile somebody calls.
                let new = call().at_ms(now - random.random_range(0..18_000_000)).build();
                world.append(std::slice::from_ref(&new), now).await;
            }
            let seen: BTreeSet<String> = found.iter().cloned().collect();
            assert_eq!(seen.len(), found.len(), "no row twice");
            assert!(ids.is_subset(&seen), "no row missing");
            found.retain(|id| ids.contains(id));
            orders.push(found);
        }
        assert!(orders.windows(2).all(|pair| pair[0] == pair[1]), "the order does not depend on the pages");
    }
    api.stop().await;
}

#[tokio::test]
async fn a_few_calls_far_back_are_found_through_the_rollups() {
    let mut world = World::new("query_far_back").await;
    world.organisation("acme", "Europe/Berlin").await;
    let now = service::clock::now_ms();
    let day = 86_400_000;
    let many = (0..2_000).map(|i| call().at_ms(now - i * day / 8).member("ada").build());
    let few = [3, 95, 200].map(|days| call().at_ms(now - days * day).member("bob").build());
    let mut calls: Vec<Call> = many.collect();
    calls.extend(few.clone());
    world.append(&calls, now).await;
    let mut worker = world.worker();
    world.settle(&mut worker).await;
    let api = Api::of(&world, &["acme"]).await;
    let path = "/v1/orgs/acme/calls?range=custom&since=2000-01-01&until=2099-12-31&member=bob&limit=2";
    let page = api.json(path).await;
    let found = |page: &Value| -> Vec<String> {
        let rows = page["calls"].as_array().unwrap();
        rows.iter().map(|row| row["event_id"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(found(&page), [few[0].event_id.to_string(), few[1].event_id.to_string()]);
    let next = page["next"].as_str().unwrap();
    let page = api.json(&format!("{path}&after={next}")).await;
    assert_eq!(found(&page), [few[2].event_id.to_string()]);
    assert_eq!(page["next"], Value::Null);
    api.stop().await;
}
