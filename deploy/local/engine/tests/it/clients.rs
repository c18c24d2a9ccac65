//! The official clients, unchanged.

use std::process::Command;

use clickhouse::Row;
use serde::{Deserialize, Serialize};

use crate::support::{ADMIN_PASSWORD, READER_PASSWORD, Server};

#[derive(Debug, Clone, PartialEq, Row, Serialize, Deserialize)]
struct Call {
    id: u64,
    who: String,
    credits: i128,
    tags: Vec<String>,
    note: Option<String>,
}

const TABLE: &str = "CREATE TABLE audit.calls (id UInt64, who String, credits Decimal(38, 12), tags Array(String), \
                     note Nullable(String)) ENGINE = MergeTree ORDER BY id";

fn call(id: u64) -> Call {
    let tags = (0..id % 3).map(|i| format!("tag {i}")).collect();
    let note = id.is_multiple_of(2).then(|| "a\tb\n'c' \\ \u{e9}".to_owned());
    Call { id, who: format!("member {id}"), credits: -i128::from(id) * 1_500_000_000_000, tags, note }
}

#[tokio::test]
async fn the_rust_client_creates_inserts_and_reads() {
    let server = Server::start();
    let client = server.admin();
    client.query("CREATE DATABASE audit").execute().await.unwrap();
    client.query(TABLE).execute().await.unwrap();

    let client = client.with_database("audit");
    let mut insert = client.insert::<Call>("calls").await.unwrap();
    let calls: Vec<Call> = (1..=1000).map(call).collect();
    for call in &calls {
        insert.write(call).await.unwrap();
    }
    insert.end().await.unwrap();

    let read = client.query("SELECT ?fields FROM calls ORDER BY id").fetch_all::<Call>().await.unwrap();
    assert_eq!(read, calls);
    let count = client.query("SELECT count() FROM calls").fetch_one::<u64>().await.unwrap();
    assert_eq!(count, 1000);
    let none = client.query("SELECT ?fields FROM calls WHERE id = 0").fetch_optional::<Call>().await.unwrap();
    assert_eq!(none, None);
}

#[derive(Debug, PartialEq, Row, Deserialize)]
struct Bound {
    text: String,
    number: i64,
    many: Vec<u64>,
    nothing: Option<String>,
}

#[tokio::test]
async fn bound_parameters_arrive_byte_for_byte() {
    let server = Server::start();
    let odd = "tab\t, line\n, return\r, quote ', back\\slash, nul\0, \u{1f600}, --, ;, {x:String}".to_owned();
    let many: Vec<u64> = (0..5000).collect();
    let row = server
        .admin()
        .query_raw(
            "SELECT {text:String} AS text, {number:Int64} AS number, {many:Array(UInt64)} AS many, \
             {nothing:Nullable(String)} AS nothing FROM system.{table:Identifier}",
        )
        .param("text", &odd)
        .param("number", -5_i64)
        .param("many", &many)
        .param("nothing", None::<String>)
        .param("table", "one")
        .fetch_one::<Bound>()
        .await;
    assert_eq!(row.unwrap(), Bound { text: odd, number: -5, many, nothing: None });
}

#[tokio::test]
async fn settings_and_database_of_the_client_hold_for_its_statements_only() {
    let server = Server::start();
    let client = server.admin();
    client.query("CREATE DATABASE audit").execute().await.unwrap();
    let narrow = client.clone().with_database("audit").with_setting("max_block_size", "12345");
    let sql = "SELECT concat(currentDatabase(), ' ', toString(getSetting('max_block_size')))";
    assert_eq!(narrow.query(sql).fetch_one::<String>().await.unwrap(), "audit 12345");
    let usual = client.query(sql).fetch_one::<String>().await.unwrap();
    assert!(usual.starts_with("default ") && usual != "default 12345", "{usual}");
}

#[tokio::test]
async fn native_blocks_go_in_and_come_out() {
    let server = Server::start();
    let client = server.admin();
    client.query("CREATE DATABASE audit").execute().await.unwrap();
    client.query(TABLE).execute().await.unwrap();
    let sql = "SELECT number AS id, toString(number) AS who, toDecimal128(number, 12) / 7 AS credits, ['x'] AS tags, \
               NULL::Nullable(String) AS note FROM numbers(200000)";
    let mut cursor = client.query(sql).fetch_bytes("Native").unwrap();
    let blocks = cursor.collect().await.unwrap();

    let mut insert = client.insert_formatted_with("INSERT INTO audit.calls FORMAT Native");
    // In pieces that respect no boundary.
    for piece in blocks.chunks(10_007) {
        insert.send(bytes::Bytes::copy_from_slice(piece)).await.unwrap();
    }
    insert.end().await.unwrap();
    let same = client
        .query(&format!(
            "SELECT count() FROM audit.calls AS a JOIN ({sql}) AS b USING (id, who, credits, tags)"
        ))
        .fetch_one::<u64>()
        .await
        .unwrap();
    assert_eq!(same, 200_000);
}

#[tokio::test]
async fn the_reader_reads_and_nothing_else() {
    let server = Server::start();
    server.admin().query("CREATE DATABASE audit").execute().await.unwrap();
    server.admin().query(TABLE).execute().await.unwrap();
    let reader = server.reader();
    let count = reader
        .query_raw("SELECT count() FROM audit.calls WHERE id > {id:UInt64}")
        .param("id", 0)
        .fetch_one::<u64>()
        .await;
    assert_eq!(count.unwrap(), 0);
    for sql in [
        "CREATE TABLE audit.other (id UInt64) ENGINE = Memory",
        "DROP TABLE audit.calls",
        "INSERT INTO audit.calls SELECT 1, '', 0, [], NULL",
        "INSERT INTO audit.calls VALUES (1, '', 0, [], NULL)",
        "ALTER TABLE audit.calls DELETE WHERE 1",
        "SELECT * FROM file('/etc/hostname', 'LineAsString')",
        "SELECT 1 SETTINGS max_threads = 1",
        "SET max_threads = 1",
        "KILL QUERY WHERE 1",
        "SYSTEM FLUSH LOGS",
    ] {
        let error = reader.query(sql).execute().await.unwrap_err().to_string();
        assert!(error.contains("Code: 164."), "{sql}: {error}");
    }
    let error =
        reader.with_setting("max_threads", "1").query("SELECT 1").execute().await.unwrap_err().to_string();
    assert!(error.contains("Code: 164. DB::Exception: Cannot modify 'max_threads' setting"), "{error}");
}

#[tokio::test]
async fn a_wrong_password_is_refused() {
    let server = Server::start();
    for (name, password) in [("admin", READER_PASSWORD), ("reader", ""), ("nobody", ADMIN_PASSWORD)] {
        let error = server.user(name, password).query("SELECT 1").execute().await.unwrap_err().to_string();
        assert!(error.contains("Code: 516.") && error.contains(name), "{error}");
    }
}

#[test]
fn the_python_client_connects_inserts_reads_and_sees_errors() {
    let server = Server::start();
    let tests = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    let venv = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("python-client");
    let requirements = tests.join("requirements.txt");
    let stamp = venv.join("requirements.txt");
    if std::fs::read(&stamp).ok() != std::fs::read(&requirements).ok() {
        run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&venv));
        run(Command::new(venv.join("bin/pip")).args(["install", "--quiet", "-r"]).arg(&requirements));
        std::fs::copy(&requirements, &stamp).unwrap();
    }
    run(Command::new(venv.join("bin/python"))
        .arg(tests.join("python_client.py"))
        .arg(&server.url)
        .args([ADMIN_PASSWORD, READER_PASSWORD]));
}

fn run(command: &mut Command) {
    let output = command.output().unwrap_or_else(|e| {
        panic!("{command:?}: {e}: install Python with `sudo apt-get install python3 python3-venv`")
    });
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{command:?}\n{out}{err}");
}
