//! Large results and inserts, failures in their middle, clients that go away.

use std::time::Duration;

use bytes::Bytes;
use futures_util::stream;

use crate::support::{ADMIN_PASSWORD, ENDLESS, Server, eventually, http};

/// Memory one stream may add to the process: formatting buffers and blocks on their way, both for each of its threads, of
/// which there are two here, however many cores there are; the allocator's slack.
const STREAM_MIB: u64 = 250;

#[tokio::test]
async fn a_large_result_takes_constant_memory() {
    let server = Server::start();
    server.ask("SELECT sum(number) FROM numbers(1000000)").await;
    let before = server.memory_peak_mib();
    let mut cursor = server
        .admin()
        .query("SELECT number, toString(number), repeat('x', 40) FROM numbers(20000000) SETTINGS max_threads = 2")
        .fetch_bytes("RowBinary")
        .unwrap();
    let mut bytes = 0_u64;
    while let Some(chunk) = cursor.next().await.unwrap() {
        bytes += chunk.len() as u64;
    }
    assert!(bytes > 1_100_000_000, "{bytes}");
    let grown = server.memory_peak_mib() - before;
    assert!(grown < STREAM_MIB, "{grown} MiB more for a result of {} MiB", bytes >> 20);
}

#[tokio::test]
async fn a_large_insert_takes_constant_memory() {
    let server = Server::start();
    server.ask("CREATE DATABASE audit").await;
    server.ask("CREATE TABLE audit.t (a UInt64, s String) ENGINE = Null").await;
    server.ask("SELECT sum(number) FROM numbers(1000000)").await;
    let before = server.memory_peak_mib();
    let line = format!("12345678\t{}\n", "x".repeat(90));
    let piece = Bytes::from(line.repeat(10_000));
    let pieces = 1000;
    let total = piece.len() * pieces;
    let body = reqwest::Body::wrap_stream(stream::iter(
        std::iter::repeat_n(piece, pieces).map(Ok::<_, std::convert::Infallible>),
    ));
    // Blocks of the default size would hold a million of these rows, a hundred MiB.
    let path = "/?max_threads=2&max_insert_block_size=65536&min_insert_block_size_rows=65536\
                &query=INSERT+INTO+audit.t+FORMAT+TSV";
    let answer = server.post(path, body).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert!(answer.header("x-clickhouse-summary").contains(r#""written_rows":"10000000""#));
    let grown = server.memory_peak_mib() - before;
    assert!(grown < STREAM_MIB, "{grown} MiB more for {} MiB of data", total >> 20);
}

#[tokio::test]
async fn a_failure_in_the_middle_reaches_the_rust_client_as_its_exception() {
    let server = Server::start();
    let mut cursor = server
        .admin()
        .query("SELECT number, throwIf(number = 5000000, 'on purpose') FROM numbers(10000000)")
        .fetch::<(u64, u8)>()
        .unwrap();
    let mut rows = 0;
    let error = loop {
        match cursor.next().await {
            Ok(Some(_)) => rows += 1,
            Ok(None) => panic!("the stream ended after {rows} rows as if nothing had happened"),
            Err(error) => break error.to_string(),
        }
    };
    assert!(rows > 100_000, "{rows}");
    assert!(error.contains("Code: 395.") && error.contains("on purpose"), "{error}");
}

#[tokio::test]
async fn a_failure_in_the_middle_breaks_the_transfer_after_saying_why() {
    let server = Server::start();
    let sql = "SELECT number, throwIf(number = 5000000, 'on purpose') FROM numbers(10000000)";
    for format in ["CSVWithNames", "JSONEachRow", "Native", "JSON"] {
        let answer = server.post("/", format!("{sql} FORMAT {format}")).await;
        assert_eq!(answer.status, 200);
        assert!(!answer.whole, "{format}: the client saw a proper end");
        let tag = answer.header("x-clickhouse-exception-tag");
        assert!(tag.len() == 16 && tag.bytes().all(|b| b.is_ascii_lowercase()), "{tag}");
        let text = String::from_utf8_lossy(&answer.body[answer.body.len() - 1000..]).into_owned();
        let (_, exception) = text.split_once(&format!("\r\n__exception__\r\n{tag}\r\n")).expect(&text);
        let message = exception.strip_suffix(&format!(" {tag}\r\n__exception__\r\n")).expect(&text);
        let (message, length) = message.rsplit_once('\n').expect(&text);
        assert_eq!(length.parse(), Ok(message.len() + 1));
        assert!(message.starts_with("Code: 395. DB::Exception: on purpose"), "{message}");
    }
}

#[tokio::test]
async fn a_slow_client_slows_the_engine_down_and_still_learns_of_a_failure() {
    let server = Server::start();
    let sql = "SELECT number, throwIf(number = 5000000, 'on purpose') FROM numbers(10000000)";
    let request = http().post(&server.url).basic_auth("admin", Some(ADMIN_PASSWORD)).body(sql);
    let mut response = request.send().await.unwrap();
    let mut first = response.chunk().await.unwrap().unwrap().to_vec();
    // Everything between the engine and this test is full now; the engine waits, and does not fail yet.
    eventually(|| async {
        let read =
            server.ask("SELECT sum(read_rows) FROM system.processes WHERE query LIKE '%throwIf%'").await;
        tokio::time::sleep(Duration::from_millis(300)).await;
        let later =
            server.ask("SELECT sum(read_rows) FROM system.processes WHERE query LIKE '%throwIf%'").await;
        if read == later && read != "0" { Ok(()) } else { Err(format!("{read} rows, then {later}")) }
    })
    .await;
    while let Ok(Some(chunk)) = response.chunk().await {
        first.extend_from_slice(&chunk);
    }
    let end = String::from_utf8_lossy(&first[first.len() - 500..]).into_owned();
    assert!(end.contains("Code: 395.") && end.ends_with("__exception__\r\n"), "{end}");
}

/// Until no statement but the asking one runs.
async fn idle(server: &Server) {
    eventually(|| async {
        match server.ask("SELECT count(), 'running:', any(query) FROM system.processes WHERE query NOT LIKE '%system.processes%'").await {
            seen if seen.starts_with("0\t") => Ok(()),
            seen => Err(seen),
        }
    })
    .await;
}

async fn running(server: &Server, part: &str) {
    eventually(|| async {
        let sql = format!(
            "SELECT count() FROM system.processes WHERE query LIKE '%{part}%' AND query NOT LIKE '%system.%'"
        );
        match server.ask(&sql).await.as_str() {
            "1" => Ok(()),
            seen => Err(seen.to_owned()),
        }
    })
    .await;
}

/// A client of a statement that runs, and yields its first row when everybody has long gone.
async fn endless(server: &Server) -> tokio::task::JoinHandle<clickhouse::error::Result<u64>> {
    let client = server.admin();
    let asking = tokio::spawn(async move { client.query(ENDLESS).fetch_one::<u64>().await });
    running(server, "sipHash64").await;
    asking
}

#[tokio::test]
async fn a_client_that_goes_away_while_rows_flow_stops_its_statement() {
    let server = Server::start();
    let mut cursor =
        server.admin().query("SELECT number FROM numbers(1000000000000)").fetch::<u64>().unwrap();
    assert_eq!(cursor.next().await.unwrap(), Some(0));
    running(&server, "1000000000000").await;
    drop(cursor);
    idle(&server).await;
}

#[tokio::test]
async fn a_client_that_goes_away_before_the_first_row_stops_its_statement() {
    let server = Server::start();
    endless(&server).await.abort();
    idle(&server).await;
}

#[tokio::test]
async fn who_asks_while_clients_go_away_is_not_killed_in_their_place() {
    let server = Server::start();
    for _ in 0..5 {
        endless(&server).await.abort();
        // Of the same user and database: these take whatever connection is free.
        let asking = (0..40).map(|_| server.ask("SELECT sum(number) FROM numbers(1000000)"));
        assert!(futures_util::future::join_all(asking).await.iter().all(|sum| sum == "499999500000"));
        idle(&server).await;
    }
}

#[tokio::test]
async fn a_client_that_goes_away_before_the_end_of_its_data_inserts_nothing() {
    let server = Server::start();
    server.ask("CREATE DATABASE audit").await;
    server.ask("CREATE TABLE audit.t (a UInt64) ENGINE = MergeTree ORDER BY a").await;
    let mut insert = server.admin().insert_formatted_with("INSERT INTO audit.t FORMAT TSV");
    insert.send(Bytes::from("1\n2\n3\n".repeat(50_000))).await.unwrap();
    running(&server, "INSERT INTO audit.t").await;
    drop(insert);
    idle(&server).await;
    assert_eq!(server.ask("SELECT count() FROM audit.t").await, "0");
}
