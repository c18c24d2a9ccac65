//! Names and labels: what people read beside the numbers.

use crate::api::Api;
use crate::world::World;
use serde_json::json;
use system_tests::call;

#[tokio::test]
async fn members_who_left_or_were_never_told_of_are_unknown_users_and_stay_apart() {
    let mut world = World::new("query_names").await;
    world.organisation("acme", "UTC").await;
    world.member("acme", "ada", "Ada Lovelace", false).await;
    world.member("acme", "bob", "Bob", false).await;
    world.member("acme", "bob", "Bob", true).await;
    let by = |member: &str, credits: &str| call().member(member).credits(credits).build();
    let now = service::clock::now_ms();
    world.append(&[by("ada", "1"), by("bob", "3"), by("eve", "3"), by("eve", "0")], now).await;
    let api = Api::of(&world, &["acme"]).await;

    let breakdowns = api.json("/v1/orgs/acme/breakdowns").await;
    let rows = breakdowns["by_member"].as_array().unwrap();
    let shown: Vec<_> = rows
        .iter()
        .map(|row| {
            json!([row["member_id"], row["label"], row["name"], row["email"], row["known"], row["removed"]])
        })
        .collect();
    // By credits, then calls, then name.
    assert_eq!(
        shown,
        [
            json!(["eve", "Unknown user", null, null, false, false]),
            json!(["bob", "Unknown user", null, null, true, true]),
            json!(["ada", "Ada Lovelace", "Ada Lovelace", "ada@acme.example", true, false]),
        ]
    );
    assert_eq!(rows[0]["share"], "42.9");

    let found = api.json("/v1/orgs/acme/filters?dim=members&q=LOVE").await;
    let options = found["members"]["options"].as_array().unwrap();
    assert_eq!((options.len(), &options[0]["member_id"]), (1, &json!("ada")));
    assert!(found.get("reasons").is_none());
    let by_email = api.json("/v1/orgs/acme/filters?dim=members&q=ada%40acme").await;
    assert_eq!(by_email["members"]["total"], 1);
    // The name of someone who left cannot be searched; the id can.
    assert_eq!(api.json("/v1/orgs/acme/filters?dim=members&q=bob%40").await["members"]["total"], 0);
    // A chosen option stays, whatever is searched, and comes first.
    let chosen = api.json("/v1/orgs/acme/filters?dim=members&q=lovelace&member=nobody").await;
    assert_eq!(chosen["members"]["options"][0]["chosen"], true);
    assert_eq!(chosen["members"]["options"][0]["calls"], 0);

    let text = api.get("/v1/orgs/acme/export.csv").await.text().await.unwrap();
    assert!(!text.contains("Bob"), "{text}");
    api.stop().await;
}

#[tokio::test]
async fn known_reasons_have_labels_and_unknown_ones_are_shown_as_they_are() {
    let mut world = World::new("query_labels").await;
    let now = service::clock::now_ms();
    world.append(&[call().reason("summarize_cv").build(), call().reason("humming").build()], now).await;
    let api = Api::of(&world, &["acme"]).await;
    let filters = api.json("/v1/orgs/acme/filters").await;
    let options = filters["reasons"]["options"].as_array().unwrap();
    let mut labels: Vec<_> = options.iter().map(|row| row["label"].as_str().unwrap()).collect();
    labels.sort_unstable();
    assert_eq!(labels, ["Chat", "Classify questions", "Generate field", "Summarize CV", "humming"]);
    let log = api.json("/v1/orgs/acme/calls?reason=summarize_cv").await;
    assert_eq!(log["calls"][0]["reason_label"], "Summarize CV");
    api.stop().await;
}

#[tokio::test]
async fn an_organisation_the_directory_never_told_of_lives_in_utc_and_has_a_file_name() {
    let mut world = World::new("query_untold").await;
    world.append(&[call().org("Acme/Söhne").build()], service::clock::now_ms()).await;
    let api = Api::of(&world, &["Acme/Söhne"]).await;
    let path = "/v1/orgs/Acme%2FS%C3%B6hne";
    let summary = api.json(&format!("{path}/summary")).await;
    assert_eq!(summary["time_zone"], "UTC");
    assert_eq!(summary["this_month"]["credits"], "1");
    let file = api.get(&format!("{path}/export.csv?range=custom&since=2026-01-01&until=2026-01-31")).await;
    assert_eq!(
        file.headers()["content-disposition"],
        "attachment; filename=\"intervy-usage_acme-s-hne_2026-01-01_2026-01-31.csv\""
    );
    api.stop().await;
}
