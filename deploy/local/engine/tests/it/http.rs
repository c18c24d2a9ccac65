//! The interface on the wire: how a statement may come, and what its answer looks like.

use crate::support::{ADMIN_PASSWORD, Answer, Server, http};

async fn table(server: &Server) {
    server.ask("CREATE DATABASE audit").await;
    server.ask("CREATE TABLE audit.t (a UInt32, s String) ENGINE = MergeTree ORDER BY a").await;
}

async fn content(server: &Server) -> String {
    server.ask("SELECT * FROM audit.t ORDER BY a FORMAT CSV").await
}

#[tokio::test]
async fn ping_needs_no_user() {
    let server = Server::start();
    for path in ["/ping", "/"] {
        let answer = Answer::of(http().get(format!("{}{path}", server.url))).await;
        assert_eq!((answer.status, answer.text().as_str()), (200, "Ok.\n"));
    }
}

#[tokio::test]
async fn statement_and_data_come_in_the_url_or_in_the_body_or_in_both() {
    let server = Server::start();
    table(&server).await;
    for (path, body, expected) in [
        ("/", "INSERT INTO audit.t FORMAT CSV\n1,a\n", r#"1,"a""#),
        ("/?query=INSERT+INTO+audit.t+FORMAT+CSV", "2,b\n", r#"2,"b""#),
        ("/?query=INSERT+INTO+audit.t+FORMAT+CSV%0A3,c", "4,d\n", "3,\"c\"\n4,\"d\""),
        ("/?query=INSERT+INTO", "audit.t VALUES (5, 'e;'), (2+4, 'f')", "5,\"e;\"\n6,\"f\""),
        ("/?query=INSERT+INTO+audit.t+SELECT+7,+'g'", "", r#"7,"g""#),
        ("/?query=INSERT+INTO+audit.t+(s,+a)+VALUES", "('h', 8)", r#"8,"h""#),
        (
            "/?database=audit&query=INSERT+INTO+t+FORMAT+JSONEachRow",
            "{\"a\": 9, \"s\": \"i\\n\"}",
            "9,\"i\n\"",
        ),
        ("/", "INSERT INTO audit.t SETTINGS async_insert = 0 FORMAT TSV 10\tj", r#"10,"j""#),
    ] {
        let answer = server.post(path, body).await;
        assert_eq!((answer.status, answer.text().as_str()), (200, ""), "{path} {body}");
        assert_eq!(content(&server).await, expected, "{path} {body}");
        server.ask("TRUNCATE TABLE audit.t").await;
    }
    let select = server.post("/?query=SELECT", "1 + 1").await;
    assert_eq!(select.text(), "2\n");
}

#[tokio::test]
async fn binary_data_may_begin_with_any_byte() {
    let server = Server::start();
    server.ask("CREATE DATABASE audit").await;
    server.ask("CREATE TABLE audit.b (a UInt8) ENGINE = Memory").await;
    let data: Vec<u8> = (0..=255).collect();
    for start in [9_u8, 10, 13, 32, 59] {
        let mut data = data.clone();
        data.rotate_left(usize::from(start));
        server.post("/?query=INSERT+INTO+audit.b+FORMAT+RowBinary", data).await;
    }
    assert_eq!(server.ask("SELECT count(), uniqExact(a) FROM audit.b").await, "1280\t256");
}

#[tokio::test]
async fn every_format_arrives_as_one_document() {
    let server = Server::start();
    let rows = "SELECT number AS n, toString(number) AS s FROM numbers(300000)";
    let csv = server.ask(&format!("{rows} FORMAT CSVWithNames")).await;
    assert_eq!(csv.lines().count(), 300_001);
    assert_eq!(csv.matches("\"n\",\"s\"").count(), 1);
    let json: serde_json::Value =
        serde_json::from_str(&server.ask(&format!("{rows} FORMAT JSON")).await).unwrap();
    assert_eq!(json["data"].as_array().unwrap().len(), 300_000);
    assert_eq!(json["rows"], 300_000);
    let binary = server.post("/", format!("{rows} FORMAT RowBinaryWithNamesAndTypes")).await.body;
    assert_eq!(binary.windows(6).filter(|w| w == b"UInt64").count(), 1);
    let totals = "SELECT number % 2 AS k, count() FROM numbers(10) GROUP BY k WITH TOTALS ORDER BY k";
    assert_eq!(server.ask(totals).await, "0\t5\n1\t5\n\n0\t10");
    for format in ["Parquet", "ArrowStream", "Native", "PrettyCompact", "Vertical", "XML", "Values"] {
        assert!(!server.post("/", format!("{rows} FORMAT {format}")).await.body.is_empty(), "{format}");
    }
}

#[tokio::test]
async fn the_format_is_the_statements_or_the_requests() {
    let server = Server::start();
    for (path, sql, expected) in [
        ("/", "SELECT 1, 'a'", "1\ta\n"),
        ("/?default_format=CSV", "SELECT 1, 'a'", "1,\"a\"\n"),
        ("/?default_format=CSV", "SELECT 1, 'a' FORMAT TSV", "1\ta\n"),
        ("/?default_format=CSV", "SELECT 1, 'a' FORMAT TSV SETTINGS max_threads = 1;", "1\ta\n"),
        ("/?default_format=CSV", "SELECT 1, 'a' SETTINGS max_threads = 1 FORMAT TSV -- done", "1\ta\n"),
        ("/?default_format=CSV", "EXISTS DATABASE default", "1\n"),
        ("/?default_format=JSONEachRow", "SHOW DATABASES LIKE 'default'", "{\"name\":\"default\"}\n"),
    ] {
        assert_eq!(server.post(path, sql).await.text(), expected, "{path} {sql}");
    }
}

#[tokio::test]
async fn an_answer_tells_about_its_statement() {
    let server = Server::start();
    table(&server).await;
    let answer = server.post("/?query_id=my-id", "SELECT * FROM numbers(1000) FORMAT CSV").await;
    assert_eq!(answer.header("x-clickhouse-query-id"), "my-id");
    assert_eq!(answer.header("x-clickhouse-format"), "CSV");
    assert_eq!(answer.header("x-clickhouse-timezone"), "UTC");
    assert!(answer.header("content-type").starts_with("text/csv"));
    let summary: serde_json::Value = serde_json::from_str(answer.header("x-clickhouse-summary")).unwrap();
    assert_eq!(summary["read_rows"], "1000");
    let insert = server.post("/", "INSERT INTO audit.t VALUES (1, 'a'), (2, 'b')").await;
    let summary: serde_json::Value = serde_json::from_str(insert.header("x-clickhouse-summary")).unwrap();
    assert_eq!(summary["written_rows"], "2");
}

#[tokio::test]
async fn each_way_to_name_oneself_works() {
    let server = Server::start();
    let url = |query: &str| format!("{}/?query=SELECT+1{query}", server.url);
    let by_headers =
        http().get(url("")).header("X-ClickHouse-User", "admin").header("X-ClickHouse-Key", ADMIN_PASSWORD);
    let by_basic = http().get(url("")).basic_auth("admin", Some(ADMIN_PASSWORD));
    let by_url = http().get(url(&format!("&user=admin&password={ADMIN_PASSWORD}")));
    for request in [by_headers, by_basic, by_url] {
        assert_eq!(Answer::of(request).await.text(), "1\n");
    }
}

#[tokio::test]
async fn what_comes_by_get_only_reads() {
    let server = Server::start();
    let get = |query: &str| {
        Answer::of(
            http().get(format!("{}/?query={query}", server.url)).basic_auth("admin", Some(ADMIN_PASSWORD)),
        )
    };
    assert_eq!(get("CREATE+DATABASE+audit").await.error(), (500, 164));
    assert_eq!(get("SELECT+getSetting('max_threads')&max_threads=1").await.text(), "1\n");
}

#[tokio::test]
async fn wait_end_of_query_gives_the_status_of_the_outcome() {
    let server = Server::start();
    let large = "SELECT number, throwIf(number = 2000000) FROM numbers(3000000)";
    assert_eq!(server.post("/", large).await.status, 200);
    assert_eq!(server.post("/?wait_end_of_query=1", large).await.error(), (500, 395));
    let whole = server.post("/?wait_end_of_query=1", "SELECT number FROM numbers(3000000)").await;
    assert_eq!((whole.status, whole.text().lines().count()), (200, 3_000_000));
}

#[tokio::test]
async fn the_schema_files_of_a_format_lie_in_the_data_folder() {
    let server = Server::start();
    let schema = "syntax = \"proto3\"; message Call { uint64 id = 1; string who = 2; }";
    std::fs::write(server.folder().join("format_schemas/call.proto"), schema).unwrap();
    let sql = "SELECT toUInt64(7) AS id, 'me' AS who FORMAT Protobuf SETTINGS format_schema = 'call:Call'";
    assert_eq!(server.post("/", sql).await.body, b"\x06\x08\x07\x12\x02me");
}

#[tokio::test]
async fn a_statement_knows_nothing_of_the_one_before() {
    let server = Server::start();
    server.ask("CREATE DATABASE audit").await;
    let asked = server.post("/?database=audit&param_who=ada", "SELECT {who:String}, currentDatabase()").await;
    assert_eq!(asked.text().trim_end(), "ada\taudit");
    for _ in 0..3 {
        let unset = server.post("/?database=audit", "SELECT {who:String}").await;
        assert_eq!(unset.error(), (500, 456), "{}", unset.text());
        assert_eq!(server.ask("SELECT currentDatabase()").await, "default");
        let set =
            server.post("/?database=audit&max_block_size=7", "SELECT getSetting('max_block_size')").await;
        assert_eq!(set.text().trim_end(), "7");
        let plain = server.post("/?database=audit", "SELECT getSetting('max_block_size')").await;
        assert_ne!(plain.text().trim_end(), "7");
    }
}
