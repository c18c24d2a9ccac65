//! Answers that were kept: they hold where nothing changed, and nowhere else.

use crate::api::Api;
use crate::world::World;
use proto::EventId;
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

#[tokio::test]
async fn of_a_running_quarter_hour_only_new_calls_are_added_to_what_was_kept() {
    let mut world = World::new("query_kept_running").await;
    let now = service::clock::now_ms();
    let told = |id: u128, member: &str, credits: &str| {
        let id = EventId::from_parts(now - 1_000, id.to_be_bytes()[6..].try_into().unwrap());
        call().id(id).member(member).credits(credits).build()
    };
    world.append(&[told(1, "ada", "1"), told(2, "bo", "10")], now).await;
    let api = Api::of(&world, &["acme"]).await;
    let ask = async || {
        let breakdowns = api.json("/v1/orgs/acme/breakdowns?range=last_30_days").await;
        let usage = api.json("/v1/orgs/acme/usage?range=last_30_days").await;
        let filters = api.json("/v1/orgs/acme/filters?range=last_30_days&reason=chat").await;
        let active = api.json("/v1/orgs/acme/summary").await["this_month"]["active_members"].as_u64();
        let totals = &breakdowns["totals"];
        assert_eq!(usage["totals"]["calls"], totals["calls"]);
        assert_eq!(usage["totals"]["credits"], totals["credits"]);
        assert_eq!(filters["byok"]["any"], totals["calls"]);
        (totals["calls"].as_u64().unwrap(), totals["credits"].as_str().unwrap().to_owned(), active.unwrap())
    };
    assert_eq!(ask().await, (2, "11".to_owned(), 2));
    // A repeat and a conflict of what was kept; a new call, told at once three times, the first time counts.
    let conflict = told(2, "cyd", "500");
    world
        .append(
            &[
                told(1, "ada", "1"),
                conflict,
                told(3, "ada", "100"),
                told(3, "eve", "7000"),
                told(3, "ada", "100"),
            ],
            now,
        )
        .await;
    assert_eq!(ask().await, (3, "111".to_owned(), 2));
    // The same again, which is kept by now, and somebody new.
    world.append(&[told(3, "eve", "7000"), told(4, "dan", "1000")], now).await;
    assert_eq!(ask().await, (4, "1111".to_owned(), 3));
    // Messages that ingest delivers once more have their old positions.
    world.write(&world.messages[2..], now).await;
    assert_eq!(ask().await, (4, "1111".to_owned(), 3));
    api.stop().await;
}
