//! Whether everything the system says is true: tables, dead letters and answers against the topic.

use crate::answers::Answers;
use crate::cast::members;
use crate::copilot::Orders;
use crate::flow::{Flow, Item, ORGS};
use crate::levels;
use crate::supervisor::Supervisor;
use crate::truth::{Truth, imprint};
use crate::witness::Witness;
use proto::topics::headers;
use proto::{Amount, Position};
use std::collections::BTreeMap;
use std::fmt::Debug;
use std::time::{Duration, Instant};
use system_tests::{Client, FirstWrites, PARTITIONS, Room, Told, Topic, eventually_for};
use tokio::task::block_in_place;
use warehouse::{BatchRow, frontier};

/// How long the system may take to catch up with a log that has ended, after a storm.
const CATCH_UP: Duration = Duration::from_secs(300);
/// What may still be on its way to Kafka, or to another partition, when the ledger has all that is there.
const ON_THE_WAY: Duration = Duration::from_secs(2);

/// Organisations whose log is read to its last page: one with many calls, one with few.
const LISTED: [&str; 2] = ["hooli", "cyberdyne"];

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
    pub async fn judge(&mut self, supervisor: &mut Supervisor) {
        let caught_up = self.catch_up(supervisor).await;
        block_in_place(|| self.read());
        self.truth.settle();
        assert_eq!(self.truth.misrouted, self.truth.sent_on, "misrouted calls are sent on, and no other");
        self.judge_ledger().await;
        self.judge_batches().await;
        self.judge_dead_letters();
        self.judge_later();
        levels::every_row_is_true(self.room, &self.truth).await;
        let answers = self.witness.judge(&self.truth);
        let rows = self.judge_api(true).await;
        self.verify();
        println!(
            "quiet: caught up in {caught_up:.1?}; {}; {answers} answers heard in the storm and {rows} rows of logs and \
             files, all true",
            self.told()
        );
    }

    /// How many messages of each kind the topic holds.
    fn told(&self) -> String {
        let calls: usize = ORGS.iter().map(|(org, _)| self.truth.winners(org).len()).sum();
        let Truth { poison, misrouted, calls: FirstWrites { later: [repeats, conflicts], .. }, .. } =
            &self.truth;
        let (poison, misrouted) = (poison.len(), misrouted.len());
        format!(
            "{calls} calls, {repeats} repeats, {conflicts} conflicts, {misrouted} misrouted, {poison} poisonous"
        )
    }

    /// Judges what holds at the very end only: each of the `events` was accepted, and what was accepted has arrived;
    /// what has passed is computed.
    pub async fn judge_end(&mut self, supervisor: &mut Supervisor, copilots: &[Orders], events: u64) {
        let mut late = 0;
        for orders in copilots {
            assert_eq!(orders.accepted(), orders.flow.count());
            for n in 0..orders.flow.count() {
                late += u64::from(orders.flow.is_late(n));
                let has_arrived = match orders.flow.nth(n) {
                    // Takes one out of the topic: one that says the same, not just one with its event id.
                    Item::Call(call) | Item::Misrouted(call, _) => {
                        let told = self.truth.told.get_mut(&imprint(&call.encode()));
                        told.is_some_and(take_one)
                    }
                    Item::Poison(poison) => self.truth.poison_keys.contains(&poison.key),
                };
                assert!(has_arrived, "copilot {}: message {n} is lost", orders.flow.copilot);
            }
        }
        assert_eq!(copilots.iter().map(Orders::accepted).sum::<u64>(), events, "accepted messages");
        eventually_for(CATCH_UP, "every passed bucket to be computed", async || {
            supervisor.look(None);
            levels::every_passed_bucket_is_there(self.room, &self.truth).await
        })
        .await;
        self.judge_api(false).await;
        self.verify();
        self.print_shares(events, late);
    }

    /// What was published, as it came out.
    fn print_shares(&self, events: u64, late: u64) {
        let again: u64 = self.truth.told.values().sum();
        let [repeats, conflicts] = self.truth.calls.later;
        let counts = [
            ("repeats", repeats),
            ("conflicts", conflicts),
            ("late by minutes to months", late),
            ("misrouted", self.truth.misrouted.len() as u64),
            ("poison", self.truth.poison.len() as u64),
        ];
        let shares = counts.map(|(name, count)| {
            let hundredths = count * 10_000 / events.max(1);
            format!("{}.{:02} % {name}", hundredths / 100, hundredths % 100)
        });
        println!("{events} messages accepted, all there; {}", shares.join(", "));
        println!("{again} of the calls were published again by who was killed between two steps");
    }

    /// Waits until everything in the topic is in the ledger, and the directory known. Returns how long that took.
    async fn catch_up(&self, supervisor: &mut Supervisor) -> Duration {
        let began = Instant::now();
        let mut there_since: Option<Instant> = None;
        loop {
            supervisor.look(None);
            let reached = self.reached().await;
            let ends = block_in_place(|| self.calls.ends());
            if ends.as_ref().is_ok_and(|ends| *ends == reached) {
                let since = *there_since.get_or_insert_with(Instant::now);
                if since.elapsed() > ON_THE_WAY {
                    self.room.directory_holds(ORGS.len() + members().len()).await;
                    return since - began;
                }
            } else {
                there_since = None;
            }
            assert!(began.elapsed() < CATCH_UP, "the ledger is at {reached:?}, the log ends at {ends:?}");
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

    /// What operators are told of repeats and conflicts, each by its place.
    fn judge_later(&self) {
        let arguments = ["anomalies", "--limit", "4294967295"];
        let extra = [("TELEMETRY_LEVEL", "error"), ("CLICKHOUSE_TIMEOUT", "2m")];
        let mut process = self.room.spawn("warehouse", &arguments, &extra);
        let status = block_in_place(|| process.wait());
        let log = process.log();
        assert!(status.success(), "`warehouse anomalies` says:\n{}", log.join("\n"));
        let mut found: BTreeMap<String, BTreeMap<(i32, i64), Told>> = BTreeMap::new();
        let mut org = "";
        // How many there are is said on stderr, at no particular place among the lines.
        for line in log.iter().filter(|line| !line.contains("told of again")) {
            let Some(message) = line.strip_prefix("  ") else {
                org = line.split(' ').next().unwrap_or_default();
                continue;
            };
            let told = match message.split(' ').next() {
                Some("repeat") => Told::Repeat,
                Some("conflict") => Told::Conflict,
                _ => continue,
            };
            let number = |name: &str| -> i64 {
                let rest = message.split_once(name).expect("a place").1;
                rest.split([',', ':']).next().and_then(|text| text.parse().ok()).expect("a number")
            };
            let place = (number(" partition ") as i32, number(" offset "));
            found.entry(org.to_owned()).or_default().insert(place, told);
        }
        for (org, _) in ORGS {
            equal(&format!("`warehouse anomalies` of {org}"), found.get(org), self.truth.later.get(org));
        }
    }

    /// Sums of every organisation; on demand also its rows, repeats and conflicts. Returns how many rows that were.
    async fn judge_api(&self, with_rows: bool) -> usize {
        let mut rows = 0;
        for (org, _) in ORGS {
            let partition = proto::partition_of(org.as_bytes(), PARTITIONS) as usize;
            let at = Position::before(1, self.calls.next[partition]).expect("a position").as_u64();
            let answers = Answers::of(&self.api, &self.truth, org, at);
            answers.judge_sums().await;
            if with_rows {
                rows += answers.judge_file().await;
            }
            if with_rows && LISTED.contains(&org) {
                rows += answers.judge_log().await;
                answers.judge_later().await;
            }
        }
        rows
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

fn take_one(count: &mut u64) -> bool {
    let is_there = *count > 0;
    *count = count.saturating_sub(1);
    is_there
}

/// The same keys with the same values; says the first that differs, of many thousands.
///
/// # Panics
/// If there is one.
pub fn equal<K: Ord + Debug, V: PartialEq + Debug>(
    what: &str,
    found: Option<&BTreeMap<K, V>>,
    wanted: Option<&BTreeMap<K, V>>,
) {
    let none = BTreeMap::new();
    let (found, wanted) = (found.unwrap_or(&none), wanted.unwrap_or(&none));
    for key in wanted.keys().chain(found.keys()) {
        assert_eq!(found.get(key), wanted.get(key), "{what}: {key:?}");
    }
}
