//! The description of the API is part of the contract: a difference is a decision.

use crate::api::Api;
use crate::world::World;
use serde_json::Value;

#[test]
fn the_description_is_the_committed_one() {
    let committed: Value = serde_json::from_str(include_str!("../../openapi.json")).unwrap();
    let generated: Value = serde_json::from_str(&query_api::openapi::document()).unwrap();
    assert_eq!(
        generated, committed,
        "the API has changed; if that is meant: cargo run -p query-api -- openapi > query-api/openapi.json"
    );
}

#[tokio::test]
async fn the_served_description_is_the_committed_one_byte_by_byte() {
    let world = World::new("query_contract").await;
    let api = Api::of(&world, &["acme"]).await;
    let served = api.get("/openapi.json").await;
    assert_eq!(served.status(), 200);
    assert_eq!(served.headers()["content-type"], "application/json");
    assert_eq!(served.text().await.unwrap().trim_end(), include_str!("../../openapi.json").trim_end());
    api.stop().await;
}
