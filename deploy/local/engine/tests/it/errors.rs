//! What goes wrong, and how a client can tell.

use crate::support::{ADMIN_PASSWORD, Answer, ENDLESS, READER_PASSWORD, Server, eventually, http, running};

#[tokio::test]
async fn errors_have_clickhouses_code_text_and_status() {
    let server = Server::start();
    for (path, sql, expected) in [
        ("/", "SELEC 1", (400, 62)),
        ("/", "", (400, 62)),
        ("/", "SELECT 1; SELECT 2", (400, 62)),
        ("/", "exit", (400, 62)),
        ("/", "1 + 1", (400, 62)),
        ("/", "SELECT nope", (404, 47)),
        ("/", "SELECT * FROM nope", (404, 60)),
        ("/", "INSERT INTO nope FORMAT CSV\n1", (404, 60)),
        ("/?database=nope", "SELECT 1", (404, 81)),
        ("/", "SELECT 1 FORMAT Nope", (404, 73)),
        ("/?default_format=Nope", "SELECT 1", (404, 73)),
        ("/?nope=1", "SELECT 1", (404, 115)),
        ("/?max_threads=many", "SELECT 1", (400, 27)),
        ("/", "SELECT {a:UInt8}", (500, 456)),
        ("/?param_a=many", "SELECT {a:UInt8}", (500, 457)),
        (
            "/?max_execution_time=1",
            "SELECT count() FROM numbers(1000000000000) WHERE NOT ignore(sipHash64(number))",
            (408, 159),
        ),
        ("/?max_result_rows=10", "SELECT number FROM numbers(1000)", (500, 396)),
        ("/", "SELECT throwIf(1, 'on purpose')", (500, 395)),
        ("/", "SELECT 1 INTO OUTFILE '/tmp/not-allowed'", (500, 358)),
        ("/", "SHOW TABLES INTO OUTFILE '/tmp/not-allowed'", (500, 358)),
    ] {
        let answer = server.post(path, sql).await;
        assert_eq!(answer.error(), expected, "{path} {sql}: {}", answer.text());
        assert!(!answer.text().contains("Stack trace"), "{}", answer.text());
    }
    assert!(!std::path::Path::new("/tmp/not-allowed").exists());
}

#[tokio::test]
async fn what_is_not_supported_is_refused_by_name() {
    let server = Server::start();
    let refused: Vec<&str> = local_engine::refused_parameters().collect();
    for known in ["compress", "decompress", "session_id", "role", "stacktrace", "quota_key"] {
        assert!(refused.contains(&known), "{known}");
    }
    for name in refused {
        let answer = server.post(&format!("/?{name}=1"), "SELECT 1").await;
        assert_eq!(answer.error(), (501, 48), "{name}: {}", answer.text());
        assert!(answer.text().contains(&format!("`{name}`")), "{}", answer.text());
    }
    let request = http().post(&server.url).basic_auth("admin", Some(ADMIN_PASSWORD)).body("SELECT 1");
    let answer = Answer::of(request.header("Content-Encoding", "lz4")).await;
    assert_eq!(answer.error(), (501, 48));
    let request = http().put(&server.url).basic_auth("admin", Some(ADMIN_PASSWORD)).body("SELECT 1");
    assert_eq!(Answer::of(request).await.status, 501);
}

#[tokio::test]
async fn a_wrong_password_and_two_users_at_once_are_refused() {
    let server = Server::start();
    let wrong = Answer::of(http().post(&server.url).basic_auth("admin", Some("no")).body("SELECT 1")).await;
    assert_eq!(wrong.error(), (403, 516));
    assert!(wrong.text().contains("admin: Authentication failed: password is incorrect"), "{}", wrong.text());
    let nobody = Answer::of(http().post(&server.url).body("SELECT 1")).await;
    assert_eq!(nobody.error(), (403, 516));
    let url = format!("{}/?user=reader&password={READER_PASSWORD}", server.url);
    let two = Answer::of(http().post(url).basic_auth("admin", Some(ADMIN_PASSWORD)).body("SELECT 1")).await;
    assert_eq!(two.error(), (403, 516));
}

#[tokio::test]
async fn a_form_field_has_the_real_servers_limit() {
    let server = Server::start();
    let ask = |length: usize| {
        let value = "x".repeat(length);
        let server = &server;
        async move {
            let client = server.admin();
            client.query_raw("SELECT length({text:String})").param("text", value).fetch_one::<u64>().await
        }
    };
    assert_eq!(ask(131_072).await.unwrap(), 131_072);
    let error = ask(131_073).await.unwrap_err().to_string();
    assert!(error.contains("Code: 1000") && error.contains("Field value too long"), "{error}");
}

#[tokio::test]
async fn a_statement_has_the_real_servers_limit() {
    let server = Server::start();
    let sql = |length: usize| format!("SELECT '{}'", "x".repeat(length - 9));
    assert_eq!(server.post("/", sql(262_144)).await.status, 200);
    let answer = server.post("/", sql(400_000)).await;
    assert_eq!(answer.error(), (400, 62));
    assert!(answer.text().contains("Max query size exceeded"), "{}", answer.text());
    assert_eq!(server.post("/?max_query_size=1000000", sql(400_000)).await.status, 200);
}

#[tokio::test]
async fn an_error_in_the_data_names_its_row_and_inserts_nothing() {
    let server = Server::start();
    server.ask("CREATE DATABASE audit").await;
    server.ask("CREATE TABLE audit.t (a UInt32) ENGINE = MergeTree ORDER BY a").await;
    // Bad in its middle, and longer than any buffer: the client must see the error although it still sends.
    let mut data = "1\n".repeat(100_000);
    data += "bad\n";
    data += &"2\n".repeat(5_000_000);
    let answer = server.post("/?query=INSERT+INTO+audit.t+FORMAT+CSV", data).await;
    assert_eq!(answer.error(), (400, 117));
    assert!(answer.text().contains("row 100001"), "{}", answer.text());
    assert_eq!(server.ask("SELECT count() FROM audit.t").await, "0");
}

#[tokio::test]
async fn a_statement_that_takes_too_much_memory_fails_alone() {
    let server = Server::start_with(&["--max-query-memory", "50MiB"]);
    let answer = server.post("/", "SELECT length(groupArray(number)) FROM numbers(20000000)").await;
    assert_eq!(answer.error(), (500, 241));
    assert_eq!(server.ask("SELECT 1").await, "1");
}

#[tokio::test]
async fn one_statement_too_many_is_refused() {
    let server = Server::start_with(&["--max-concurrent-queries", "4"]);
    // They compete with the statement below for the fourth place, and try again until they have it.
    let running = [(); 4].map(|()| {
        let client = server.admin();
        tokio::spawn(async move {
            let sql = "SELECT sleepEachRow(1) FROM numbers(600) SETTINGS max_block_size = 1";
            while client.query(sql).execute().await.is_err() {}
        })
    });
    eventually(|| async {
        let answer = server.post("/", "SELECT 1").await;
        if answer.status == 200 {
            return Err("not refused".to_owned());
        }
        assert_eq!(answer.error(), (500, 202));
        assert!(answer.text().contains("Too many simultaneous queries. Maximum: 4"), "{}", answer.text());
        Ok(())
    })
    .await;
    running.iter().for_each(tokio::task::JoinHandle::abort);
    eventually(|| async {
        let answer = server.post("/", "SELECT 1").await;
        if answer.status == 200 { Ok(()) } else { Err(answer.text()) }
    })
    .await;
}

#[tokio::test]
async fn a_name_is_used_by_one_statement_at_a_time() {
    let server = Server::start();
    let url = format!("{}/?query_id=a", server.url);
    let request = http().post(url).basic_auth("admin", Some(ADMIN_PASSWORD)).body(ENDLESS);
    let first = tokio::spawn(async move { request.send().await.map(|answer| answer.status()) });
    running(&server).await;
    assert_eq!(server.post("/?query_id=a", "SELECT 1").await.error(), (500, 216));
    assert!(!first.is_finished(), "the first one goes on");
    first.abort();
    eventually(|| async {
        let answer = server.post("/?query_id=a", "SELECT 1").await;
        if answer.status == 200 { Ok(()) } else { Err(answer.text()) }
    })
    .await;
}
