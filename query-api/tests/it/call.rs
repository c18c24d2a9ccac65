//! One call with everything that was ever told of it.

use crate::api::Api;
use crate::world::World;
use chrono_tz::Tz;
use query_api::as_of::AsOf;
use serde_json::json;
use system_tests::call;

#[tokio::test]
async fn repeats_and_conflicts_are_listed_and_the_first_message_counts() {
    let mut world = World::new("query_call").await;
    world.organisation("acme", "Europe/Berlin").await;
    let now = service::clock::now_ms();
    let first = call().credits("2.5").build();
    let conflict = call().id(first.event_id).member("eve").byok("0.0004", "EUR").build();
    world.append(std::slice::from_ref(&first), now).await;
    let before = api_as_of(&world, now);
    world.append(&[conflict, first.clone()], now + 1000).await;
    // Delivered again: the same message, no repeat.
    world.write(&world.messages[..1], now).await;
    let api = Api::of(&world, &["acme"]).await;

    let path = format!("/v1/orgs/acme/calls/{}", first.event_id);
    let answer = api.json(&path).await;
    assert_eq!(answer["call"]["credits"], "2.5");
    assert_eq!(answer["call"]["byok"], false);
    assert_eq!(answer["call"]["provider_cost"], json!(null));
    let offset = |index: usize| world.messages[index].position.next_offset() - 1;
    let partition = world.messages[0].partition;
    assert_eq!(answer["message"]["source"], 1);
    assert_eq!(answer["message"]["partition"], partition);
    assert_eq!(answer["message"]["offset"], offset(0));
    assert_eq!(world.messages[0].appended_at_ms, now);
    let appended =
        answer["message"]["appended_at"].as_str().unwrap().parse::<chrono::DateTime<chrono::Utc>>().unwrap();
    assert_eq!(appended.timestamp_millis(), now);
    assert_eq!(answer["repeats"].as_array().unwrap().len(), 1);
    assert_eq!(answer["repeats"][0]["offset"], offset(2));
    assert_eq!(answer["conflicts"].as_array().unwrap().len(), 1);
    assert_eq!(answer["conflicts"][0]["message"]["offset"], offset(1));
    assert_eq!(answer["conflicts"][0]["call"]["provider_cost"], "0.0004");
    assert_eq!(answer["conflicts"][0]["call"]["currency"], "EUR");
    assert_eq!(answer["conflicts"][0]["call"]["member"]["member_id"], "eve");

    // Before they came they were not there; and a filter that only the conflict fits finds nothing.
    let earlier = api.json(&format!("{path}?as_of={before}")).await;
    assert_eq!((&earlier["repeats"], &earlier["conflicts"]), (&json!([]), &json!([])));
    for filter in ["member=eve", "byok=only"] {
        assert_eq!(api.json(&format!("/v1/orgs/acme/breakdowns?{filter}")).await["totals"]["calls"], 0);
        assert_eq!(api.json(&format!("/v1/orgs/acme/calls?{filter}")).await["calls"], json!([]));
    }
    api.stop().await;
}

fn api_as_of(world: &World, now_ms: i64) -> String {
    AsOf::new("acme", world.position_of("acme"), now_ms, Tz::Europe__Berlin).to_string()
}
