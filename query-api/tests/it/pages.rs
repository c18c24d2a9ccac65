//! The Audit page over HTTP: what it shows equals what the API answers, in every state.

use crate::api::{Api, token};
use crate::world::World;
use proto::Call;
use serde_json::Value;
use system_tests::call;

const AUDIT: &str = "/orgs/acme/settings/audit";

/// A page that must have a status.
async fn page(api: &Api, path: &str, status: u16) -> String {
    let response = api.get(path).await;
    assert_eq!(response.headers()["content-type"], "text/html; charset=utf-8", "{path}");
    assert_eq!(response.status(), status, "{path}");
    let html = response.text().await.unwrap();
    assert!(!html.contains(" style=") && !html.contains("onclick"), "the policy would refuse it: {path}");
    html
}

/// What readers see of a page: no tags, no runs of white space.
fn text(html: &str) -> String {
    let main = html.split("<main").nth(1).unwrap_or(html);
    let mut text = String::new();
    for piece in main.split('<').skip(1) {
        text.push(' ');
        text.push_str(piece.split_once('>').map_or("", |(_, text)| text));
    }
    let text = text.replace("&#60;", "<").replace("&#62;", ">").replace("&#34;", "\"").replace("&#38;", "&");
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// An amount as pages show it.
fn shown(amount: &Value) -> String {
    let amount = amount.as_str().unwrap();
    let (whole, fraction) =
        amount.split_once('.').map_or((amount, None), |(whole, rest)| (whole, Some(rest)));
    let mut grouped = String::new();
    for (index, digit) in whole.chars().enumerate() {
        if index > 0 && (whole.len() - index) % 3 == 0 {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    fraction.map_or(grouped.clone(), |fraction| format!("{grouped}.{fraction}"))
}

fn calls_at(now: i64) -> Vec<Call> {
    let mut calls: Vec<Call> = (0..120)
        .map(|number| {
            let member = format!("m-{:02}", number % 9);
            call().org("acme").at_ms(now - number * 1_000).member(&member).credits("1234.5").build()
        })
        .collect();
    calls.push(call().org("acme").at_ms(now - 500).member("m-01").byok("0.000418", "USD").build());
    calls
}

#[tokio::test]
async fn the_page_shows_what_the_api_answers() {
    let mut world = World::new("page_numbers").await;
    world.organisation("acme", "Europe/Berlin").await;
    world.member("acme", "m-00", "Ada <script>alert(1)</script>", false).await;
    world.member("acme", "m-01", "Bo", true).await;
    let now = service::clock::now_ms();
    world.append(&calls_at(now), now).await;
    let api = Api::of(&world, &["acme"]).await;

    let range = "range=last_30_days";
    let seen = text(&page(&api, &format!("{AUDIT}?{range}"), 200).await);
    let breakdowns = api.json(&format!("/v1/orgs/acme/breakdowns?{range}")).await;
    let summary = api.json("/v1/orgs/acme/summary").await;
    assert!(
        seen.contains(&format!("Credits this month {}", shown(&summary["this_month"]["credits"]))),
        "{seen}"
    );
    assert!(seen.contains(&format!("Active members this month {}", summary["this_month"]["active_members"])));
    assert_eq!(seen.matches("this calendar month, not affected by filters").count(), 3);
    assert!(seen.contains("121 calls") && seen.contains("121 rows Export CSV"), "{seen}");
    for row in breakdowns["by_reason"].as_array().unwrap() {
        let wanted = format!("{} {}%", shown(&row["credits"]), row["share"].as_str().unwrap());
        assert!(seen.contains(&wanted), "{wanted}: {seen}");
    }
    assert!(seen.contains("BYOK, not in credits: 1 BYOK call · $0.000418"), "{seen}");
    assert!(seen.contains("Unknown user m-01") && !seen.contains("Bo "), "{seen}");
    assert!(seen.contains("Ada <script>alert(1)</script>"), "shown as text");
    assert!(seen.contains("Times in Europe/Berlin · Data complete through "), "{seen}");
    // Nine members: five rows, seven segments and the rest.
    assert!(seen.contains("Other (2)") && seen.contains("Show all (9)"), "{seen}");
    let all = text(&page(&api, &format!("{AUDIT}?{range}&members=all"), 200).await);
    assert!(all.contains("Show top 5") && !all.contains("Other (2)"), "{all}");

    // A filter moves everything but the cards.
    let filtered = text(&page(&api, &format!("{AUDIT}?{range}&member=m-03"), 200).await);
    let cards = |text: &str| {
        text.split("Credits this month").nth(1).unwrap().split("This month").next().unwrap().to_owned()
    };
    let until_minutes = |cards: String| cards.split("until").next().unwrap().to_owned();
    assert_eq!(until_minutes(cards(&filtered)), until_minutes(cards(&seen)));
    let answer = api.json(&format!("/v1/orgs/acme/breakdowns?{range}&member=m-03")).await;
    assert!(filtered.contains(&format!("{} calls", answer["totals"]["calls"])), "{filtered}");
    assert!(filtered.contains("Remove filter: Member Unknown user m-03"), "{filtered}");
    api.stop().await;
}

#[tokio::test]
async fn load_more_walks_through_every_call_at_one_snapshot() {
    let mut world = World::new("page_more").await;
    let now = service::clock::now_ms();
    world.append(&calls_at(now), now).await;
    let api = Api::of(&world, &["acme"]).await;
    let mut path = format!("{AUDIT}?range=last_30_days");
    let mut ids = Vec::new();
    for round in 0.. {
        let html = page(&api, &path, 200).await;
        let links = html.split("href=\"audit/calls/").skip(1);
        ids.extend(links.map(|link| link[..36].to_owned()));
        // What arrives in between does not move the pages.
        world.append(&[call().org("acme").at_ms(now - 700).credits("1").build()], now).await;
        let more = html.split("href=\"").find(|piece| piece.contains("data-more"));
        let Some(more) = more else {
            assert!(text(&html).contains("End of results for this filter"));
            assert_eq!(round, 2);
            break;
        };
        let query = more.split('"').next().unwrap().replace("&#38;", "&").replace("&amp;", "&");
        path = format!("{AUDIT}{query}");
    }
    assert_eq!(ids.len(), 121);
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 121);
    api.stop().await;
}

#[tokio::test]
async fn every_state_is_told_and_none_is_shown_as_zero() {
    let mut world = World::new("page_states").await;
    world.organisation("acme", "UTC").await;
    let now = service::clock::now_ms();
    world.append(&[call().org("globex").credits("1").build()], now).await;
    let api = Api::of(&world, &["acme"]).await;
    let empty = text(&page(&api, AUDIT, 200).await);
    assert!(
        empty.contains("No AI calls yet")
            && empty.contains("acme Ltd")
            && !empty.contains("Last month Last 30")
    );
    assert_eq!(empty.matches("flat").count(), 2);

    world.append(&[call().org("acme").credits("2").build()], now).await;
    let nothing = text(&page(&api, &format!("{AUDIT}?model=x/y"), 200).await);
    assert!(nothing.contains("No calls match these filters.") && nothing.contains("Clear all"), "{nothing}");
    assert!(nothing.contains("widen the date range or clear a filter to enable export."));
    let unfinished = page(&api, &format!("{AUDIT}?range=custom&since=2026-11-01"), 200).await;
    assert!(text(&unfinished).contains("Pick a start and end date to see this period."));
    assert!(unfinished.contains("aria-disabled=\"true\"") && !unfinished.contains("export.csv"));
    let reversed = page(&api, &format!("{AUDIT}?range=custom&since=2026-11-02&until=2026-11-01"), 200).await;
    assert!(reversed.contains("Since is after Until.") && reversed.contains("aria-invalid=\"true\""));

    let wrong = text(&page(&api, &format!("{AUDIT}?byok=yes"), 400).await);
    assert!(wrong.contains("byok must be only or none"), "{wrong}");
    let theirs = text(&page(&api, "/orgs/globex/settings/audit", 404).await);
    assert!(theirs.contains("There is no such organisation") && !theirs.contains("globex"), "{theirs}");
    assert!(theirs.contains("Open the Audit page"), "{theirs}");
    for address in ["/orgs/acme/audit", "/v1/orgs/acme/settings/audit"] {
        let browser = api
            .bare(address)
            .header("accept", "text/html,application/xhtml+xml,*/*;q=0.8")
            .send()
            .await
            .unwrap();
        assert_eq!(browser.status(), 404);
        let nowhere = text(&browser.text().await.unwrap());
        assert!(
            nowhere.contains("There is nothing at this address.") && nowhere.contains("Open the Audit page")
        );
        assert_eq!(api.problem(address).await.1, "not-found");
    }
    let refused = api.get_as(AUDIT, &token(&["acme"], &["billing:edit"])).await;
    assert_eq!(refused.status(), 403);
    let refused = text(&refused.text().await.unwrap());
    assert!(refused.contains("You need the permission billing:view to see AI usage. Ask an Org Admin."));
    assert!(!refused.contains("acme"), "{refused}");
    let ended = api.bare(AUDIT).send().await.unwrap();
    assert_eq!(ended.status(), 401);
    assert!(text(&ended.text().await.unwrap()).contains("Your session has ended"));
    api.stop().await;
}

/// The links above the page: tabs and organisations.
fn links_of_the_frame(html: &str) -> Vec<&str> {
    let header = html.split("<header").nth(1).and_then(|rest| rest.split("</header>").next()).unwrap_or("");
    let links = header.split("<a href=\"").skip(1).filter_map(|rest| rest.split('"').next());
    links.filter(|link| link.starts_with("/orgs/")).collect()
}

#[tokio::test]
async fn from_a_page_about_a_problem_the_ways_on_lead_only_where_the_reader_may_go() {
    let mut world = World::new("page_problem_frames").await;
    world.organisation("acme", "Europe/Berlin").await;
    world.organisation("silent", "Europe/Berlin").await;
    let api = Api::of(&world, &["acme", "silent"]).await;
    let [audit, usage] = ["/orgs/acme/settings/audit", "/orgs/acme/settings/usage"];

    let malformed = page(&api, "/orgs/acme/settings/usage?range=never", 400).await;
    assert_eq!(links_of_the_frame(&malformed), [audit, usage, usage, "/orgs/silent/settings/usage"]);
    assert!(malformed.contains("<bdi>silent Ltd</bdi>"), "{malformed}");

    let elsewhere = page(&api, "/orgs/globex/settings/audit", 404).await;
    assert_eq!(links_of_the_frame(&elsewhere), [audit, "/orgs/silent/settings/audit"]);
    assert!(
        !elsewhere.contains(">globex") && !elsewhere.contains("aria-current=\"true\"><bdi>"),
        "{elsewhere}"
    );

    let refused = api.get_as(AUDIT, &token(&["acme"], &["billing:edit"])).await.text().await.unwrap();
    assert!(links_of_the_frame(&refused).is_empty() && !refused.contains(">acme"), "{refused}");
    let ended = api.bare(AUDIT).send().await.unwrap().text().await.unwrap();
    assert!(links_of_the_frame(&ended).is_empty(), "{ended}");
    api.stop().await;
}

#[tokio::test]
async fn a_part_that_cannot_be_read_is_told_in_its_place() {
    let mut world = World::new("page_parts").await;
    let old = service::clock::now_ms() - 3 * 86_400_000;
    world.append(&[call().org("acme").at_ms(old).credits("7.25").build()], service::clock::now_ms()).await;
    let mut worker = world.worker();
    world.settle(&mut worker).await;
    // What the rollups hold is still there; single calls are not.
    world
        .warehouse()
        .execute("hiding the ledger", world.warehouse().write("RENAME TABLE ai_calls TO hidden"))
        .await
        .unwrap();
    let api = Api::of(&world, &["acme"]).await;
    let seen = text(&page(&api, &format!("{AUDIT}?range=last_30_days"), 200).await);
    assert!(
        seen.contains("Could not load the audit log. Your data is safe. Try again Reference: "),
        "{seen}"
    );
    assert!(seen.contains("7.25") && seen.contains("1 call"), "{seen}");
    assert!(!seen.contains("End of results"), "{seen}");
    api.stop().await;
}

#[tokio::test]
async fn a_call_is_found_by_its_id_with_its_place_its_repeats_and_its_conflicts() {
    let mut world = World::new("page_call").await;
    world.member("acme", "ada", "Ada Lovelace", false).await;
    let now = service::clock::now_ms();
    let first = call().org("acme").member("ada").model("openai", "gpt-6").credits("3.5").build();
    let conflict =
        call().org("acme").id(first.event_id).member("ada").model("openai", "gpt-6").credits("9").build();
    world.append(&[first.clone(), first.clone(), conflict], now).await;
    let api = Api::of(&world, &["acme"]).await;
    let id = first.event_id.to_string();
    let found = text(&page(&api, &format!("{AUDIT}/calls?event_id={}", id.to_uppercase()), 200).await);
    for wanted in [
        "User Ada Lovelace",
        "Credits 3.5",
        "Offset 0",
        "Repeat",
        "Conflict",
        "Charge: 9 credits",
        &format!("Event id {id}"),
    ] {
        assert!(found.contains(wanted), "{wanted}: {found}");
    }
    let unknown = "01938a7e-5555-7555-8555-555555555555";
    let unknown = text(&page(&api, &format!("{AUDIT}/calls/{unknown}"), 404).await);
    assert!(unknown.contains("Your organisation has no call with this event id."), "{unknown}");
    let malformed = text(&page(&api, &format!("{AUDIT}/calls?event_id=7"), 200).await);
    assert!(malformed.contains("This is not an event id."), "{malformed}");
    api.stop().await;
}

#[tokio::test]
async fn assets_may_be_kept_for_ever_and_the_theme_is_kept_in_a_cookie() {
    let world = World::new("page_assets").await;
    let api = Api::of(&world, &["acme"]).await;
    let html = page(&api, AUDIT, 200).await;
    let linked: Vec<&str> = html.split('"').filter(|piece| piece.starts_with("/assets/")).collect();
    assert!(linked.len() >= 4, "{linked:?}");
    for asset in linked {
        let response = api.bare(asset).send().await.unwrap();
        assert_eq!(response.status(), 200, "{asset}");
        assert_eq!(response.headers()["cache-control"], "public, max-age=31536000, immutable");
    }
    let dark = api.bare(AUDIT).header("cookie", "theme=dark").send().await.unwrap();
    assert!(dark.text().await.unwrap().contains("data-theme=\"dark\""));
    let client =
        reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).no_proxy().build().unwrap();
    let chosen = client
        .post(format!("{}/settings/theme/dark?back=/orgs/acme/settings/audit%3Fbyok%3Donly", api.address))
        .send()
        .await
        .unwrap();
    assert_eq!(chosen.status(), 303);
    assert_eq!(chosen.headers()["location"], "/orgs/acme/settings/audit?byok=only");
    assert!(chosen.headers()["set-cookie"].to_str().unwrap().starts_with("theme=dark; Path=/"));
    api.stop().await;
}

/// What a page may take before it is compressed, in bytes: as it opens, with every member listed, and with so many values
/// chosen that each of its links carries 40 ids.
const FIRST_VIEW_MAX: usize = 100 * 1024;
const ALL_MEMBERS_MAX: usize = 150 * 1024;
const FORTY_CHOSEN_MAX: usize = 350 * 1024;

#[tokio::test]
async fn pages_of_an_organisation_with_hundreds_of_members_stay_small() {
    let mut world = World::new("page_bytes").await;
    world.organisation("acme", "Europe/Berlin").await;
    for number in 0..300 {
        let name = format!("Maximiliane-{number} von Hohenstein");
        world.member("acme", &format!("0190a000-0000-7000-8000-{number:012}"), &name, false).await;
    }
    let now = service::clock::now_ms();
    let calls = (0..600).map(|number| {
        let member = format!("0190a000-0000-7000-8000-{:012}", number % 300);
        let call = call().org("acme").at_ms(now - number * 1_000).member(&member);
        let call = call.model("anthropic", &format!("claude-opus-{}-20260101", number % 60));
        match number % 10 {
            0 => call.byok("0.001234567891", ["USD", "EUR", "CHF", "GBP"][number as usize / 10 % 4]).build(),
            _ => call.credits("1234.567891").build(),
        }
    });
    world.append(&calls.collect::<Vec<_>>(), now).await;
    let api = Api::of(&world, &["acme"]).await;

    let chosen: String = (0..40).map(|n| format!("&member=0190a000-0000-7000-8000-{n:012}")).collect();
    for (query, bytes_max) in
        [("", FIRST_VIEW_MAX), ("&members=all", ALL_MEMBERS_MAX), (&chosen, FORTY_CHOSEN_MAX)]
    {
        for (path, rest) in [(AUDIT, ""), ("/orgs/acme/settings/usage", "&by=day")] {
            let address = format!("{path}?range=last_30_days{rest}{query}");
            let html = page(&api, &address, 200).await;
            assert!(text(&html).contains("Maximiliane-1 von Hohenstein"), "{address}");
            assert!(html.len() <= bytes_max, "{} bytes: {address:.80}", html.len());
        }
    }
    let all = text(&page(&api, &format!("{AUDIT}?range=last_30_days&members=all"), 200).await);
    assert!(all.contains("of 300 · Export CSV has all"), "{all}");
    api.stop().await;
}
