//! A rollup worker that is far behind: the answer is older, and says so; pinned ones are exact at any price.

use crate::api::Api;
use crate::world::World;
use chrono_tz::Tz;
use proto::Call;
use query_api::as_of::AsOf;
use system_tests::call;

#[tokio::test]
async fn when_too_much_would_come_from_the_ledger_an_older_snapshot_is_answered() {
    let mut world = World::new("query_behind").await;
    let now = service::clock::now_ms();
    // Over six hours: far more quarter hours than are read without an estimate.
    let calls = |days_ago: i64, count: i64| -> Vec<Call> {
        let at_ms = |i: i64| now - days_ago * 86_400_000 - i * 21_600_000 / count;
        (0..count).map(|i| call().at_ms(at_ms(i)).credits("1").build()).collect()
    };
    world.append(&calls(2, 100), now).await;
    let mut worker = world.worker();
    world.settle(&mut worker).await;
    world.append(&calls(1, 60_000), now + 1000).await;

    let small = Api::with(&world, &["acme"], &[("LIMITS_LEDGER_ROWS", "10000")]).await;
    let path = "/v1/orgs/acme/breakdowns?range=last_30_days";
    let behind = small.json(path).await;
    assert_eq!((&behind["behind"], &behind["totals"]["credits"]), (&true.into(), &"100".into()), "{behind}");
    let as_of = AsOf::new("acme", world.position_of("acme"), now, Tz::UTC);
    let pinned = small.json(&format!("{path}&as_of={as_of}")).await;
    assert_eq!((&pinned["behind"], &pinned["totals"]["credits"]), (&false.into(), &"60100".into()));
    small.stop().await;

    let large = Api::of(&world, &["acme"]).await;
    let exact = large.json(path).await;
    assert_eq!((&exact["behind"], &exact["totals"]["credits"]), (&false.into(), &"60100".into()));
    large.stop().await;
}

#[tokio::test]
async fn without_any_rollup_everything_comes_from_the_ledger() {
    let mut world = World::new("query_no_rollups").await;
    let now = service::clock::now_ms();
    let calls: Vec<Call> =
        (0..2_000).map(|i| call().at_ms(now - i * 1_000_000).credits("1").build()).collect();
    world.append(&calls, now).await;
    let extra = [("LIMITS_LEDGER_ROWS", "10000")];
    let api = Api::with(&world, &["acme"], &extra).await;
    let answer = api.json("/v1/orgs/acme/breakdowns?range=custom&since=2000-01-01&until=2099-12-31").await;
    assert_eq!((&answer["behind"], &answer["totals"]["credits"]), (&false.into(), &"2000".into()));
    api.stop().await;
}

#[tokio::test]
async fn a_page_says_how_far_behind_it_is_from_the_age_that_the_settings_name() {
    let mut world = World::new("query_banner").await;
    world.organisation("acme", "Europe/Berlin").await;
    let received = service::clock::now_ms() - 185_000;
    world.append(&[call().org("acme").at_ms(received).build()], received).await;
    let banner = async |settings: &[(&str, &str)], path: &str| {
        let api = Api::with(&world, &["acme"], settings).await;
        let html = api.get(path).await.text().await.unwrap();
        api.stop().await;
        html.split("class=\"banner\"").nth(1).map(|rest| rest.split("</p>").next().unwrap().to_owned())
    };
    let as_of = AsOf::new("acme", world.position_of("acme"), service::clock::now_ms(), Tz::UTC);
    for page in ["audit", "usage"] {
        let path = format!("/orgs/acme/settings/{page}");
        let said = banner(&[], &path).await.expect("a minute is the default");
        let zone = warehouse::calendar::Tz::Europe__Berlin;
        let wall_clock = warehouse::calendar::wall_clock(zone, received / 1000).format("%H:%M:%S");
        let wanted =
            format!("Data is complete through {wall_clock}, 3 minutes behind. Newer calls are not in");
        // In an hour that comes twice its offset stands there, too.
        assert!(said.replace(" +01:00", "").replace(" +02:00", "").contains(&wanted), "{said}");
        assert_eq!(banner(&[("PAGES_BEHIND_AFTER", "10m")], &path).await, None);
        assert_eq!(banner(&[], &format!("{path}?as_of={as_of}")).await, None, "somebody wanted it old");
    }
}
