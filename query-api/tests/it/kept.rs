//! Answers that were kept: they hold where nothing changed, and nowhere else.

use crate::api::Api;
use crate::world::World;
use system_tests::call;

const DAY_MS: i64 = 86_400_000;

#[tokio::test]
async fn what_was_kept_is_left_as_soon_as_a_late_call_arrives_and_does_not_hold_before_it_was_asked() {
    let mut world = World::new("query_kept").await;
    let now = service::clock::now_ms();
    let before = |days: i64| call().at_ms(now - days * DAY_MS).credits("1").build();
    let mut worker = world.worker();
    world.append(&[before(1), before(2), before(40)], now).await;
    world.settle(&mut worker).await;
    let api = Api::of(&world, &["acme"]).await;
    let ask = async |more: &str| {
        let path = format!("/v1/orgs/acme/breakdowns?range=last_30_days{more}");
        let answer = api.json(&path).await;
        (answer["totals"]["calls"].as_u64().unwrap(), answer["as_of"].as_str().unwrap().to_owned())
    };
    let (calls, first) = ask("").await;
    assert_eq!((calls, ask("").await.0), (2, 2), "asked, and asked again of what was kept");
    // The late call counts at once, without a rollup row that knows it, with one, and from what is kept then.
    world.append(&[before(1)], now + 1_000).await;
    assert_eq!(ask("").await.0, 3);
    world.settle(&mut worker).await;
    assert_eq!((ask("").await.0, ask("").await.0), (3, 3));
    assert_eq!(ask(&format!("&as_of={first}")).await.0, 2, "the older snapshot has other rows");
    assert_eq!(ask("&byok=only").await.0, 0, "another filter is another question");
    assert_eq!(ask("").await.0, 3);
    api.stop().await;
}

#[tokio::test]
async fn what_the_ledger_answered_is_kept_until_its_quarter_hour_is_touched() {
    let mut world = World::new("query_kept_ledger").await;
    let now = service::clock::now_ms();
    // No worker: everything comes from the ledger, the running quarter hour and one that has passed.
    let at = |ago_ms: i64| call().at_ms(now - ago_ms).credits("1").build();
    world.append(&[at(0), at(DAY_MS)], now).await;
    let api = Api::of(&world, &["acme"]).await;
    let ask = async |more: &str| {
        let answer = api.json(&format!("/v1/orgs/acme/breakdowns?range=last_30_days{more}")).await;
        (answer["totals"]["calls"].as_u64().unwrap(), answer["as_of"].as_str().unwrap().to_owned())
    };
    let (calls, first) = ask("").await;
    assert_eq!((calls, ask("").await.0), (2, 2), "asked, and asked again of what was kept");
    for (ago_ms, expected) in [(0, 3), (DAY_MS, 4), (2 * DAY_MS, 5)] {
        world.append(&[at(ago_ms)], now + 1_000).await;
        assert_eq!((ask("").await.0, ask("").await.0), (expected, expected), "{ago_ms} ms ago");
        assert_eq!(ask(&format!("&as_of={first}")).await.0, 2, "the older snapshot");
    }
    api.stop().await;
}
