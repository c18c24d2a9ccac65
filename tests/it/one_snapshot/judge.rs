//! Whether everything that was said is what the topic holds up to the snapshot's position. What equals the same truth
//! ties out with each other.

use super::answers::Answers;
use super::question::{BYOK, MEMBER, MODEL, Question, REASON};
use super::snapshots::Fresh;
use chrono::{DateTime, Datelike, NaiveDate, Utc};
use proto::wire::AiCall;
use proto::{Amount, Position};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use system_tests::{
    AppendTimes, FirstWrites, PARTITIONS, Room, Sums, Topic, Winner, date_of, position_of, row, said_by_name,
    said_sums,
};

/// Reads the topic and judges.
pub struct Judge {
    topic: Topic,
    pub truth: FirstWrites,
    appended: AppendTimes,
    messages: usize,
}

/// The number of the only source of calls.
const SOURCE: u16 = 1;

impl Judge {
    /// Somebody who knows nothing yet.
    pub fn new(room: &Room) -> Self {
        Self {
            topic: Topic::new(room.brokers(), room.topic("calls"), PARTITIONS),
            truth: FirstWrites::default(),
            appended: AppendTimes::default(),
            messages: 0,
        }
    }

    /// Takes note of all that was published meanwhile.
    pub fn read_on(&mut self) {
        let (truth, appended, messages) = (&mut self.truth, &mut self.appended, &mut self.messages);
        let read = self.topic.read_on(|letter| {
            appended.note(&letter);
            *messages += 1;
            let payload = letter.payload.expect("a call has a payload");
            let call = <AiCall as prost::Message>::decode(payload.as_slice()).expect("a call is one");
            let position = Position::of_message(SOURCE, letter.offset).expect("a position");
            truth.note(call, position.as_u64());
        });
        read.expect("the calls can be read");
        self.truth.settle();
    }

    /// Messages that were read so far.
    pub fn messages(&self) -> usize {
        self.messages
    }

    /// Judges the answers to one question. Returns how many calls it has.
    ///
    /// # Panics
    /// If one of them is wrong.
    pub fn judge(&self, answers: &Answers) -> usize {
        let question = &answers.question;
        let at = position_of(&answers.breakdowns);
        let known: Vec<&Winner> =
            self.truth.of(question.org).iter().rev().filter(|winner| winner.position <= at).collect();
        let days = question.days();
        let day = |winner: &Winner| date_of(question.zone, winner.at_ms);
        let inside: Vec<&Winner> =
            known.iter().copied().filter(|winner| (days.0..=days.1).contains(&day(winner))).collect();
        let kept =
            |but| inside.iter().copied().filter(move |winner| question.filter.keeps(&winner.call, but));
        let rows: Vec<&Winner> = kept(None).collect();

        let said = &answers.breakdowns;
        let period = [&said["period"]["since"], &said["period"]["until"]];
        assert_eq!(period, [&days.0.to_string(), &days.1.to_string()], "{question:?}");
        let mut totals = Sums::default();
        rows.iter().for_each(|winner| totals.add(&winner.call));
        assert_eq!(said_sums(&said["totals"]), totals.json(), "{question:?}");
        for (list, field, parameter) in [
            ("by_reason", "reason", REASON),
            ("by_model", "value", MODEL),
            ("by_member", "member_id", MEMBER),
        ] {
            let found = said_by_name(&said[list], |row| text(&row[field]));
            let wanted = Sums::by(rows.iter().copied(), |winner| value_of(&winner.call, parameter));
            assert_eq!(found, Sums::json_by_name(&wanted), "{list} of {question:?}");
        }
        for (list, field, parameter) in
            [("reasons", "reason", REASON), ("models", "value", MODEL), ("members", "member_id", MEMBER)]
        {
            judge_options(answers, list, field, (parameter, kept(Some(parameter))));
        }
        let paid = Sums::by(kept(Some(BYOK)), |winner| value_of(&winner.call, BYOK));
        let calls = |value| paid.get(value).map_or(0, |sums| sums.calls);
        let said = ["any", "only", "none"].map(|value| answers.options["byok"][value].as_u64().unwrap());
        assert_eq!(said, [calls("only") + calls("none"), calls("only"), calls("none")], "{question:?}");

        let log: Vec<String> = answers.log.iter().map(row::of_log).collect();
        equal("csv against log", question, &log, &row::of_csv(&answers.csv));
        assert!(
            log.is_sorted_by(|newer, older| row::time(newer) >= row::time(older)),
            "{question:?}: {log:#?}"
        );
        // Which of the same millisecond comes first is the ledger's business.
        let wanted = newest_first(rows.iter().map(|winner| row::of_winner(winner)).collect());
        equal("log against topic", question, &wanted, &newest_first(log));
        judge_cards(answers, &known);
        rows.len()
    }

    /// Whether "everything received by …" was true of fresh snapshots: what came before that instant was counted.
    ///
    /// # Panics
    /// If one lied.
    pub fn nothing_is_left_out(&self, all: &[Fresh]) {
        let behind = self.appended.earliest_behind();
        for fresh in all {
            behind.nothing_is_left_out(fresh.org, fresh.position, fresh.complete_through_ms);
        }
    }
}

/// Every option has the calls that all other filters keep, and what was chosen is there.
fn judge_options<'a>(
    answers: &Answers,
    list: &str,
    field: &str,
    (parameter, kept): (usize, impl Iterator<Item = &'a Winner>),
) {
    let said = answers.options[list]["options"].as_array().expect("a list");
    let counts = said.iter().map(|row| (text(&row[field]), row["calls"].as_u64().expect("a number")));
    let found: BTreeMap<String, u64> = counts.filter(|(_, calls)| *calls > 0).collect();
    let wanted = Sums::by(kept, |winner| value_of(&winner.call, parameter));
    let wanted: BTreeMap<String, u64> = wanted.into_iter().map(|(value, sums)| (value, sums.calls)).collect();
    assert_eq!(found, wanted, "{list} of {:?}", answers.question);
    let chosen = said.iter().filter(|row| row["chosen"] == true).map(|row| text(&row[field]));
    let chosen: BTreeSet<String> = chosen.collect();
    let values = answers.question.filter.values[parameter].iter().cloned().collect();
    assert_eq!(chosen, values, "{list} of {:?}", answers.question);
}

/// The cards know no filter: this and last calendar month of the snapshot's day.
fn judge_cards(answers: &Answers, known: &[&Winner]) {
    let Answers { question, cards, .. } = answers;
    let month = |date: NaiveDate| date.year() * 12 + date.month0() as i32;
    let this = month(question.today);
    let in_month = |wanted: i32| {
        known.iter().copied().filter(move |winner| month(date_of(question.zone, winner.at_ms)) == wanted)
    };
    let members: BTreeSet<&str> = in_month(this).map(|winner| winner.call.member_id.as_str()).collect();
    assert_eq!(cards["this_month"]["active_members"], members.len(), "{question:?}");
    let same_days = &cards["same_days_of_last_month"];
    let edges = ["from", "to"].map(|edge| {
        let instant: DateTime<Utc> = text(&same_days[edge]).parse().expect("an instant");
        instant.timestamp_millis()
    });
    let in_same_days = known.iter().copied().filter(|winner| (edges[0]..edges[1]).contains(&winner.at_ms));
    for (said, wanted) in [
        (&cards["this_month"], credits_of(in_month(this))),
        (&cards["last_month"], credits_of(in_month(this - 1))),
        (same_days, credits_of(in_same_days)),
    ] {
        assert_eq!(said["credits"], wanted, "{question:?}: {said}");
    }
}

fn credits_of<'a>(winners: impl Iterator<Item = &'a Winner>) -> String {
    let mut sums = Sums::default();
    winners.for_each(|winner| sums.add(&winner.call));
    Amount::from_units(sums.credits).to_string()
}

/// A line begins with its time.
fn newest_first(mut lines: Vec<String>) -> Vec<String> {
    lines.sort_unstable_by(|left, right| right.cmp(left));
    lines
}

/// The same rows in the same order, none twice and none missing.
fn equal(what: &str, question: &Question, wanted: &[String], found: &[String]) {
    let differs = wanted.iter().zip(found).position(|(wanted, found)| wanted != found);
    let at = differs.unwrap_or(wanted.len().min(found.len()));
    assert!(
        wanted == found,
        "{what} of {question:?}: {} rows instead of {}; row {at} is {:?} instead of {:?}",
        found.len(),
        wanted.len(),
        found.get(at),
        wanted.get(at)
    );
}

/// What a call says for a parameter.
fn value_of(call: &AiCall, parameter: usize) -> String {
    match parameter {
        MEMBER => call.member_id.clone(),
        REASON => call.reason.clone(),
        MODEL => format!("{}/{}", call.provider, call.model),
        _ => match call.charge {
            Some(proto::wire::ai_call::Charge::ProviderCost(_)) => "only".to_owned(),
            _ => "none".to_owned(),
        },
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}
