//! Every endpoint against the model, for random scenarios: ledgers, filters and snapshots. One that fails is made small.

use crate::api::Api;
use crate::model::{self, Sums, Wanted};
use crate::world::World;
use chrono::Days;
use chrono_tz::Tz;
use proto::{Amount, Call, EventId, Position};
use query_api::as_of::AsOf;
use rand::RngExt;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use serde_json::{Value, json};
use system_tests::{Shrinking, call, seeded};

const HOUR_MS: i64 = 3_600_000;
const ORGS: [(&str, Tz); 3] =
    [("acme", Tz::Europe__Berlin), ("globex", Tz::Asia__Kathmandu), ("initech", Tz::America__Havana)];
const MEMBERS: [&str; 6] = ["ada", "bob", "cyd", "dörte", "e/ve", "f%20"];
const REASONS: [&str; 4] = ["chat", "generate_field", "summarize_cv", "hum/ming"];
const PROVIDERS: [&str; 3] = ["openai", "open/router", "50%"];
const MODELS: [&str; 3] = ["m1", "m2/x", "m3"];

/// Around a change of the clocks in Berlin and Havana.
const BEGINNING_MS: i64 = 1_774_500_000_000;
/// Smaller scenarios played to find what is needed to fail.
const TRIES: usize = 100;

/// One thing that happens. Each stands by itself: what is left of a scenario without it is a scenario, too.
#[derive(Debug, Clone)]
enum Act {
    /// A message arrives; it is inserted together with those that arrive next to it.
    Arrive(Call),
    /// So many of the last messages are inserted again, at the same positions.
    Redeliver(usize),
    /// The rollup worker works until nothing is left to do.
    RollUp,
    /// Time goes by.
    Wait { ms: i64 },
    /// Somebody keeps the newest snapshot of each organisation.
    Keep,
    /// Somebody asks for everything at one of the kept snapshots (counted from the newest, round and round).
    Ask { org: usize, snapshot: usize, filter: Filter },
}

/// What is asked for, seen from the day of the snapshot.
#[derive(Debug, Clone)]
struct Filter {
    since_days_ago: u64,
    days: u64,
    members: Vec<String>,
    reasons: Vec<String>,
    models: Vec<(String, String)>,
    byok: Option<bool>,
}

/// A random call up to an instant: few members, models and instants, so that cells and identities meet.
fn random_call(random: &mut StdRng, until_ms: i64, span_ms: i64, earlier: &mut Vec<Call>) -> Call {
    let builder = match (random.random_range(0..10), earlier.choose(random)) {
        (0, Some(earlier)) => return earlier.clone(),
        // The same identity with other content: a conflict.
        (1, Some(earlier)) => call().org(earlier.org_id.as_str()).id(earlier.event_id),
        (2, Some(earlier)) => {
            let id = EventId::from_parts(earlier.occurred_at_ms(), random.random());
            call().org(earlier.org_id.as_str()).id(id)
        }
        _ => {
            let at_ms = until_ms - random.random_range(0..span_ms);
            call().org(ORGS.choose(random).unwrap().0).id(EventId::from_parts(at_ms, random.random()))
        }
    };
    let mut builder = builder
        .member(MEMBERS.choose(random).unwrap())
        .reason(REASONS.choose(random).unwrap())
        .model(PROVIDERS.choose(random).unwrap(), MODELS.choose(random).unwrap())
        .tokens(random.random_range(0..5000), random.random_range(0..900))
        .credits(["0", "1", "0.000000000001", "12.5"].choose(random).unwrap());
    if random.random_bool(0.3) {
        let cost = ["0.0004", "3.000000000007"].choose(random).unwrap();
        builder = builder.byok(cost, ["EUR", "USD"].choose(random).unwrap());
    }
    let call = builder.build();
    earlier.push(call.clone());
    call
}

fn random_filter(random: &mut StdRng) -> Filter {
    let (since_days_ago, days) = (random.random_range(0..80), random.random_range(0..85));
    let mut some = |values: &[&str]| -> Vec<String> {
        let count = [0, 0, 1, 2][random.random_range(0..4)];
        let mut chosen: Vec<String> =
            (0..count).map(|_| (*values.choose(random).unwrap()).to_owned()).collect();
        chosen.sort();
        chosen.dedup();
        chosen
    };
    let members = some(&MEMBERS);
    let reasons = some(&["chat", "generate_field", "hum/ming", "no such reason"]);
    let models = some(&PROVIDERS).into_iter().map(|provider| (provider, "m2/x".to_owned())).collect();
    let byok = [None, None, Some(true), Some(false)][random.random_range(0..4)];
    Filter { since_days_ago, days, members, reasons, models, byok }
}

fn random_scenario(random: &mut StdRng) -> Vec<Act> {
    let (mut acts, mut earlier, mut now_ms) = (Vec::new(), Vec::new(), BEGINNING_MS);
    for round in 0..6 {
        let span_ms = [75 * 24, 30, 3][round % 3] * HOUR_MS;
        acts.extend((0..300).map(|_| Act::Arrive(random_call(random, now_ms, span_ms, &mut earlier))));
        if round % 2 == 0 {
            acts.push(Act::Redeliver(50));
        }
        if random.random_bool(0.7) {
            acts.push(Act::RollUp);
        }
        acts.push(Act::Keep);
        for _ in 0..5 {
            let (org, snapshot) = (random.random_range(0..ORGS.len()), random.random_range(0..=round));
            acts.push(Act::Ask { org, snapshot, filter: random_filter(random) });
        }
        // Somebody looks at the same calls again and again while they come.
        let (org, filter) =
            (random.random_range(0..ORGS.len()), Filter { since_days_ago: 40, ..random_filter(random) });
        for _ in 0..4 {
            acts.extend(
                (0..10).map(|_| Act::Arrive(random_call(random, now_ms, HOUR_MS / 10, &mut earlier))),
            );
            acts.push(Act::Keep);
            acts.push(Act::Ask { org, snapshot: 0, filter: filter.clone() });
        }
        let ms = random.random_range(0..40) * HOUR_MS + 12_345;
        acts.push(Act::Wait { ms });
        now_ms += ms;
    }
    acts
}

/// Plays a scenario on the real engine.
///
/// # Panics
/// If an answer is not what the model says.
async fn play(acts: Vec<Act>) {
    let mut world = World::new("query_answers").await;
    for (org_id, zone) in ORGS {
        world.organisation(org_id, zone.name()).await;
    }
    world.member("acme", "ada", "Ada Lovelace", false).await;
    world.member("acme", "bob", "Bob", true).await;
    let api = Api::of(&world, &["acme", "globex", "initech"]).await;
    let mut worker = world.worker();
    let mut now_ms = BEGINNING_MS;
    let mut arrived: Vec<Call> = Vec::new();
    let mut kept: Vec<(i64, [Position; 3])> = Vec::new();
    for act in acts {
        if !matches!(act, Act::Arrive(_)) && !arrived.is_empty() {
            world.append(&std::mem::take(&mut arrived), now_ms).await;
        }
        match act {
            Act::Arrive(call) => arrived.push(call),
            Act::Redeliver(count) => {
                let from = world.messages.len().saturating_sub(count);
                world.write(&world.messages[from..], now_ms).await;
            }
            Act::RollUp => world.settle(&mut worker).await,
            Act::Wait { ms } => now_ms += ms,
            Act::Keep => kept.push((now_ms, ORGS.map(|(org_id, _)| world.position_of(org_id)))),
            Act::Ask { org, snapshot, filter } if !kept.is_empty() => {
                let (then_ms, positions) = kept[kept.len() - 1 - snapshot % kept.len()];
                let wanted = filter.at(ORGS[org], positions[org], then_ms);
                assert_all_answers(&api, &world, &wanted, then_ms).await;
            }
            Act::Ask { .. } => {}
        }
    }
    api.stop().await;
}

/// How a scenario fails, if it does.
async fn failure_of(acts: &[Act]) -> Option<String> {
    let failure = tokio::spawn(play(acts.to_vec())).await.err()?;
    let panic = failure.into_panic();
    let text = panic.downcast_ref::<String>().map(String::as_str).or(panic.downcast_ref::<&str>().copied());
    Some(text.unwrap_or("a panic without a text").to_owned())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_answer_is_what_the_model_says_at_any_snapshot_with_any_filter() {
    let acts = random_scenario(&mut seeded("answers"));
    let Some(mut failure) = failure_of(&acts).await else { return };
    let mut shrinking = Shrinking::of(&acts, TRIES);
    while let Some(smaller) = shrinking.smaller() {
        let smaller_failure = failure_of(&smaller).await;
        shrinking.judge(smaller_failure.is_some());
        failure = smaller_failure.unwrap_or(failure);
    }
    let needed = shrinking.needed();
    panic!("{} of {} acts are enough to go wrong:\n{needed:#?}\n=> {failure}", needed.len(), acts.len());
}

impl Filter {
    /// The same with its days, for an organisation at a snapshot.
    fn at(self, (org_id, zone): (&str, Tz), at: Position, now_ms: i64) -> Wanted {
        let since = model::local_date(zone, now_ms) - Days::new(self.since_days_ago);
        let until = since + Days::new(self.days);
        Wanted {
            members: self.members,
            reasons: self.reasons,
            models: self.models,
            byok: self.byok,
            ..Wanted::everything(org_id, at, zone, since, until)
        }
    }
}

async fn assert_all_answers(api: &Api, world: &World, wanted: &Wanted, now_ms: i64) {
    let as_of = AsOf::new(&wanted.org_id, wanted.at, now_ms, wanted.zone).to_string();
    let path = format!("/v1/orgs/{}", wanted.org_id);
    let query = format!("{}&as_of={as_of}", wanted.query());

    let breakdowns = api.json(&format!("{path}/breakdowns?{query}")).await;
    assert_eq!(breakdowns["as_of"], as_of);
    assert_eq!(numbers_of_breakdowns(&breakdowns), wanted.breakdowns(world), "{query}");

    let options = api.json(&format!("{path}/filters?{query}")).await;
    assert_eq!(numbers_of_options(&options), wanted.options(world), "{query}");

    for by in ["day", "month"] {
        let usage = api.json(&format!("{path}/usage?{query}&by={by}")).await;
        assert_series(&usage, &wanted.series(world, by == "month"), &query);
        let days = u64::try_from((wanted.until - wanted.since).num_days() + 1).unwrap();
        let before = Wanted {
            since: wanted.since - Days::new(days),
            until: wanted.since - Days::new(1),
            ..wanted.clone()
        };
        assert_series(&usage["previous"], &before.series(world, by == "month"), &query);
    }

    assert_log_and_file(api, world, wanted, &path, &query).await;
    assert_cards(api, world, wanted, &path, &as_of, now_ms).await;
}

async fn assert_log_and_file(api: &Api, world: &World, wanted: &Wanted, path: &str, query: &str) {
    let (ids, instants) = wanted.instants(world);
    let (mut rows, mut after, limit) = (Vec::new(), String::new(), 1 + ids.len() / 3);
    loop {
        let page = api.json(&format!("{path}/calls?{query}&limit={}{after}", limit.min(200))).await;
        rows.extend(page["calls"].as_array().unwrap().clone());
        match page["next"].as_str() {
            Some(next) => after = format!("&after={next}"),
            None => break,
        }
        assert!(rows.len() <= ids.len(), "{query}");
    }
    let found: Vec<String> = rows.iter().map(|row| row["event_id"].as_str().unwrap().to_owned()).collect();
    assert_eq!(found.len(), ids.len(), "{query}");
    assert_eq!(found.iter().cloned().collect::<std::collections::BTreeSet<_>>(), ids, "{query}");
    let times: Vec<i64> = rows.iter().map(|row| ms(&row["occurred_at"])).collect();
    assert_eq!(times, instants, "{query}");
    let calls = wanted.calls(world);
    for row in &rows {
        let message =
            calls.iter().find(|message| row["event_id"] == message.call.event_id.to_string()).unwrap();
        assert_eq!(row["member"]["member_id"], message.call.member_id.as_str());
        assert_eq!(row["model"], message.call.model.as_str());
        assert_eq!(row["input_tokens"], message.call.input_tokens);
        assert_eq!(row["byok"], model::is_byok(message));
    }

    let file = api.get(&format!("{path}/export.csv?{query}")).await;
    assert_eq!(
        file.headers()["content-disposition"],
        format!(
            "attachment; filename=\"intervy-usage_{}-short_{}_{}.csv\"",
            wanted.org_id, wanted.since, wanted.until
        )
    );
    let text = file.text().await.unwrap();
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    let lines: Vec<csv::StringRecord> = reader.records().map(|record| record.unwrap()).collect();
    let in_file: Vec<&str> = lines.iter().map(|line| line.get(12).unwrap()).collect();
    assert_eq!(in_file, found, "log and file in the same order: {query}");
    let sum = |column: usize| -> i128 {
        let amounts = lines.iter().filter_map(|line| line.get(column)).filter(|cell| !cell.is_empty());
        amounts.map(|cell| Amount::parse(cell).unwrap().units()).sum()
    };
    let total = model::total(&calls);
    assert_eq!(sum(8), total.credits, "{query}");
    assert_eq!(sum(10), total.byok.values().map(|(_, cost)| cost).sum::<i128>(), "{query}");
}

async fn assert_cards(api: &Api, world: &World, wanted: &Wanted, path: &str, as_of: &str, now_ms: i64) {
    let summary = api.json(&format!("{path}/summary?as_of={as_of}")).await;
    let today = model::local_date(wanted.zone, now_ms);
    let month_of = |date: chrono::NaiveDate| date.to_string()[..7].to_owned();
    let this_month = month_of(today);
    let first: chrono::NaiveDate = format!("{this_month}-01").parse().unwrap();
    let last_month = month_of(first - Days::new(1));
    let all = Wanted::everything(
        &wanted.org_id,
        wanted.at,
        wanted.zone,
        first - Days::new(40),
        first + Days::new(40),
    );
    let sums = all.series(world, true);
    let credits =
        |month: &String| Amount::from_units(sums.get(month).map_or(0, |sums| sums.credits)).to_string();
    assert_eq!(summary["this_month"]["credits"], credits(&this_month));
    assert_eq!(summary["last_month"]["credits"], credits(&last_month));
    let calls = all.calls(world);
    let of_this_month = |message: &&&system_tests::LedgerMessage| {
        month_of(model::local_date(wanted.zone, message.call.occurred_at_ms())) == this_month
    };
    let active: std::collections::BTreeSet<&str> =
        calls.iter().filter(of_this_month).map(|message| message.call.member_id.as_str()).collect();
    assert_eq!(summary["this_month"]["active_members"], active.len());
    let same = &summary["same_days_of_last_month"];
    let span = ms(&same["from"])..ms(&same["to"]);
    let mut expected = Sums::default();
    for message in calls.iter().filter(|message| span.contains(&message.call.occurred_at_ms())) {
        expected.add(message);
    }
    assert_eq!(same["credits"], Amount::from_units(expected.credits).to_string());
}

fn numbers_of_breakdowns(answer: &Value) -> Value {
    let sums = |row: &Value| json!({ "calls": row["calls"], "credits": row["credits"], "byok": row["byok"] });
    let by = |dimension: &str, name: fn(&Value) -> String| -> Value {
        let rows = answer[dimension].as_array().unwrap();
        rows.iter().map(|row| (name(row), sums(row))).collect::<serde_json::Map<_, _>>().into()
    };
    json!({
        "totals": sums(&answer["totals"]),
        "by_reason": by("by_reason", |row| row["reason"].as_str().unwrap().to_owned()),
        "by_model": by("by_model", |row| {
            format!("{} {}", row["provider"].as_str().unwrap(), row["model"].as_str().unwrap())
        }),
        "by_member": by("by_member", |row| row["member_id"].as_str().unwrap().to_owned()),
    })
}

fn numbers_of_options(answer: &Value) -> Value {
    let counts = |dimension: &str, name: fn(&Value) -> String| -> Value {
        let rows = answer[dimension]["options"].as_array().unwrap();
        rows.iter().map(|row| (name(row), row["calls"].clone())).collect::<serde_json::Map<_, _>>().into()
    };
    json!({
        "members": counts("members", |row| row["member_id"].as_str().unwrap().to_owned()),
        "reasons": counts("reasons", |row| row["reason"].as_str().unwrap().to_owned()),
        "models": counts("models", |row| {
            format!("{} {}", row["provider"].as_str().unwrap(), row["model"].as_str().unwrap())
        }),
        "byok": answer["byok"],
    })
}

fn assert_series(answer: &Value, expected: &std::collections::BTreeMap<String, Sums>, query: &str) {
    let mut total = Sums::default();
    let mut seen = 0;
    for point in answer["points"].as_array().unwrap() {
        let since = point["since"].as_str().unwrap();
        let sums = expected.get(since).or_else(|| expected.get(&since[..7])).cloned().unwrap_or_default();
        seen += sums.calls;
        let found = json!({ "calls": point["calls"], "credits": point["credits"], "byok": point["byok"] });
        assert_eq!(found, sums.json(), "{since} of {query}");
        assert_eq!(point["input_tokens"], sums.input_tokens);
        assert_eq!(point["output_tokens"], sums.output_tokens);
        total.credits += sums.credits;
    }
    assert_eq!(seen, expected.values().map(|sums| sums.calls).sum::<u64>(), "{query}");
    assert_eq!(answer["totals"]["credits"], Amount::from_units(total.credits).to_string());
}

fn ms(instant: &Value) -> i64 {
    instant.as_str().unwrap().parse::<chrono::DateTime<chrono::Utc>>().unwrap().timestamp_millis()
}
