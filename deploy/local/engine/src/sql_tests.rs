use super::*;

fn select(sql: &str) -> (String, Option<String>, String) {
    match parse(sql.as_bytes()).unwrap() {
        Statement::Select { text, format, tail } => (
            String::from_utf8_lossy(text).into_owned(),
            format.map(str::to_owned),
            String::from_utf8_lossy(tail).into_owned(),
        ),
        other => panic!("{sql} is {other:?}"),
    }
}

fn insert(sql: &str) -> (&str, &str, &str) {
    match parse(sql.as_bytes()).unwrap() {
        Statement::Insert { text, format, data } => {
            (std::str::from_utf8(text).unwrap(), format, &sql[data..])
        }
        other => panic!("{sql} is {other:?}"),
    }
}

fn verb(sql: &str) -> String {
    match parse(sql.as_bytes()).unwrap() {
        Statement::Command { verb, .. } => verb.to_owned(),
        other => panic!("{sql} is {other:?}"),
    }
}

fn code(sql: &str) -> u16 {
    parse(sql.as_bytes()).unwrap_err().code
}

#[test]
fn the_format_clause_of_a_select_is_found_wherever_it_stands() {
    for (sql, text, format, tail) in [
        ("SELECT 1", "SELECT 1", None, ""),
        ("select 1 format JSON", "select 1 ", Some("JSON"), ""),
        ("SELECT 1 FORMAT JSON ; -- the end", "SELECT 1 ", Some("JSON"), ""),
        ("SELECT 1 FORMAT JSON SETTINGS max_threads=1", "SELECT 1 ", Some("JSON"), " SETTINGS max_threads=1"),
        ("SELECT 1 SETTINGS max_threads=1 FORMAT CSV", "SELECT 1 SETTINGS max_threads=1 ", Some("CSV"), ""),
        ("SELECT format, 'FORMAT CSV' FROM t", "SELECT format, 'FORMAT CSV' FROM t", None, ""),
        ("SELECT * FROM format(CSV, '1')", "SELECT * FROM format(CSV, '1')", None, ""),
        ("SELECT format FROM t", "SELECT format FROM t", None, ""),
        ("(SELECT 1) UNION ALL (SELECT 2) FORMAT TSV", "(SELECT 1) UNION ALL (SELECT 2) ", Some("TSV"), ""),
        ("/* a; b */ WITH 1 AS x SELECT x", "/* a; b */ WITH 1 AS x SELECT x", None, ""),
        (
            "SELECT 'it''s; \\'fine', \"a;b\", `c;d`, $h$;$h$",
            "SELECT 'it''s; \\'fine', \"a;b\", `c;d`, $h$;$h$",
            None,
            "",
        ),
    ] {
        assert_eq!(select(sql), (text.to_owned(), format.map(str::to_owned), tail.to_owned()), "{sql}");
    }
}

#[test]
fn the_data_of_an_insert_begins_where_clickhouse_says() {
    for (sql, text, format, data) in [
        ("INSERT INTO t FORMAT CSV\n1,2\n", "INSERT INTO t ", "CSV", "1,2\n"),
        ("INSERT INTO t FORMAT CSV \t\r\n\n1", "INSERT INTO t ", "CSV", "\n1"),
        ("INSERT INTO t(`a`, `b`) FORMAT RowBinary", "INSERT INTO t(`a`, `b`) ", "RowBinary", ""),
        ("insert into db.values values (1), (2)", "insert into db.values ", "Values", " (1), (2)"),
        (
            "INSERT INTO format (values) SETTINGS x='FORMAT' VALUES (1)",
            "INSERT INTO format (values) SETTINGS x='FORMAT' ",
            "Values",
            " (1)",
        ),
        (
            "INSERT INTO TABLE FUNCTION null('a Int8') FORMAT TSV 1",
            "INSERT INTO TABLE FUNCTION null('a Int8') ",
            "TSV",
            "1",
        ),
        (
            "INSERT INTO t (a) FORMAT JSONEachRow {\"a\": \";\"}",
            "INSERT INTO t (a) ",
            "JSONEachRow",
            "{\"a\": \";\"}",
        ),
    ] {
        assert_eq!(insert(sql), (text, format, data), "{sql}");
    }
}

#[test]
fn everything_else_is_a_command() {
    assert_eq!(verb("INSERT INTO t SELECT 1"), "INSERT");
    assert_eq!(verb("INSERT INTO t (a) WITH 1 AS x SELECT x"), "INSERT");
    assert_eq!(verb("create table t (a Int8) engine = Memory;"), "create");
    assert_eq!(verb("SHOW TABLES FORMAT JSON"), "SHOW");
    assert_eq!(verb("COMMIT"), "COMMIT");
}

#[test]
fn what_must_not_reach_the_engine_is_refused_by_its_code() {
    for (sql, expected) in [
        ("", 62),
        (" ;; -- nothing", 62),
        ("SELECT 1; SELECT 2", 62),
        ("exit", 62),
        ("quit;", 62),
        ("\\q", 62),
        ("\\i /etc/passwd", 62),
        ("SELECT 1 INTO OUTFILE '/tmp/x'", 358),
        ("SHOW TABLES into /* x */ outfile '/tmp/x'", 358),
        ("INSERT INTO t SELECT a FROM input('a Int8') FORMAT CSV 1", 48),
        ("SYSTEM SHUTDOWN", 48),
        ("INSERT INTO t FROM INFILE '/etc/passwd' FORMAT CSV", 48),
    ] {
        assert_eq!(code(sql), expected, "{sql}");
    }
}
