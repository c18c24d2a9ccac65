//! Calls that several messages told of are listed with all of them, page by page.

use crate::api::Api;
use crate::world::World;
use chrono_tz::Tz;
use query_api::as_of::AsOf;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use system_tests::call;

fn ids(answer: &Value) -> Vec<String> {
    let found = answer["anomalies"].as_array().unwrap();
    found.iter().map(|anomaly| anomaly["call"]["event_id"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn repeats_and_conflicts_of_a_period_are_listed_with_both_contents_and_their_positions() {
    let mut world = World::new("query_anomalies").await;
    world.organisation("acme", "Europe/Berlin").await;
    let now = service::clock::now_ms();
    let calls: Vec<_> = (0..40).map(|n| call().at_ms(now - n * 60_000).credits("1").build()).collect();
    world.append(&calls, now).await;
    let before = AsOf::new("acme", world.position_of("acme"), now, Tz::Europe__Berlin);
    // Of ten calls one is told of twice, of five others something else too; another organisation's are its own.
    let conflict = |n: usize| call().id(calls[n].event_id).member("eve").byok("0.0004", "EUR").build();
    let later: Vec<_> =
        (0..10).map(|n| calls[n * 3].clone()).chain((0..5).map(|n| conflict(n * 4))).collect();
    world.append(&later, now + 1000).await;
    let stranger = call().org("globex").build();
    world.append(&[stranger.clone(), stranger], now + 1000).await;
    // Delivered again: the same messages, no repeats.
    world.write(&world.messages[..20], now).await;
    let api = Api::of(&world, &["acme"]).await;

    let path = "/v1/orgs/acme/anomalies?range=last_30_days";
    let all = api.json(path).await;
    let told: BTreeSet<usize> = (0..10).map(|n| n * 3).chain((0..5).map(|n| n * 4)).collect();
    let expected: Vec<String> = told.iter().map(|n| calls[*n].event_id.to_string()).collect();
    assert_eq!(ids(&all), expected, "newest first, each once");
    assert_eq!(all["next"], json!(null));
    let twelfth = all["anomalies"].as_array().unwrap();
    let twelfth =
        twelfth.iter().find(|anomaly| anomaly["call"]["event_id"] == expected_id(&calls[12])).unwrap();
    let offset = |index: usize| world.messages[index].position.next_offset() - 1;
    assert_eq!(twelfth["call"]["credits"], "1", "the first message counts");
    assert_eq!(twelfth["message"]["offset"], offset(12));
    assert_eq!(twelfth["repeats"][0]["offset"], offset(40 + 4));
    assert_eq!(twelfth["conflicts"][0]["message"]["offset"], offset(50 + 3));
    assert_eq!(twelfth["conflicts"][0]["call"]["provider_cost"], "0.0004");
    assert_eq!(twelfth["conflicts"][0]["call"]["member"]["member_id"], "eve");

    // The same, page by page, at one snapshot; and the conflicts alone.
    let (mut paged, mut after) = (Vec::new(), String::new());
    loop {
        let page = api.json(&format!("{path}&limit=3&as_of={}{after}", all["as_of"].as_str().unwrap())).await;
        paged.extend(ids(&page));
        match page["next"].as_str() {
            Some(next) => after = format!("&after={next}"),
            None => break,
        }
    }
    assert_eq!(paged, expected);
    let conflicts = api.json(&format!("{path}&kind=conflict")).await;
    let expected: Vec<String> = (0..5).map(|n| calls[n * 4].event_id.to_string()).collect();
    assert_eq!(ids(&conflicts), expected);

    assert_eq!(ids(&api.json(&format!("{path}&as_of={before}")).await), Vec::<String>::new());
    let (status, code, _) = api.problem(&format!("{path}&kind=odd")).await;
    assert_eq!((status, code.as_str()), (400, "invalid-parameter"));
    api.stop().await;
}

fn expected_id(call: &proto::Call) -> String {
    call.event_id.to_string()
}
