//! Whether everything that was said is what the topic holds up to the snapshot's position. What equals the same truth
//! ties out with each other.

use super::answers::Answers;
use super::question::{BYOK, MEMBER, MODEL, Question, REASON};
use super::snapshots::Fresh;
use super::stream::ORGS;
use chrono::{DateTime, Datelike, NaiveDate, Utc};
use chrono_tz::Tz;
use proto::wire::AiCall;
use proto::{Amount, Position};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::panic::resume_unwind;
use system_tests::{
    AppendTimes, FirstWrites, PARTITIONS, Room, Sums, Topic, Winner, date_of, position_of, row, said_by_name,
    said_sums,
};

/// What the topic holds, and what follows from it.
pub struct Judge {
    pub truth: FirstWrites,
    /// On which day of its organisation each call that counts happened, in the order of these calls.
    days: BTreeMap<&'static str, Vec<NaiveDate>>,
    appended: AppendTimes,
    messages: usize,
}

/// A call that counts, and its day.
type Dated<'a> = (&'a Winner, NaiveDate);

/// The number of the only source of calls.
const SOURCE: u16 = 1;

impl Judge {
    /// Reads all that was published, some 1,000 bytes of memory a call.
    pub fn of(room: &Room) -> Self {
        let (mut truth, mut appended, mut messages) = (FirstWrites::default(), AppendTimes::default(), 0);
        let read = Topic::new(room.brokers(), room.topic("calls"), PARTITIONS).read_on(|letter| {
            appended.note(&letter);
            messages += 1;
            let payload = letter.payload.expect("a call has a payload");
            let call = <AiCall as prost::Message>::decode(payload.as_slice()).expect("a call is one");
            let position = Position::of_message(SOURCE, letter.offset).expect("a position");
            truth.note(call, position.as_u64());
        });
        read.expect("the calls can be read");
        truth.settle();
        let days = ORGS.iter().map(|(org, zone)| {
            let zone: Tz = zone.parse().expect("an IANA zone");
            (*org, truth.of(org).iter().map(|winner| date_of(zone, winner.at_ms)).collect())
        });
        Self { days: days.collect(), truth, appended, messages }
    }

    /// Messages that there are.
    pub fn messages(&self) -> usize {
        self.messages
    }

    /// Judges answers on every processor. Returns how many rows of the log each question has.
    ///
    /// # Panics
    /// If one of them is wrong.
    pub fn judge(&self, answers: &[Answers]) -> Vec<usize> {
        let at_once = std::thread::available_parallelism().map_or(1, usize::from);
        std::thread::scope(|scope| {
            let parts = answers.chunks(answers.len().div_ceil(at_once).max(1));
            let judges = parts.map(|part| {
                scope.spawn(move || part.iter().map(|each| self.judge_one(each)).collect::<Vec<_>>())
            });
            let judges: Vec<_> = judges.collect();
            let rows =
                judges.into_iter().map(|judge| judge.join().unwrap_or_else(|wrong| resume_unwind(wrong)));
            rows.flatten().collect()
        })
    }

    fn judge_one(&self, answers: &Answers) -> usize {
        let question = &answers.question;
        let at = position_of(&answers.breakdowns);
        let all = self.truth.of(question.org).iter().zip(self.days[question.org].iter().copied());
        let known: Vec<Dated> = all.rev().filter(|(winner, _)| winner.position <= at).collect();
        let days = question.days();
        let inside: Vec<&Winner> = known
            .iter()
            .filter(|(_, day)| (days.0..=days.1).contains(day))
            .map(|(winner, _)| *winner)
            .collect();
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

        let log = &answers.log;
        if let Some(csv) = &answers.csv {
            equal("csv against log", question, log, csv);
        }
        assert!(
            log.is_sorted_by(|newer, older| row::time(newer) >= row::time(older)),
            "{question:?}: {log:#?}"
        );
        // Which of the same millisecond comes first is the ledger's business, and so is where the newest pages end in it.
        let oldest = log.last().filter(|_| !question.is_whole).map(|row| row::time(row));
        let is_read = |row: &String| oldest.is_none_or(|oldest| row::time(row) > oldest);
        let wanted = rows.iter().map(|winner| row::of_winner(winner)).take_while(is_read).collect();
        let found = log.iter().filter(|row| is_read(row)).cloned().collect();
        equal("log against topic", question, &newest_first(wanted), &newest_first(found));
        judge_cards(answers, &known);
        log.len()
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
fn judge_cards(answers: &Answers, known: &[Dated]) {
    let Answers { question, cards, .. } = answers;
    let month = |date: NaiveDate| date.year() * 12 + date.month0() as i32;
    let this = month(question.today);
    let in_month =
        |wanted: i32| known.iter().filter(move |(_, day)| month(*day) == wanted).map(|(winner, _)| *winner);
    let members: BTreeSet<&str> = in_month(this).map(|winner| winner.call.member_id.as_str()).collect();
    assert_eq!(cards["this_month"]["active_members"], members.len(), "{question:?}");
    let same_days = &cards["same_days_of_last_month"];
    let edges = ["from", "to"].map(|edge| {
        let instant: DateTime<Utc> = text(&same_days[edge]).parse().expect("an instant");
        instant.timestamp_millis()
    });
    let winners = known.iter().map(|(winner, _)| *winner);
    let in_same_days = winners.filter(|winner| (edges[0]..edges[1]).contains(&winner.at_ms));
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
