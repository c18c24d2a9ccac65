//! Two organisations never mix, and what a token does not allow is not there.

use crate::api::{Api, problem_of, token};
use crate::world::World;
use query_api::auth::{Grant, demo_token};
use serde_json::json;
use std::time::Duration;
use system_tests::call;

const RESOURCES: [&str; 6] = ["summary", "breakdowns", "usage", "filters", "calls", "export.csv"];

#[tokio::test]
async fn every_resource_answers_for_the_organisation_of_the_token_alone() {
    let mut world = World::new("query_tenancy").await;
    let now = service::clock::now_ms();
    let ours = call().org("acme").member("ada").credits("1").build();
    // The same identity, member and time in another organisation.
    let theirs = call()
        .org("globex")
        .id(ours.event_id)
        .member("ada")
        .model("secret", "theirs")
        .credits("98765.4321")
        .build();
    world.member("globex", "ada", "Their Ada", false).await;
    world.append(&[ours.clone(), theirs.clone()], now).await;
    let api = Api::of(&world, &["acme"]).await;

    for resource in RESOURCES {
        let text = api.get(&format!("/v1/orgs/acme/{resource}")).await.text().await.unwrap();
        assert!(
            !text.contains("secret") && !text.contains(".4321") && !text.contains("Their Ada"),
            "{resource}: {text}"
        );
    }
    let one = api.json(&format!("/v1/orgs/acme/calls/{}", ours.event_id)).await;
    assert_eq!(one["call"]["credits"], "1");
    assert_eq!(one["conflicts"], json!([]));
    assert_eq!(api.json("/v1/orgs/acme/summary").await["this_month"]["credits"], "1");
    // A filter cannot widen what the token allows.
    let filtered = api.json("/v1/orgs/acme/breakdowns?model=secret/theirs").await;
    assert_eq!(filtered["totals"]["calls"], 0);
    api.stop().await;
}

#[tokio::test]
async fn an_organisation_outside_the_token_looks_like_one_that_does_not_exist() {
    let mut world = World::new("query_not_found").await;
    world.append(&[call().org("globex").build()], service::clock::now_ms()).await;
    let api = Api::of(&world, &["acme"]).await;
    for resource in RESOURCES {
        let (status, code, theirs) = api.problem(&format!("/v1/orgs/globex/{resource}")).await;
        assert_eq!((status, code.as_str()), (404, "not-found"), "{resource}");
        let (_, _, nobodys) = api.problem(&format!("/v1/orgs/nobody/{resource}")).await;
        assert_eq!(theirs["detail"], nobodys["detail"]);
    }
    api.stop().await;
}

#[tokio::test]
async fn a_permission_or_the_role_admin_is_needed() {
    let world = World::new("query_permission").await;
    let api = Api::of(&world, &["acme"]).await;
    for (permissions, roles, status) in [
        (vec!["billing:view"], vec![], 200),
        (vec![], vec!["Admin"], 200),
        (vec!["billing:edit"], vec!["Member"], 403),
        (vec![], vec![], 403),
    ] {
        let owned = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
        let grant = Grant { id: "acme".into(), permissions: owned(&permissions), roles: owned(&roles) };
        let token = demo_token(crate::api::SECRET, vec![grant], Duration::from_secs(60)).unwrap();
        for resource in RESOURCES {
            let response = api.get_as(&format!("/v1/orgs/acme/{resource}"), &token).await;
            assert_eq!(response.status(), status, "{permissions:?} {roles:?} {resource}");
            if status == 403 {
                assert_eq!(problem_of(response).await.1, "forbidden");
            }
        }
    }
    api.stop().await;
}

#[tokio::test]
async fn the_organisations_of_a_token_are_listed_with_what_it_allows() {
    let world = World::new("query_orgs").await;
    let api = Api::of(&world, &["acme"]).await;
    let answer = api.json("/v1/orgs").await;
    assert_eq!(answer, json!({ "organisations": [{ "id": "acme", "may_view": true }] }));
    let response = api.get_as("/v1/orgs", &token(&["acme", "globex"], &[])).await;
    let answer: serde_json::Value = serde_json::from_str(&response.text().await.unwrap()).unwrap();
    assert_eq!(answer["organisations"][1], json!({ "id": "globex", "may_view": false }));
    api.stop().await;
}
