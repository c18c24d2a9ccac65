//! A broker that asks for a password, and a client with a wrong one: who waits says what to do, and nothing is lost.

use crate::scripts::{Scripts, failed, passed};
use chrono::SecondsFormat;
use serde_json::json;
use std::process::Command;
use std::time::Duration;
use system_tests::{Process, Room, Stack, eventually_for, http_get};

const ADVICE: &str =
    "set kafka.sasl_password and the sasl options in kafka.properties to those of a known user";

#[tokio::test]
async fn a_wrong_password_at_kafka_is_told_with_what_to_do_and_costs_time_only() {
    let stack = Stack::shared();
    let room = Room::new(&stack, "sasl").await;
    let scripts = Scripts::in_place();
    passed(scripts.command("deploy/local/stack").args([
        "start",
        "--only",
        "kafka",
        "--sasl",
        "--free-ports",
    ]));
    let file = scripts.stack_file("sasl.env");
    let signed: Vec<(&str, &str)> = file.lines().filter_map(|line| line.split_once('=')).collect();
    let wrong: Vec<(&str, &str)> = signed
        .iter()
        .map(|(name, value)| (*name, if is_password(name) { "wrong" } else { *value }))
        .collect();
    // Sooner than the default of half a minute.
    let patience = [("KAFKA_TIMEOUT", "3s")];

    let mut ingest = room.start("ingest", &signed).await;
    passed(&mut emit(&room, &signed, PATIENT, 0..5));
    room.ledger_holds(5).await;
    assert!(ingest.stop().success());

    // What waits in Kafka meanwhile.
    passed(&mut emit(&room, &signed, PATIENT, 5..8));
    let refused = failed(&mut emit(&room, &wrong, IMPATIENT, 8..10));
    assert!(refused.contains("refuses who asks") && refused.contains("set KAFKA_SASL_PASSWORD"), "{refused}");
    let mistaken = room.spawn("ingest", &[], &[&wrong[..], &patience].concat());
    eventually_for(Duration::from_secs(180), "ingest to say in its log what to do", async || {
        let log = mistaken.log();
        let is_told = |line: &String| line.contains("ERROR") && line.contains(ADVICE);
        if log.iter().any(is_told) { Ok(()) } else { Err(log.join("\n")) }
    })
    .await;
    let address = mistaken.ops_address().await;
    let ready = http_get(format!("http://{address}/readyz")).await.unwrap();
    assert_eq!(ready.status(), 503);
    let told = ready.text().await.unwrap();
    assert!(told.contains(ADVICE) && told.contains("Authentication failed"), "{told}");
    assert!(!mistaken.log().join("\n").contains("sasl.password"), "no password in the log");
    room.ledger_holds(5).await;
    drop(mistaken);

    let _ingest = room.start("ingest", &signed).await;
    passed(&mut emit(&room, &signed, PATIENT, 8..10));
    room.ledger_holds(10).await;
}

/// Where it is to work, the broker may have been started a moment ago.
const PATIENT: &str = "1m";
/// Where it is to fail.
const IMPATIENT: &str = "10s";

fn is_password(name: &str) -> bool {
    name == "KAFKA_SASL_PASSWORD"
}

/// The command `emit` with the password in the environment, for calls of these numbers.
fn emit(room: &Room, environment: &[(&str, &str)], timeout: &str, numbers: std::ops::Range<u32>) -> Command {
    let now = service::clock::now().to_rfc3339_opts(SecondsFormat::Millis, true);
    let lines: Vec<String> = numbers
        .map(|number| {
            json!({
                "occurred_at": now, "org_id": "acme", "member_id": format!("m-{number}"), "reason": "chat",
                "provider": "openai", "model": "gpt", "input_tokens": 1, "output_tokens": 1, "credits": "1",
            })
            .to_string()
        })
        .collect();
    let mut command = Command::new("bash");
    command.args(["-euc", r#"printf '%s\n' "$CALLS" | "$@" -"#, "-"]).arg(Process::path("emit"));
    command.args(["calls", "--timeout", timeout, "--topic", &room.topic("calls")]);
    for (name, value) in environment {
        if *name == "KAFKA_PROPERTIES" {
            command.args(value.split(',').flat_map(|option| ["-X", option]));
        } else {
            command.env(name, value);
        }
    }
    command.env("CALLS", lines.join("\n"));
    command
}
