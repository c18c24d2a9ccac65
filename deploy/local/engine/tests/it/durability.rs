//! Acknowledged rows survive the death of the process.

use crate::support::Server;

#[tokio::test]
async fn what_was_acknowledged_is_there_after_kill_9() {
    let folder = tempfile::TempDir::new().unwrap();
    let mut acknowledged = 0_u64;
    for round in 0..3 {
        let mut server = Server::start_in(folder.path());
        if round == 0 {
            server.ask("CREATE DATABASE audit").await;
            server.ask("CREATE TABLE audit.t (a UInt64, s String) ENGINE = MergeTree ORDER BY a").await;
        }
        assert_eq!(
            server.ask("SELECT count(), uniqExact(a), sum(length(s)) FROM audit.t").await,
            expected(acknowledged)
        );
        let client = server.admin();
        let next = acknowledged;
        let inserts = tokio::spawn(async move {
            let mut written = next;
            loop {
                let mut insert = client.insert_formatted_with("INSERT INTO audit.t FORMAT CSV");
                let rows: String = (written..written + 1000).map(|a| format!("{a},xxxxxxxxxx\n")).collect();
                if insert.send(rows.into()).await.is_err() || insert.end().await.is_err() {
                    return written;
                }
                written += 1000;
            }
        });
        crate::support::eventually(|| async {
            let rows: u64 = server.ask("SELECT count() FROM audit.t").await.parse().unwrap();
            if rows >= next + 50_000 { Ok(()) } else { Err(format!("{rows} rows")) }
        })
        .await;
        assert_eq!(server.end("-KILL"), None);
        acknowledged = inserts.await.unwrap();
        // The batch under way may be there or not; make it so in either case.
        let mut server = Server::start_in(folder.path());
        let rows: u64 = server.ask("SELECT count() FROM audit.t").await.parse().unwrap();
        assert!(
            rows == acknowledged || rows == acknowledged + 1000,
            "{rows} rows, {acknowledged} acknowledged"
        );
        acknowledged = rows;
        assert_eq!(server.end("-TERM"), Some(0));
    }
}

/// What the warehouse's tables ask for, so that a loss of power takes nothing that was acknowledged.
#[tokio::test]
async fn an_insert_is_synced_before_it_is_acknowledged_where_the_table_asks_for_it() {
    let server = Server::start();
    server.ask("CREATE DATABASE audit").await;
    let synced = "SETTINGS fsync_after_insert = 1, fsync_part_directory = 1";
    for (table, settings) in [("plain", ""), ("synced", synced)] {
        server
            .ask(&format!("CREATE TABLE audit.{table} (a UInt64) ENGINE = MergeTree ORDER BY a {settings}"))
            .await;
    }
    let syncs = async || {
        let sql = "SELECT sumIf(value, event = 'FileSync'), sumIf(value, event = 'DirectorySync') FROM system.events";
        let counts = server.ask(sql).await;
        let (files, folders) = counts.split_once('\t').unwrap();
        (files.parse::<u64>().unwrap(), folders.parse::<u64>().unwrap())
    };
    let before = syncs().await;
    for _ in 0..10 {
        server.ask("INSERT INTO audit.plain SELECT number FROM numbers(100)").await;
    }
    assert_eq!(syncs().await, before, "nothing is synced that was not asked for");
    for _ in 0..10 {
        server.ask("INSERT INTO audit.synced SELECT number FROM numbers(100)").await;
    }
    let after = syncs().await;
    assert!(after.0 >= before.0 + 10 && after.1 >= before.1 + 10, "{before:?}, then {after:?}");
}

fn expected(rows: u64) -> String {
    format!("{rows}\t{rows}\t{}", rows * 10)
}

#[test]
fn a_second_server_on_the_same_folder_says_so() {
    let server = Server::start();
    let folder = server.folder().to_owned();
    let second = std::panic::catch_unwind(|| Server::start_in(&folder));
    let Err(message) = second else { panic!("two servers on one folder") };
    let message = message.downcast_ref::<String>().expect("a message");
    assert!(message.contains("another process may use this folder"), "{message}");
}
