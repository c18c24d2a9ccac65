//! The rollups of every level against the truth, cell by cell.

use crate::flow::ORGS;
use crate::truth::{Truth, zone_of};
use chrono::Datelike;
use clickhouse::Row;
use proto::Amount;
use proto::wire::ai_call::Charge;
use serde::Deserialize;
use std::collections::BTreeMap;
use system_tests::{Room, Winner, date_of};

const TABLES: [&str; 3] = ["usage_quarter_hourly", "usage_daily", "usage_monthly"];

/// How long after its end a bucket must have been computed.
const PATIENCE_MS: i64 = 60_000;

/// A row as it stands in the table.
#[derive(Row, Deserialize)]
struct Columns {
    org: String,
    starts_at: u32,
    ends_at: u32,
    through: u64,
    calls: u64,
    input_tokens: u64,
    output_tokens: u64,
    credits: i128,
    cell_names: Vec<[String; 5]>,
    cell_calls: Vec<u64>,
    cell_input_tokens: Vec<u64>,
    cell_output_tokens: Vec<u64>,
    cell_credits: Vec<i128>,
    cell_costs: Vec<i128>,
}

/// Member, reason, provider, model, and the currency of a BYOK call.
type Name<'a> = [&'a str; 5];

/// Sums of the calls of a name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Cell {
    calls: u64,
    input_tokens: u64,
    output_tokens: u64,
    credits: i128,
    cost: i128,
}

/// What it says.
struct StoredRow {
    org: String,
    span_ms: (i64, i64),
    through: u64,
    calls: u64,
    cells: BTreeMap<[String; 5], Cell>,
}

/// Every row says what its bucket held at the position it was cut at.
pub async fn every_row_is_true(room: &Room, truth: &Truth) {
    for table in TABLES {
        for row in rows(room, table).await {
            let differs = row.difference(truth, row.through);
            assert_eq!(differs, None, "{table}: {} {:?} through {}", row.org, row.span_ms, row.through);
        }
    }
}

/// Every call of a bucket that has passed is in exactly one row of each level, and that row says all its bucket holds.
pub async fn every_passed_bucket_is_there(room: &Room, truth: &Truth) -> Result<(), String> {
    let passed_ms = service::clock::now_ms() - PATIENCE_MS;
    for table in TABLES {
        let mut counted: BTreeMap<String, u64> = BTreeMap::new();
        for row in rows(room, table).await {
            if row.span_ms.1 <= passed_ms && row.is_of_zone(table) {
                if row.difference(truth, u64::MAX).is_some() {
                    return Err(format!("{table}: {} {:?} is not up to date", row.org, row.span_ms));
                }
                *counted.entry(row.org).or_default() += row.calls;
            }
        }
        for (org, _) in ORGS {
            let wanted =
                truth.winners(org).iter().filter(|winner| has_passed(table, org, winner.at_ms, passed_ms));
            let (wanted, found) = (wanted.count() as u64, counted.get(org).copied().unwrap_or(0));
            if wanted != found {
                return Err(format!("{table}: {found} of {wanted} calls of {org}"));
            }
        }
    }
    Ok(())
}

fn has_passed(table: &str, org: &str, at_ms: i64, passed_ms: i64) -> bool {
    let date = |unix_ms| date_of(zone_of(org), unix_ms);
    match table {
        "usage_quarter_hourly" => at_ms / 900_000 < passed_ms / 900_000,
        "usage_daily" => date(at_ms) < date(passed_ms),
        _ => {
            let month = |unix_ms| (date(unix_ms).year(), date(unix_ms).month());
            month(at_ms) < month(passed_ms)
        }
    }
}

async fn rows(room: &Room, table: &str) -> Vec<StoredRow> {
    let sql = format!(
        "SELECT toString(org_id) AS org, toUnixTimestamp(starts_at) AS starts_at, toUnixTimestamp(ends_at) AS ends_at, \
         through, calls, input_tokens, output_tokens, credits, \
         arrayMap((member, reason, provider, model, currency) -> (toString(member), toString(reason), \
         toString(provider), toString(model), toString(currency)), \
         cells.member_id, cells.reason, cells.provider, cells.model, cells.currency) AS cell_names, \
         cells.calls AS cell_calls, cells.input_tokens AS cell_input_tokens, \
         cells.output_tokens AS cell_output_tokens, cells.credits AS cell_credits, \
         cells.provider_cost AS cell_costs FROM {table} FINAL"
    );
    let query = room.warehouse().read(&sql);
    let rows: Vec<Columns> = room.warehouse().fetch_all("judging rollups", query).await.expect("an answer");
    rows.into_iter().map(StoredRow::from).collect()
}

impl StoredRow {
    /// The first cell that is not what its bucket holds at a position: its name, what is stored, and what is true.
    fn difference<'a>(
        &'a self,
        truth: &'a Truth,
        at: u64,
    ) -> Option<(Name<'a>, Option<&'a Cell>, Option<Cell>)> {
        let mut wanted: BTreeMap<Name<'_>, Cell> = BTreeMap::new();
        for winner in truth.inside(&self.org, self.span_ms, at) {
            let (name, cell) = said(winner);
            wanted.entry(name).or_default().add(cell);
        }
        let mut found: BTreeMap<Name<'_>, &Cell> =
            self.cells.iter().map(|(name, cell)| (name.each_ref().map(String::as_str), cell)).collect();
        for (name, cell) in wanted {
            let stored = found.remove(&name);
            if stored != Some(&cell) {
                return Some((name, stored, Some(cell)));
            }
        }
        found.pop_first().map(|(name, stored)| (name, Some(stored), None))
    }

    /// Whether its interval begins and ends with a day of the organisation's zone. Days that were computed before the
    /// directory told the zone stay where they are; no answer uses them any more.
    fn is_of_zone(&self, table: &str) -> bool {
        let zone = zone_of(&self.org);
        let is_edge = |unix_ms| date_of(zone, unix_ms) != date_of(zone, unix_ms - 1);
        table == TABLES[0] || (is_edge(self.span_ms.0) && is_edge(self.span_ms.1))
    }
}

impl Cell {
    fn add(&mut self, other: Self) {
        self.calls += other.calls;
        self.input_tokens += other.input_tokens;
        self.output_tokens += other.output_tokens;
        self.credits += other.credits;
        self.cost += other.cost;
    }
}

/// What the first message of a call adds to which cell.
fn said(winner: &Winner) -> (Name<'_>, Cell) {
    let call = &winner.call;
    let units = |text: &str| Amount::parse(text).expect("an amount").units();
    let (credits, cost, currency) = match call.charge.as_ref().expect("a charge") {
        Charge::Credits(credits) => (units(credits), 0, ""),
        Charge::ProviderCost(cost) => (0, units(&cost.amount), cost.currency.as_str()),
    };
    let name = [&call.member_id, &call.reason, &call.provider, &call.model, currency];
    let (input_tokens, output_tokens) = (call.input_tokens, call.output_tokens);
    (name, Cell { calls: 1, input_tokens, output_tokens, credits, cost })
}

impl From<Columns> for StoredRow {
    fn from(row: Columns) -> Self {
        let (mut cells, mut sums) = (BTreeMap::new(), Cell::default());
        for (at, name) in row.cell_names.into_iter().enumerate() {
            let cell = Cell {
                calls: row.cell_calls[at],
                input_tokens: row.cell_input_tokens[at],
                output_tokens: row.cell_output_tokens[at],
                credits: row.cell_credits[at],
                cost: row.cell_costs[at],
            };
            sums.add(cell);
            let twice = cells.insert(name, cell);
            assert_eq!(twice, None, "a cell of {} {} stands there twice", row.org, row.starts_at);
        }
        // Provider costs stand in the cells only, by currency.
        let of_cells = (sums.calls, sums.input_tokens, sums.output_tokens, sums.credits);
        let of_row = (row.calls, row.input_tokens, row.output_tokens, row.credits);
        assert_eq!(of_row, of_cells, "{} {} against its cells", row.org, row.starts_at);
        let span_ms = (i64::from(row.starts_at) * 1000, i64::from(row.ends_at) * 1000);
        Self { org: row.org, span_ms, through: row.through, calls: row.calls, cells }
    }
}
