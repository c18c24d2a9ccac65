//! Bad requests: each a problem that names what is wrong, none a guess.

use crate::api::{Api, problem_of};
use crate::world::World;
use chrono_tz::Tz;
use proto::Position;
use query_api::as_of::AsOf;
use system_tests::call;

#[tokio::test]
async fn a_bad_request_names_each_parameter_that_is_wrong() {
    let mut world = World::new("query_bad_requests").await;
    world.append(&[call().build()], service::clock::now_ms()).await;
    let api = Api::of(&world, &["acme"]).await;
    let long = "x".repeat(400);
    let far = AsOf::new("acme", Position::from_u64(u64::MAX), 1_793_487_600_123, Tz::UTC);
    for (resource, query, parameters) in [
        ("summary", "range=this_month", vec!["range"]),
        ("summary", "as_of=yesterday", vec!["as_of"]),
        ("summary", &format!("as_of={far}"), vec!["as_of"]),
        ("breakdowns", "as_of=1.2.UTC&range=today", vec!["range", "as_of"]),
        ("breakdowns", "range=custom&since=2026-13-01&until=x", vec!["since", "until"]),
        ("breakdowns", "members=m1&filter=x", vec!["members", "filter"]),
        ("breakdowns", "member=%ff", vec!["member"]),
        ("usage", "by=week", vec!["by"]),
        ("usage", "by=day&range=custom&since=2000-01-01&until=2026-01-01", vec!["by"]),
        ("filters", "dim=colour&limit=0", vec!["dim", "limit"]),
        ("filters", "limit=1001", vec!["limit"]),
        ("calls", "limit=0", vec!["limit"]),
        ("calls", "limit=201", vec!["limit"]),
        ("calls", "limit=+5", vec!["limit"]),
        ("calls", "after=first&byok=maybe", vec!["byok", "after"]),
        // A UUID, but of version 4.
        ("calls", "after=0b0e4f4e-5f0f-4b1a-9f0a-000000000000", vec!["after"]),
        ("export.csv", "limit=5", vec!["limit"]),
        ("export.csv", &format!("model={long}"), vec!["model"]),
    ] {
        let (status, code, document) = api.problem(&format!("/v1/orgs/acme/{resource}?{query}")).await;
        assert_eq!((status, code.as_str()), (400, "invalid-parameter"), "{resource}?{query}");
        let mistakes = document["mistakes"].as_array().unwrap();
        let named: Vec<&str> =
            mistakes.iter().map(|mistake| mistake["parameter"].as_str().unwrap()).collect();
        assert_eq!(named, parameters, "{resource}?{query}: {document}");
    }
    api.stop().await;
}

#[tokio::test]
async fn a_value_that_nobody_has_matches_nothing() {
    let mut world = World::new("query_unknown_values").await;
    world.append(&[call().build()], service::clock::now_ms()).await;
    let api = Api::of(&world, &["acme"]).await;
    for query in
        ["member=nobody", "reason=", "model=/", "member=%27%20OR%201%3D1%20--", "reason=a%09b%0Ac%5C"]
    {
        let breakdowns = api.json(&format!("/v1/orgs/acme/breakdowns?{query}")).await;
        assert_eq!(breakdowns["totals"]["calls"], 0, "{query}");
        let log = api.json(&format!("/v1/orgs/acme/calls?{query}")).await;
        assert_eq!(log["calls"].as_array().unwrap().len(), 0, "{query}");
    }
    assert_eq!(api.json("/v1/orgs/acme/breakdowns").await["totals"]["calls"], 1);
    api.stop().await;
}

#[tokio::test]
async fn what_is_not_there_says_so_in_the_same_form() {
    let world = World::new("query_not_there").await;
    let api = Api::of(&world, &["acme"]).await;
    let id = "01938a7e-5555-7555-8555-555555555555";
    for (path, status, code) in [
        ("/nothing".to_owned(), 404, "not-found"),
        ("/v1/orgs/acme".to_owned(), 404, "not-found"),
        ("/v1/orgs/acme/nothing".to_owned(), 404, "not-found"),
        (format!("/v1/orgs/acme/calls/{id}"), 404, "not-found"),
        ("/v1/orgs/acme/calls/7".to_owned(), 400, "invalid-parameter"),
        (format!("/v1/orgs/acme/breakdowns?member={}", "x".repeat(17_000)), 414, "uri-too-long"),
    ] {
        let (found_status, found_code, _) = api.problem(&path).await;
        assert_eq!((found_status, found_code.as_str()), (status, code), "{}", &path[..path.len().min(60)]);
    }
    let posted = api.request(reqwest::Method::POST, "/v1/orgs/acme/summary").send().await.unwrap();
    assert_eq!(posted.headers()["allow"], "GET, HEAD");
    assert_eq!(problem_of(posted).await.1, "method-not-allowed");
    api.stop().await;
}

#[tokio::test]
async fn every_answer_keeps_browsers_from_doing_anything_unforeseen_with_it() {
    let world = World::new("query_headers").await;
    let api = Api::of(&world, &["acme"]).await;
    for path in ["/v1/orgs/acme/summary", "/v1/orgs/nobody/summary", "/docs", "/openapi.json"] {
        let response = api.get(path).await;
        let headers = response.headers();
        assert_eq!(headers["x-content-type-options"], "nosniff", "{path}");
        assert!(
            headers["content-security-policy"].to_str().unwrap().starts_with("default-src 'none'"),
            "{path}"
        );
        assert_eq!(headers["x-request-id"].len(), 36, "{path}");
    }
    let given = api.bare("/docs").header("x-request-id", "from-a-proxy").send().await.unwrap();
    assert_eq!(given.headers()["x-request-id"], "from-a-proxy");
    let page = api.get("/docs").await.text().await.unwrap();
    assert!(!page.contains("//") || !page.contains("src="), "the page asks nobody else for anything");
    api.stop().await;
}
