//! The end of the server.

use crate::support::{ENDLESS, Server, running};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_running_statement_finishes_and_new_ones_are_not_taken() {
    let mut server = Server::start();
    let client = server.admin();
    // Long enough to be seen, and shorter than the server's patience.
    let sql = "SELECT sum(sleepEachRow(1)) + 7 FROM numbers(8) SETTINGS max_block_size = 1";
    let statement = tokio::spawn(async move { client.query(sql).fetch_one::<u64>().await });
    running(&server).await;
    let other = server.admin();
    let code = tokio::task::block_in_place(|| server.end("-TERM"));
    assert_eq!(code, Some(0), "{}", server.log());
    assert_eq!(statement.await.unwrap().unwrap(), 7);
    assert!(other.query("SELECT 1").execute().await.is_err());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_statement_that_does_not_finish_in_time_is_killed() {
    let mut server = Server::start_with(&["--stop-timeout-s", "1"]);
    let client = server.admin();
    let statement = tokio::spawn(async move { client.query(ENDLESS).execute().await });
    running(&server).await;
    let code = tokio::task::block_in_place(|| server.end("-TERM"));
    assert_eq!(code, Some(0), "{}", server.log());
    let error = statement.await.unwrap().unwrap_err().to_string();
    assert!(error.contains("Code: 394."), "{error}");
}

#[tokio::test]
async fn an_idle_connection_does_not_hold_up_the_end() {
    let mut server = Server::start();
    let client = server.admin();
    client.query("SELECT 1").execute().await.unwrap();
    let began = std::time::Instant::now();
    assert_eq!(server.end("-TERM"), Some(0));
    // Its patience with a statement is 20 s.
    assert!(began.elapsed().as_secs() < 18, "{:?}", began.elapsed());
    drop(client);
}
