//! The file: safe cells, and an end that can be told from a break.

use crate::api::Api;
use crate::world::World;
use chrono_tz::Tz;
use proto::Call;
use query_api::as_of::AsOf;
use reqwest::{Method, StatusCode};
use std::time::Duration;
use system_tests::{Proxy, call};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

#[tokio::test]
async fn no_cell_begins_a_formula_and_every_text_comes_back() {
    let mut world = World::new("query_csv").await;
    world.organisation("acme", "UTC").await;
    world.member("acme", "m1", "=HYPERLINK(\"http://evil.example\")", false).await;
    world.member("acme", "m2", "Müller, \"Mo\" 🦀", false).await;
    let now = 1_794_657_899_123;
    let one =
        call().at_ms(now).member("m1").reason("@SUM(1)").model("+provider", "-model").tokens(1, 2).build();
    let two = call().at_ms(now - 1).member("m2").byok("0.000418", "EUR").build();
    world.append(&[one.clone(), two.clone()], now).await;
    let api = Api::of(&world, &["acme"]).await;
    let as_of = AsOf::new("acme", world.position_of("acme"), now, Tz::UTC).to_string();
    let response = api.get(&format!("/v1/orgs/acme/export.csv?as_of={as_of}")).await;
    assert_eq!(response.headers()["as-of"], as_of);
    assert_eq!(response.headers()["complete-through"], "2026-11-14T12:04:59.123Z");
    assert_eq!(response.headers()["content-type"], "text/csv; charset=utf-8; header=present");
    let text = response.text().await.unwrap();
    let expected = format!(
        "time (UTC),name,email,reason,provider,model,input tokens,output tokens,credits,byok,provider cost,currency,event id,member id\r\n\
         2026-11-14 12:04:59.123,\"'=HYPERLINK(\"\"http://evil.example\"\")\",m1@acme.example,'@SUM(1),'+provider,'-model,1,2,1,no,,,{},m1\r\n\
         2026-11-14 12:04:59.122,\"Müller, \"\"Mo\"\" 🦀\",m2@acme.example,Chat,openai,gpt-6-sol,1204,310,,yes,0.000418,EUR,{},m2\r\n",
        one.event_id, two.event_id
    );
    assert_eq!(text, expected);
    api.stop().await;
}

/// A file of so many rows is longer than everything that may lie between a reader and ClickHouse.
const ROWS: usize = 200_000;

async fn with_a_long_file(test: &str) -> World {
    const AT_ONCE: usize = 20_000;
    let mut world = World::new(test).await;
    let now = service::clock::now_ms();
    for _ in 0..ROWS / AT_ONCE {
        let calls: Vec<Call> = (0..AT_ONCE).map(|i| call().at_ms(now - i as i64).build()).collect();
        world.append(&calls, now).await;
    }
    world
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_that_cannot_be_finished_breaks_off_instead_of_looking_whole() {
    let world = with_a_long_file("query_csv_break").await;
    let stack = system_tests::Stack::shared();
    let proxy = Proxy::before(stack.variable("CLICKHOUSE_URL").trim_start_matches("http://")).await;
    let url = format!("http://{}", proxy.address());
    let api = Api::with(&world, &["acme"], &[("CLICKHOUSE_URL", &url)]).await;
    let path = "/v1/orgs/acme/export.csv?range=last_30_days";

    let head = api.request(Method::HEAD, path);
    let head = head.bearer_auth(crate::api::token(&["acme"], &["billing:view"])).send().await.unwrap();
    assert!(head.status().is_success() && head.headers().contains_key("content-disposition"));

    let whole = api.get(path).await.text().await.unwrap();
    assert_eq!(whole.lines().count(), 1 + ROWS);

    let mut response = api.get(path).await;
    assert_eq!(response.status(), StatusCode::OK);
    let first = response.chunk().await.unwrap().unwrap();
    assert!(!first.is_empty());
    // Cuts what is open, and takes nothing new.
    drop(proxy);
    let rest = async {
        let mut bytes = first.len();
        while let Some(chunk) = response.chunk().await? {
            bytes += chunk.len();
        }
        reqwest::Result::Ok(bytes)
    };
    let error = rest.await.expect_err("the transfer must not end as if the file were whole");
    assert!(error.is_body() || error.is_decode(), "{error:?}");
    // An error from the beginning has a status of its own.
    let (status, code, _) = api.problem(path).await;
    assert_eq!((status, code.as_str()), (503, "unavailable"));
    api.stop().await;
}

/// Sends a request for a whole file over a connection of its own.
async fn export_over(api: &Api) -> TcpStream {
    let mut connection = TcpStream::connect(api.address.trim_start_matches("http://")).await.unwrap();
    let token = crate::api::token(&["acme"], &["billing:view"]);
    let head = format!(
        "GET /v1/orgs/acme/export.csv?range=last_30_days HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {token}\r\n\r\n"
    );
    connection.write_all(head.as_bytes()).await.unwrap();
    connection
}

/// What a whole file ends with, as it is transferred.
const END: &[u8] = b"\r\n0\r\n\r\n";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_reads_slowly_has_its_file() {
    let world = with_a_long_file("query_csv_slow").await;
    let api = Api::with(&world, &["acme"], &[("LIMITS_EXPORT_STALL", "5s")]).await;
    let mut connection = export_over(&api).await;
    // A hundred kilobytes a second, three times as long as it may read nothing.
    let mut bytes = vec![0; 10_000];
    for _ in 0..150 {
        connection.read_exact(&mut bytes).await.unwrap();
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    while !bytes.ends_with(END) {
        let count = connection.read_buf(&mut bytes).await.unwrap();
        assert!(count > 0, "the transfer ends after {} bytes", bytes.len());
    }
    api.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_stops_reading_is_given_up_and_frees_its_place() {
    let world = with_a_long_file("query_csv_stall").await;
    let extra =
        [("LIMITS_EXPORT_STALL", "5s"), ("LIMITS_REQUESTS_PER_ORGANISATION", "1"), ("LIMITS_WAIT", "0s")];
    let api = Api::with(&world, &["acme"], &extra).await;
    let mut stalled = export_over(&api).await;
    let mut some = [0; 64];
    stalled.read_exact(&mut some).await.unwrap();
    let (status, code, _) = api.problem("/v1/orgs/acme/summary").await;
    assert_eq!((status, code.as_str()), (429, "too-many-requests"));
    system_tests::eventually("the place of the stalled export", async || {
        let status = api.get("/v1/orgs/acme/summary").await.status();
        if status.is_success() { Ok(()) } else { Err(status.to_string()) }
    })
    .await;
    // It reads on too late: what it finds is no whole file.
    let mut rest = Vec::new();
    let ended = stalled.read_to_end(&mut rest).await;
    assert!(ended.is_err() || !rest.ends_with(END), "{} bytes that look whole", rest.len());
    api.stop().await;
}
