//! The description of the API is part of the contract: a difference is a decision.

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
