//! The rollups of every level against the truth, row by row.

use crate::flow::ORGS;
use crate::truth::{Truth, zone_of};
use chrono::Datelike;
use clickhouse::Row;
use serde::Deserialize;
use std::collections::BTreeMap;
use system_tests::{Room, Sums, date_of};

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
    cell_currencies: Vec<String>,
    cell_calls: Vec<u64>,
    cell_credits: Vec<i128>,
    cell_costs: Vec<i128>,
}

/// What it says.
struct StoredRow {
    org: String,
    span_ms: (i64, i64),
    through: u64,
    sums: Sums,
}

/// Every row says what its bucket held at the position it was cut at.
pub async fn every_row_is_true(room: &Room, truth: &Truth) {
    for table in TABLES {
        for row in rows(room, table).await {
            let wanted = truth.sums(&row.org, row.span_ms, row.through);
            assert_eq!(row.sums, wanted, "{table}: {} {:?} through {}", row.org, row.span_ms, row.through);
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
                let wanted = truth.sums(&row.org, row.span_ms, u64::MAX);
                if row.sums != wanted {
                    return Err(format!("{table}: {} {:?} is not up to date", row.org, row.span_ms));
                }
                *counted.entry(row.org).or_default() += row.sums.calls;
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
         through, calls, input_tokens, output_tokens, credits, cells.currency AS cell_currencies, \
         cells.calls AS cell_calls, cells.credits AS cell_credits, cells.provider_cost AS cell_costs FROM {table} FINAL"
    );
    let query = room.warehouse().read(&sql);
    let rows: Vec<Columns> = room.warehouse().fetch_all("judging rollups", query).await.expect("an answer");
    rows.into_iter().map(StoredRow::from).collect()
}

impl StoredRow {
    /// Whether its interval begins and ends with a day of the organisation's zone. Days that were computed before the
    /// directory told the zone stay where they are; no answer uses them any more.
    fn is_of_zone(&self, table: &str) -> bool {
        let zone = zone_of(&self.org);
        let is_edge = |unix_ms| date_of(zone, unix_ms) != date_of(zone, unix_ms - 1);
        table == TABLES[0] || (is_edge(self.span_ms.0) && is_edge(self.span_ms.1))
    }
}

impl From<Columns> for StoredRow {
    fn from(row: Columns) -> Self {
        let Columns { org, starts_at, ends_at, through, calls, input_tokens, output_tokens, credits, .. } =
            row;
        assert_eq!(calls, row.cell_calls.iter().sum::<u64>(), "calls and cells of {org} {starts_at}");
        assert_eq!(credits, row.cell_credits.iter().sum::<i128>(), "credits and cells of {org} {starts_at}");
        let mut byok: BTreeMap<String, (u64, i128)> = BTreeMap::new();
        for ((currency, calls), cost) in
            row.cell_currencies.into_iter().zip(row.cell_calls).zip(row.cell_costs)
        {
            if !currency.is_empty() {
                let sums = byok.entry(currency).or_default();
                *sums = (sums.0 + calls, sums.1 + cost);
            }
        }
        let sums = Sums { calls, input_tokens, output_tokens, credits, byok };
        let span_ms = (i64::from(starts_at) * 1000, i64::from(ends_at) * 1000);
        Self { org, span_ms, through, sums }
    }
}
