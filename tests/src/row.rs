//! One call as the log, the file and the truth say it, each in the same words.

use crate::Winner;
use chrono::DateTime;
use proto::wire::ai_call::Charge;
use proto::{Amount, EventId};
use serde_json::Value;

const COLUMNS: &str = "time (UTC),name,email,reason,provider,model,input tokens,output tokens,credits,byok,\
                       provider cost,currency,event id,member id";

/// What the directory calls a member.
pub fn name_of(member: &str) -> String {
    format!("Member {member}")
}

/// The first message of a call.
///
/// # Panics
/// If it is none.
pub fn of_winner(winner: &Winner) -> String {
    let call = &winner.call;
    let amount = |text: &str| Amount::parse(text).expect("an amount").to_string();
    let (credits, byok, cost, currency) = match call.charge.as_ref().expect("a charge") {
        Charge::Credits(credits) => (amount(credits), "no", String::new(), ""),
        Charge::ProviderCost(cost) => (String::new(), "yes", amount(&cost.amount), cost.currency.as_str()),
    };
    let at = DateTime::from_timestamp_millis(winner.at_ms).expect("an instant");
    let (org, member) = (&call.org_id, &call.member_id);
    let id = EventId::from_bytes(&winner.event_id).expect("an event id");
    format!(
        "{},{},{member}@{org}.example,{},{},{},{},{},{credits},{byok},{cost},{currency},{id},{member}",
        at.format("%Y-%m-%d %H:%M:%S%.3f"),
        name_of(member),
        label(&call.reason),
        call.provider,
        call.model,
        call.input_tokens,
        call.output_tokens,
    )
}

/// A row of the log.
///
/// # Panics
/// If it names a member or a reason otherwise than the directory and the labels do.
pub fn of_log(row: &Value) -> String {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let member = &row["member"];
    assert_eq!(member["name"], name_of(&text(&member["member_id"])), "{row}");
    assert_eq!(row["reason_label"], label(&text(&row["reason"])), "{row}");
    format!(
        "{},{},{},{},{},{},{},{},{},{},{},{},{},{}",
        text(&row["occurred_at"]).replace('T', " ").trim_end_matches('Z'),
        text(&member["name"]),
        text(&member["email"]),
        text(&row["reason_label"]),
        text(&row["provider"]),
        text(&row["model"]),
        row["input_tokens"],
        row["output_tokens"],
        text(&row["credits"]),
        if row["byok"] == true { "yes" } else { "no" },
        text(&row["provider_cost"]),
        text(&row["currency"]),
        text(&row["event_id"]),
        text(&member["member_id"]),
    )
}

/// When a call happened.
pub fn time(row: &str) -> &str {
    row.split(',').next().unwrap_or_default()
}

/// The lines of a file without the names of its columns. No value of these tests needs quotes.
///
/// # Panics
/// If it does not end with a whole line, or has other columns.
pub fn of_csv(file: &str) -> Vec<String> {
    let mut lines = file.strip_suffix("\r\n").expect("a file ends with a line").split("\r\n");
    assert_eq!(lines.next(), Some(COLUMNS));
    lines.map(str::to_owned).collect()
}

fn label(reason: &str) -> &str {
    match reason {
        "chat" => "Chat",
        "generate_field" => "Generate field",
        "summarize_cv" => "Summarize CV",
        "classify_questions" => "Classify questions",
        unknown => unknown,
    }
}
