//! Claim: `summary` and `breakdowns` of a month with many calls, and the whole Audit page, over HTTP as a person asks,
//! against the best query of the ledger for the same answer, on the same engine and data.

use crate::api::Api;
use crate::generator::{Generator, Message, Size, Timeline, World};
use crate::ingest::wait_until_counted;
use crate::machine::peak_memory_kib;
use crate::publisher::Publisher;
use crate::report::{Report, milliseconds, percentile, ratio, thousands};
use crate::{engine, memory, row};
use anyhow::{Context, Result, ensure};
use chrono::{DateTime, Months};
use clickhouse::Row;
use clickhouse::query::Query;
use proto::Amount;
use serde::Deserialize;
use serde_json::Value;
use service::clock;
use std::time::{Duration, Instant};
use system_tests::{PARTITIONS, Room, Stack};
use warehouse::{DecimalUnits, Warehouse, calendar};

/// The ledger's ways to the breakdowns: what is exact, and what each is called.
const BREAKDOWNS: [(&str, &str, bool); 2] = [
    ("ledger, first writes by the order of the key", include_str!("ledger_by_key.sql"), true),
    ("ledger, every row counted (wrong)", include_str!("ledger_uncounted.sql"), false),
];
const BREAKDOWNS_RESOURCE: &str = "breakdowns?range=last_month";
const CARDS_RESOURCE: &str = "summary";
const CARDS: &str = include_str!("ledger_cards.sql");

/// What is measured.
#[derive(Debug, Clone, clap::Args)]
pub struct Options {
    /// Calls of last month, of one organisation with 2,000 members.
    #[arg(long, default_value_t = 10_000_000)]
    pub calls: u64,
    /// How often our answers are asked for.
    #[arg(long, default_value_t = 50)]
    pub asked: u32,
    /// How often after each time another call of the organisation was counted.
    #[arg(long, default_value_t = 20)]
    pub asked_after_calls: u32,
    /// How often by a service that has just started.
    #[arg(long, default_value_t = 10)]
    pub asked_first: u32,
    /// How often each query of the ledger is asked.
    #[arg(long, default_value_t = 3)]
    pub ledger_asked: u32,
}

impl Options {
    /// Small: half a minute.
    pub fn quick(self) -> Self {
        Self { calls: 300_000, asked: 10, asked_after_calls: 5, asked_first: 3, ..self }
    }
}

#[derive(Row, Deserialize)]
struct Cell {
    member_id: String,
    reason: String,
    provider: String,
    model: String,
    currency: String,
    calls: u64,
    credits: DecimalUnits,
    cost: DecimalUnits,
}

#[derive(Row, Deserialize)]
struct CardsRow {
    credits_this_month: DecimalUnits,
    credits_last_month: DecimalUnits,
    credits_same_days: DecimalUnits,
    active_members: u64,
}

/// One way to an answer.
struct Way {
    name: String,
    exact: bool,
    times: Vec<Duration>,
}

impl Way {
    fn new(name: &str, exact: bool, mut times: Vec<Duration>) -> Self {
        times.sort_unstable();
        Self { name: name.into(), exact, times }
    }

    fn median(&self) -> Duration {
        percentile(&self.times, 50)
    }
}

/// The month under measurement.
struct Month<'a> {
    warehouse: &'a Warehouse,
    org_id: &'a str,
    from_ms: i64,
    to_ms: i64,
}

/// Fills a month, waits until the rollups stand, and compares.
///
/// # Errors
/// If the stack fails, or an answer differs from the ledger's.
pub async fn run(seed: u64, options: &Options) -> Result<Report> {
    let stack = Stack::shared();
    let room = Room::new(&stack, "reads").await;
    room.create_topics().await;
    let world = World::new(seed, Size { organisations: 1, members_max: 2_000 });
    let today = clock::now().date_naive();
    let last = today.checked_sub_months(Months::new(1)).context("there is no last month")?;
    let span = calendar::month(calendar::Tz::UTC, last);
    let (from_ms, to_ms) = (span.starts_at * 1000, span.ends_at * 1000);

    let mut ingest = room.start("ingest", &[]).await;
    let mut rollup = room.start("rollup", &[]).await;
    let timeline = Timeline::new(seed, (from_ms, to_ms), options.calls);
    let mut generator = Generator::new(&world, seed);
    let publisher =
        Publisher::new(&world, room.brokers(), &room.topic("calls"), PARTITIONS, Duration::from_millis(50))?;
    let mut message = Message::default();
    for _ in 0..options.calls {
        generator.next_of(&timeline, &mut message);
        publisher.send(&message)?;
    }
    publisher.flush()?;
    eprintln!("published {} calls", thousands(options.calls));
    wait_until_counted(room.warehouse(), options.calls).await?;
    engine::settle(room.warehouse(), room.warehouse().database()).await?;
    eprintln!("all are counted and all buckets computed");
    let filling = [("ingest", peak_memory_kib(ingest.id())?), ("rollup", peak_memory_kib(rollup.id())?)];

    let org_id = &world.organisations[0].id;
    let month = Month { warehouse: room.reader(), org_id, from_ms, to_ms };
    let [breakdowns_path, cards_path] =
        [BREAKDOWNS_RESOURCE, CARDS_RESOURCE].map(|resource| format!("/v1/orgs/{org_id}/{resource}"));
    let page_path = format!("/orgs/{org_id}/settings/audit?range=last_month");
    let first_breakdowns = ask_first(&stack, &room, org_id, &breakdowns_path, options.asked_first).await?;
    let first_cards = ask_first(&stack, &room, org_id, &cards_path, options.asked_first).await?;
    let first_page = ask_first(&stack, &room, org_id, &page_path, options.asked_first).await?;
    let mut api = Api::start(&stack, &room, [org_id.as_str()].into_iter()).await?;
    let mut breakdowns = month.ledger_breakdowns(&api, options).await?;
    breakdowns.push(first_breakdowns);
    breakdowns.push(ask_again(&api, &breakdowns_path, options.asked).await?);
    let mut cards = vec![
        month.ledger_cards(&api, options).await?,
        first_cards,
        ask_again(&api, &cards_path, options.asked).await?,
    ];
    let mut page = vec![first_page, ask_again(&api, &page_path, options.asked).await?];
    // One of its own, which repeats nothing yet.
    let mut generator = Generator::new(&world, seed + 1);
    let mut another_call = async || -> Result<()> {
        let calls_before = calls_of_this_month(&api, org_id).await?;
        generator.next_at(clock::now_ms(), &mut message);
        publisher.send(&message)?;
        publisher.flush()?;
        while calls_of_this_month(&api, org_id).await? == calls_before {}
        Ok(())
    };
    for (ways, path) in
        [(&mut breakdowns, &breakdowns_path), (&mut cards, &cards_path), (&mut page, &page_path)]
    {
        let mut taken = Vec::new();
        for _ in 0..options.asked_after_calls {
            another_call().await?;
            taken.push(timed(&api, path).await?);
        }
        ways.push(Way::new("query API, asked again after another call", true, taken));
    }
    ingest.stop();
    rollup.stop();
    let (plain, packed) = (api.fetch(&page_path, "identity").await?, api.fetch(&page_path, "br").await?);
    let api_peak = peak_memory_kib(api.process.id())?;
    api.process.stop();
    let cells = month.cells(BREAKDOWNS[0].1).await?.len();
    let version = engine::version(room.warehouse()).await?;
    engine::drop_database(room.warehouse(), room.warehouse().database()).await?;

    let peaks: Vec<(String, u64)> = filling
        .into_iter()
        .chain([("query-api", api_peak)])
        .map(|(name, kib)| (name.to_owned(), kib))
        .collect();
    Ok(Report::new("Cards and breakdowns of a large month", &version, seed)
        .fact("calls in the month", thousands(options.calls))
        .fact("members, models and reasons combined", format!("{} combinations", thousands(cells as u64)))
        .fact("Audit page", format!("{} bytes, {} with br", thousands(plain.len() as u64), thousands(packed.len() as u64)))
        .table(table("breakdowns", &breakdowns, best_of_ledger(&breakdowns)))
        .table(table("summary", &cards, best_of_ledger(&cards)))
        .table(table("Audit page: cards, filters, breakdowns and log", &page, best_of_ledger(&breakdowns)))
        .table(memory::table(&peaks))
        .note(
            "Each time is the whole answer over HTTP, as the client sees it: ours from the query API with names, \
             shares and JSON, the ledger's from the engine alone. Ratios are medians against the fastest exact query of \
             the ledger. Asked again, the query API reads the frontier anew and finds that nothing was written since: touches \
             and answers that it kept hold. After another call of the organisation it reads the touches, too, and the \
             running quarter hour. The page is compared with the ledger's breakdowns alone. Calls, credits, cost and members are compared before anything is measured.",
        ))
}

impl Month<'_> {
    async fn ledger_breakdowns(&self, api: &Api, options: &Options) -> Result<Vec<Way>> {
        let body = api.get(self.org_id, BREAKDOWNS_RESOURCE).await?;
        let answer: Value = serde_json::from_str(&body)?;
        let mut ways = Vec::new();
        for (name, sql, exact) in BREAKDOWNS {
            let mut times = Vec::new();
            for _ in 0..options.ledger_asked {
                let started = Instant::now();
                let cells = self.cells(sql).await?;
                times.push(started.elapsed());
                if exact {
                    same_breakdowns(&answer, &cells).with_context(|| name.to_owned())?;
                }
            }
            ways.push(Way::new(name, exact, times));
        }
        Ok(ways)
    }

    async fn cells(&self, sql: &str) -> Result<Vec<Cell>> {
        Ok(self.warehouse.fetch_all("asking the ledger", self.bound(sql)).await?)
    }

    async fn ledger_cards(&self, api: &Api, options: &Options) -> Result<Way> {
        let answer: Value = serde_json::from_str(&api.get(self.org_id, CARDS_RESOURCE).await?)?;
        let instant = |pointer| -> Result<i64> {
            let text = answer.pointer(pointer).and_then(Value::as_str).context(pointer)?;
            Ok(DateTime::parse_from_rfc3339(text)?.timestamp_millis())
        };
        let ask = || -> Result<Query> {
            let query = self.warehouse.read(CARDS).param("org_id", self.org_id);
            Ok(query
                .param("last_month_ms", instant("/last_month/from")?)
                .param("same_time_of_last_month_ms", instant("/same_days_of_last_month/to")?)
                .param("this_month_ms", instant("/this_month/from")?)
                .param("now_ms", instant("/this_month/so_far_to")?))
        };
        let mut times = Vec::new();
        for _ in 0..options.ledger_asked {
            let started = Instant::now();
            let row: CardsRow = self.warehouse.fetch_one("asking the ledger", ask()?).await?;
            times.push(started.elapsed());
            let credits = |units: DecimalUnits| Value::from(Amount::from_units(units.0).to_string());
            for (pointer, found) in [
                ("/this_month/credits", credits(row.credits_this_month)),
                ("/this_month/active_members", Value::from(row.active_members)),
                ("/last_month/credits", credits(row.credits_last_month)),
                ("/same_days_of_last_month/credits", credits(row.credits_same_days)),
            ] {
                let shown = answer.pointer(pointer);
                ensure!(shown == Some(&found), "{pointer}: the card says {shown:?}, the ledger {found}");
            }
        }
        Ok(Way::new("ledger, first writes by the order of the key", true, times))
    }

    fn bound(&self, sql: &str) -> Query {
        self.warehouse
            .read(sql)
            .param("org_id", self.org_id)
            .param("from_ms", self.from_ms)
            .param("to_ms", self.to_ms)
    }
}

/// One list of the answer, and where its key stands on both sides.
struct List {
    name: &'static str,
    of_cell: fn(&Cell) -> String,
    of_row: fn(&Value) -> Value,
}

/// Compares every row of the three breakdowns, calls and credits, and the cost of BYOK calls in all.
fn same_breakdowns(answer: &Value, cells: &[Cell]) -> Result<()> {
    let lists = [
        List { name: "by_reason", of_cell: |cell| cell.reason.clone(), of_row: |row| row["reason"].clone() },
        List {
            name: "by_model",
            of_cell: |cell| format!("{}/{}", cell.provider, cell.model),
            of_row: |row| row["value"].clone(),
        },
        List {
            name: "by_member",
            of_cell: |cell| cell.member_id.clone(),
            of_row: |row| row["member_id"].clone(),
        },
    ];
    for List { name: list, of_cell, of_row } in lists {
        let mut sums = std::collections::BTreeMap::<String, (u64, i128)>::new();
        for cell in cells {
            let sum = sums.entry(of_cell(cell)).or_default();
            sum.0 += cell.calls;
            sum.1 += cell.credits.0;
        }
        let rows = answer[list].as_array().with_context(|| format!("the answer has no {list}"))?;
        ensure!(rows.len() == sums.len(), "{list}: {} rows, the ledger has {}", rows.len(), sums.len());
        for row in rows {
            let name = of_row(row);
            let (calls, credits) = name.as_str().and_then(|name| sums.get(name)).copied().unwrap_or_default();
            let credits = Amount::from_units(credits).to_string();
            let same = row["calls"] == calls && row["credits"] == credits.as_str();
            ensure!(same, "{list} {name}: {row}, but the ledger has {calls} calls and {credits} credits");
        }
    }
    let cost: i128 = cells.iter().filter(|cell| !cell.currency.is_empty()).map(|cell| cell.cost.0).sum();
    ensure!(cost == 0 || answer["totals"]["byok"] != Value::Array(vec![]), "the answer has no BYOK cost");
    Ok(())
}

/// Each time by a service that has just started and keeps nothing yet; its connections are made by another question.
async fn ask_first(stack: &Stack, room: &Room, org_id: &str, path: &str, times: u32) -> Result<Way> {
    let mut taken = Vec::new();
    for _ in 0..times {
        let mut api = Api::start(stack, room, [org_id].into_iter()).await?;
        api.get(org_id, "usage?range=last_month").await?;
        taken.push(timed(&api, path).await?);
        api.process.stop();
    }
    Ok(Way::new("query API, asked for the first time", true, taken))
}

async fn ask_again(api: &Api, path: &str, times: u32) -> Result<Way> {
    let mut taken = Vec::new();
    for _ in 0..times {
        taken.push(timed(api, path).await?);
    }
    Ok(Way::new("query API, asked again", true, taken))
}

async fn timed(api: &Api, path: &str) -> Result<Duration> {
    let started = Instant::now();
    api.fetch(path, "identity").await?;
    Ok(started.elapsed())
}

async fn calls_of_this_month(api: &Api, org_id: &str) -> Result<Value> {
    let answer: Value = serde_json::from_str(&api.get(org_id, "breakdowns?range=this_month").await?)?;
    answer.pointer("/totals/calls").cloned().context("the breakdowns have no calls")
}

fn best_of_ledger(ways: &[Way]) -> Duration {
    let ledger = ways.iter().filter(|way| way.exact && way.name.starts_with("ledger"));
    ledger.map(Way::median).min().unwrap_or_default()
}

fn table(what: &str, ways: &[Way], best: Duration) -> Vec<Vec<String>> {
    let mut rows = vec![row![what, "median", "p99", "times faster than the best ledger query"]];
    rows.extend(ways.iter().map(|way| {
        let (median, last) = (way.median(), percentile(&way.times, 99));
        row![way.name, milliseconds(median), milliseconds(last), ratio(best.as_micros(), median.as_micros())]
    }));
    rows
}
