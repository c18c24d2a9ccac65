//! ClickHouse away or silent: an error is an error, never a zero, and never the caller's fault.

use crate::api::Api;
use crate::world::World;
use std::time::{Duration, Instant};
use tokio::net::{TcpListener, TcpSocket};

const RESOURCES: [&str; 6] = ["summary", "breakdowns", "usage", "filters", "calls", "export.csv"];

#[tokio::test]
async fn while_clickhouse_is_away_every_resource_says_so() {
    let world = World::new("query_away").await;
    // A port of ours where nobody listens.
    let closed = TcpSocket::new_v4().unwrap();
    closed.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let url = format!("http://{}", closed.local_addr().unwrap());
    let api = Api::with(&world, &["acme"], &[("CLICKHOUSE_URL", &url)]).await;
    for resource in RESOURCES {
        let response = api.get(&format!("/v1/orgs/acme/{resource}")).await;
        assert_eq!(response.headers()["retry-after"], "2");
        let (status, code, document) = crate::api::problem_of(response).await;
        assert_eq!((status, code.as_str()), (503, "unavailable"), "{resource}");
        let text = document.to_string();
        assert!(!text.contains("127.0.0.1") && !text.contains("ClickHouse"), "{text}");
    }
    api.stop().await;
}

#[tokio::test]
async fn a_silent_clickhouse_is_given_up_in_time() {
    let world = World::new("query_silent").await;
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", silent.local_addr().unwrap());
    let api =
        Api::with(&world, &["acme"], &[("CLICKHOUSE_URL", &url), ("CLICKHOUSE_TIMEOUT", "300ms")]).await;
    let began = Instant::now();
    let (status, code, _) = api.problem("/v1/orgs/acme/summary").await;
    assert_eq!((status, code.as_str()), (503, "unavailable"));
    // By default it waits for half a minute.
    assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
    api.stop().await;
}

#[tokio::test]
async fn a_wrong_password_is_our_fault_and_stays_inside() {
    let world = World::new("query_password").await;
    let api = Api::with(&world, &["acme"], &[("CLICKHOUSE_PASSWORD", "wrong")]).await;
    let (status, code, document) = api.problem("/v1/orgs/acme/summary").await;
    assert_eq!((status, code.as_str()), (500, "internal"));
    assert!(!document.to_string().to_lowercase().contains("password"), "{document}");
    api.stop().await;
}
