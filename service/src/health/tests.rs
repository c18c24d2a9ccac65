use super::*;

#[test]
fn a_new_component_is_not_ready_before_it_says_so() {
    let health = Health::new();
    assert_eq!(health.report().status, "ok");
    let writer = health.component("writer");
    assert_eq!(health.report().status, "waiting");
    writer.ok();
    assert_eq!(health.report().status, "ok");
}

#[test]
fn asking_for_a_component_again_keeps_its_state() {
    let health = Health::new();
    health.component("writer").ok();
    assert_eq!(health.component("writer").state(), State::Ok);
}

#[test]
fn the_worst_state_counts() {
    let health = Health::new();
    let (reader, writer) = (health.component("reader"), health.component("writer"));
    reader.ok();
    writer.waiting("ClickHouse");
    assert_eq!(health.report().status, "waiting");
    reader.failed("out of memory");
    assert_eq!(health.report().status, "failed");
}

#[test]
fn since_is_when_the_waiting_began_not_when_it_was_last_said() {
    let writer = Health::new().component("writer");
    writer.ok();
    let before = clock::now();
    writer.waiting("ClickHouse: connection refused");
    let State::Waiting { since: first, .. } = writer.state() else { panic!("not waiting") };
    assert!(before <= first && first <= clock::now());
    writer.waiting("ClickHouse: timed out");
    let for_what = "ClickHouse: timed out".to_owned();
    assert_eq!(writer.state(), State::Waiting { for_what, since: first });
}

#[test]
fn the_report_says_what_each_part_waits_for_and_since_when() {
    let health = Health::new();
    health.component("reader").ok();
    health.component("merger").failed("out of memory");
    health.component("writer").waiting("ClickHouse");
    let State::Waiting { since, .. } = health.component("writer").state() else { panic!("not waiting") };
    let since = serde_json::to_value(since).expect("it serialises");
    let report = serde_json::to_value(health.report()).expect("it serialises");
    let expected = serde_json::json!({
        "status": "failed",
        "components": {
            "merger": { "state": "failed", "why": "out of memory" },
            "reader": { "state": "ok" },
            "writer": { "state": "waiting", "for_what": "ClickHouse", "since": since },
        },
    });
    assert_eq!(report, expected);
}
