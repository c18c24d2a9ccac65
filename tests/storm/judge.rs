//! Whether everything the system says is true: tables, dead letters and answers against the topic.

use crate::copilot::Orders;
use crate::flow::{Flow, Item, ORGS};
use crate::levels;
use crate::supervisor::Supervisor;
use crate::truth::{Truth, zone_of};
use crate::witness::{Witness, as_of};
use chrono::Days;
use proto::topics::headers;
use proto::{Amount, Position};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};
use system_tests::{
    Client, FirstWrites, PARTITIONS, Room, Sums, Topic, Winner, date_of, eventually, position_of,
    said_by_name,
};
use tokio::task::block_in_place;
use warehouse::{BatchRow, frontier};

/// How long the system may take to catch up with a log that has ended, after a storm.
const CATCH_UP: Duration = Duration::from_secs(300);

/// Reads the topics and judges.
pub struct Judge<'a> {
    room: &'a Room,
    flow: Flow,
    api: Client,
    witness: Witness,
    calls: Topic,
    dead: Topic,
    truth: Truth,
    /// By the place where each dead letter says that it was found.
    letters: BTreeMap<(i32, i64), DeadLetter>,
}

/// What a dead letter holds: reason, key and payload.
type DeadLetter = (String, String, Option<Vec<u8>>);

impl<'a> Judge<'a> {
    /// Somebody who knows nothing yet. Of the flow only what the copilots share counts.
    pub fn new(room: &'a Room, flow: Flow, api: Client, witness: Witness) -> Self {
        Self {
            calls: Topic::new(room.brokers(), room.topic("calls"), PARTITIONS),
            dead: Topic::new(room.brokers(), room.topic("dead-letter"), 1),
            room,
            flow,
            api,
            witness,
            truth: Truth::default(),
            letters: BTreeMap::new(),
        }
    }

    /// Waits until everything in the topic is in the ledger while nobody publishes, and judges what there is.
    pub async fn judge(&mut self, supervisor: &mut Supervisor<'_>) {
        self.catch_up(supervisor).await;
        block_in_place(|| self.read());
        self.truth.settle();
        assert_eq!(self.truth.misrouted, self.truth.sent_on, "misrouted calls are sent on, and no other");
        self.judge_ledger().await;
        self.judge_batches().await;
        self.judge_dead_letters();
        levels::every_row_is_true(self.room, &self.truth).await;
        let answers = self.witness.judge(&self.truth);
        self.judge_api().await;
        self.verify();
        let calls: usize = ORGS.iter().map(|(org, _)| self.truth.winners(org).len()).sum();
        let Truth { poison, misrouted, calls: FirstWrites { later: [repeats, conflicts], .. }, .. } =
            &self.truth;
        let (poison, misrouted) = (poison.len(), misrouted.len());
        println!(
            "quiet: {calls} calls, {repeats} repeats, {conflicts} conflicts, {misrouted} misrouted, {poison} poisonous; \
             {answers} answers heard in the storm, all true"
        );
    }

    /// Judges what holds at the very end only: what was accepted has arrived, what has passed is computed.
    pub async fn judge_end(&mut self, supervisor: &mut Supervisor<'_>, copilots: &[Orders]) {
        for orders in copilots {
            assert_eq!(orders.accepted(), orders.flow.count);
            for n in 0..orders.flow.count {
                let has_arrived = match orders.flow.nth(n) {
                    Item::Call(call) | Item::Misrouted(call, _) => {
                        self.truth.told.contains(call.event_id.uuid().as_bytes())
                    }
                    Item::Poison(poison) => self.truth.poison_keys.contains(&poison.key),
                };
                assert!(has_arrived, "copilot {}: message {n} is lost", orders.flow.copilot);
            }
        }
        eventually("every passed bucket to be computed", async || {
            supervisor.look(None);
            levels::every_passed_bucket_is_there(self.room, &self.truth).await
        })
        .await;
        self.judge_api().await;
        self.verify();
    }

    async fn catch_up(&self, supervisor: &mut Supervisor<'_>) {
        let deadline = Instant::now() + CATCH_UP;
        let mut seen = 0;
        while seen < 2 {
            supervisor.look(None);
            let reached = self.reached().await;
            let ends = block_in_place(|| self.calls.ends());
            let is_there = ends.as_ref().is_ok_and(|ends| *ends == reached);
            // Twice: what was on its way to another partition has come there by the second look.
            seen = if is_there { seen + 1 } else { 0 };
            assert!(Instant::now() < deadline, "the ledger is at {reached:?}, the log ends at {ends:?}");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// How far the ledger goes, by partition; empty while it cannot be asked.
    async fn reached(&self) -> Vec<i64> {
        let partitions: Vec<u16> = (0..PARTITIONS as u16).collect();
        let Ok(rows) = self.room.warehouse().batches(1, &partitions).await else { return Vec::new() };
        let start = Position::before(1, 0).expect("a position");
        let reached = |partition: &u16| {
            let rows = rows.iter().filter(|row| row.partition == *partition);
            frontier(start, rows.map(BatchRow::interval)).next_offset()
        };
        partitions.iter().map(reached).collect()
    }

    fn read(&mut self) {
        let (truth, flow) = (&mut self.truth, &self.flow);
        self.calls.read_on(|letter| truth.note(flow, letter)).expect("the calls can be read");
        let letters = &mut self.letters;
        let dead = self.dead.read_on(|letter| {
            let number = |name: &str| letter.headers[name].parse().expect("a number");
            let origin = (number(headers::ORIGIN_PARTITION) as i32, number(headers::ORIGIN_OFFSET));
            letters.insert(origin, (letter.headers[headers::REASON].clone(), letter.key, letter.payload));
        });
        dead.expect("the dead letters can be read");
    }

    /// Every call counts once, at its first message and with what that one said; every message is kept.
    async fn judge_ledger(&self) {
        for (org, _) in ORGS {
            let query = self.room.warehouse().read(
                "SELECT toString(event_id), min(position), uniqExact(position), argMin(concat(member_id, ' ', reason, ' ', \
                 model, ' ', toString(credits), ' ', toString(provider_cost), ' ', currency, ' ', toString(input_tokens), \
                 ' ', toString(output_tokens)), position) \
                 FROM ai_calls WHERE org_id = {org:String} GROUP BY occurred_at, event_id ORDER BY occurred_at, event_id",
            );
            let query = query.param("org", org);
            let rows: Vec<(String, u64, u64, String)> =
                self.room.warehouse().fetch_all("judging the ledger", query).await.expect("an answer");
            let found: BTreeMap<String, _> =
                rows.into_iter().map(|row| (row.0, (row.1, row.2, row.3))).collect();
            let winners = self.truth.winners(org);
            assert_eq!(found.len(), winners.len(), "calls of {org}");
            for winner in winners {
                let id = proto::EventId::from_bytes(&winner.event_id).expect("an id").to_string();
                let wanted = (winner.position, winner.messages, content(&winner.call));
                assert_eq!(found.get(&id), Some(&wanted), "{org}: {id}");
            }
        }
    }

    /// Ledger rows, dead letters and rerouted messages of the batches are those of the topic.
    async fn judge_batches(&self) {
        for partition in 0..PARTITIONS as u16 {
            let rows = self.room.warehouse().batches(1, &[partition]).await.expect("batches");
            let chain = warehouse::chain(Position::before(1, 0).expect("a position"), &rows);
            let sum = |of: fn(&BatchRow) -> u64| chain.iter().map(of).sum::<u64>();
            let at = |places: &mut dyn Iterator<Item = &(i32, i64)>| {
                places.filter(|(found, _)| *found == i32::from(partition)).count() as u64
            };
            let truth = &self.truth;
            let wanted = [
                truth.rows.get(&i32::from(partition)).copied().unwrap_or(0),
                at(&mut truth.poison.keys()),
                at(&mut truth.misrouted.iter()),
                0,
                0,
            ];
            let found = [
                sum(|row| row.ledger_rows),
                sum(|row| row.dead_letters),
                sum(|row| row.rerouted),
                sum(|row| row.empty_offsets),
                sum(|row| row.lost),
            ];
            assert_eq!(found, wanted, "rows, dead letters, rerouted, empty, lost of partition {partition}");
        }
    }

    /// Every poisonous message is a dead letter with its bytes and its reason, and nothing else is one.
    fn judge_dead_letters(&self) {
        let wanted = self.truth.poison.iter().map(|(place, poison)| {
            (*place, (poison.reason.to_owned(), poison.key.clone(), poison.payload.clone()))
        });
        let wanted: BTreeMap<_, _> = wanted.collect();
        let missing: Vec<_> = wanted.iter().filter(|(place, _)| !self.letters.contains_key(place)).collect();
        assert!(missing.is_empty(), "no dead letter of {missing:?}");
        assert_eq!(self.letters, wanted, "dead letters");
    }

    /// Days, months and breakdowns of every organisation, at the end of its partition.
    async fn judge_api(&self) {
        for (org, _) in ORGS {
            let partition = proto::partition_of(org.as_bytes(), PARTITIONS) as usize;
            let at = Position::before(1, self.calls.next[partition]).expect("a position").as_u64();
            let today = date_of(zone_of(org), service::clock::now_ms());
            let days = (today - Days::new(250), today + Days::new(2));
            let ask = async |what: &str| {
                let range = format!("range=custom&since={}&until={}", days.0, days.1);
                let path = format!("/v1/orgs/{org}/{what}&{range}&as_of={}", as_of(org, at));
                // It may have been killed a moment ago.
                let said = eventually("an answer", async || self.api.json(&path).await).await;
                assert_eq!(position_of(&said), at, "{org}");
                said
            };
            let said = ask("usage?by=day").await;
            let found = said_by_name(&said["points"], |point| text(&point["since"]));
            let by_day = self.truth.by(org, days, at, |winner, zone| date_of(zone, winner.at_ms).to_string());
            assert_eq!(found, Sums::json_by_name(&by_day), "days of {org}");
            let said = ask("usage?by=month").await;
            let found = said_by_name(&said["points"], |point| text(&point["since"])[..7].to_owned());
            let month = |winner: &Winner, zone| date_of(zone, winner.at_ms).to_string()[..7].to_owned();
            assert_eq!(found, Sums::json_by_name(&self.truth.by(org, days, at, month)), "months of {org}");
            let said = ask("breakdowns?").await;
            let found = said_by_name(&said["by_member"], |row| text(&row["member_id"]));
            let by_member = self.truth.by(org, days, at, |winner, _| winner.call.member_id.clone());
            assert_eq!(found, Sums::json_by_name(&by_member), "members of {org}");
            let found = said_by_name(&said["by_model"], |row| text(&row["model"]));
            let by_model = self.truth.by(org, days, at, |winner, _| winner.call.model.clone());
            assert_eq!(found, Sums::json_by_name(&by_model), "models of {org}");
        }
    }

    /// The operators' own proofs.
    fn verify(&self) {
        for (binary, arguments) in [("rollup", ["verify"].as_slice()), ("ingest", &["verify", "--read-log"])]
        {
            let mut verify = self.room.spawn(binary, arguments, &[("TELEMETRY_LEVEL", "error")]);
            let status = block_in_place(|| verify.wait());
            assert!(status.success(), "`{binary} verify` finds:\n{}", verify.log().join("\n"));
        }
    }
}

/// What a call says, as the query of the ledger puts it.
fn content(call: &proto::wire::AiCall) -> String {
    use proto::wire::ai_call::Charge;
    let amount = |text: &str| Amount::parse(text).expect("an amount").to_string();
    let (credits, cost, currency) = match call.charge.as_ref().expect("a charge") {
        Charge::Credits(credits) => (amount(credits), "0".to_owned(), ""),
        Charge::ProviderCost(cost) => ("0".to_owned(), amount(&cost.amount), cost.currency.as_str()),
    };
    format!(
        "{} {} {} {credits} {cost} {currency} {} {}",
        call.member_id, call.reason, call.model, call.input_tokens, call.output_tokens
    )
}

fn text(value: &serde_json::Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}
