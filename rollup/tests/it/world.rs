//! A ledger of a test's own with everything that belongs to it, written as ingest would; and a naive model of it.

use clickhouse::Row;
use proto::{Charge, Position};
use rollup::{FrontierReader, Frontiers, Step, Worker, WorkerSettings};
use serde::Deserialize;
use service::shutdown::Shutdown;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::{Deref, DerefMut};
use system_tests::{Ledger, LedgerMessage, Room, Stack};
use warehouse::OrganisationRow;
use warehouse::calendar::{self, Interval, Tz};

/// A ledger, and the zones it was told.
pub struct World {
    ledger: Ledger,
    zone_versions: u64,
}

impl Deref for World {
    type Target = Ledger;

    fn deref(&self) -> &Ledger {
        &self.ledger
    }
}

impl DerefMut for World {
    fn deref_mut(&mut self) -> &mut Ledger {
        &mut self.ledger
    }
}

/// What tells a cell from another: member, reason, provider, model, currency.
pub type CellKey = [String; 5];

/// Sums of a cell: calls, input tokens, output tokens, and units of 10^-12 credits and provider cost.
pub type CellSums = (u64, u64, u64, i128, i128);

/// All cells of a bucket.
pub type Cells = BTreeMap<CellKey, CellSums>;

/// A stored row as it stands in the table.
#[derive(Clone, Debug, PartialEq, Row, Deserialize)]
pub struct StoredRow {
    pub org_id: String,
    pub starts_at: u32,
    pub ends_at: u32,
    pub generation: u32,
    pub through: u64,
    pub calls: u64,
    pub input_tokens: u64,
    pub output_tokens: u64,
    pub credits: i128,
    #[serde(rename = "cells.member_id")]
    pub member_ids: Vec<String>,
    #[serde(rename = "cells.reason")]
    pub reasons: Vec<String>,
    #[serde(rename = "cells.provider")]
    pub providers: Vec<String>,
    #[serde(rename = "cells.model")]
    pub models: Vec<String>,
    #[serde(rename = "cells.currency")]
    pub currencies: Vec<String>,
    #[serde(rename = "cells.calls")]
    pub cell_calls: Vec<u64>,
    #[serde(rename = "cells.input_tokens")]
    pub cell_input_tokens: Vec<u64>,
    #[serde(rename = "cells.output_tokens")]
    pub cell_output_tokens: Vec<u64>,
    #[serde(rename = "cells.credits")]
    pub cell_credits: Vec<i128>,
    #[serde(rename = "cells.provider_cost")]
    pub cell_provider_costs: Vec<i128>,
}

impl StoredRow {
    pub fn cells(&self) -> Cells {
        (0..self.member_ids.len())
            .map(|at| {
                let key = [&self.member_ids, &self.reasons, &self.providers, &self.models, &self.currencies]
                    .map(|texts| texts[at].clone());
                let sums = (
                    self.cell_calls[at],
                    self.cell_input_tokens[at],
                    self.cell_output_tokens[at],
                    self.cell_credits[at],
                    self.cell_provider_costs[at],
                );
                (key, sums)
            })
            .collect()
    }
}

impl World {
    /// An empty ledger of one source with so many partitions.
    pub async fn new(test: &str, partitions: u16) -> Self {
        let room = Room::new(&Stack::shared(), test).await;
        Self { ledger: Ledger::new(room, partitions).await, zone_versions: 0 }
    }

    /// Names an organisation's zone, as the directory topic would.
    pub async fn set_zone(&mut self, org_id: &str, zone: &str) {
        self.zone_versions += 1;
        let row = OrganisationRow {
            org_id: org_id.into(),
            position: self.zone_versions,
            short_name: org_id.into(),
            display_name: org_id.into(),
            time_zone: zone.into(),
        };
        self.warehouse().insert_rows("naming", "organisations", &[row]).await.unwrap();
    }

    /// A worker of this ledger.
    pub fn worker(&self) -> Worker {
        self.worker_of(0, 1)
    }

    /// One of so many workers of this ledger.
    pub fn worker_of(&self, index: u32, count: u32) -> Worker {
        let settings = WorkerSettings { index, count, ..worker_settings() };
        Worker::new(self.warehouse().clone(), settings, Shutdown::new())
    }

    /// Runs a statement that changes something.
    pub async fn run(&self, sql: &str) {
        let query = self.warehouse().write(sql).with_setting("mutations_sync", "1");
        self.warehouse().execute("running", query).await.unwrap();
    }

    /// The frontiers as a worker reads them.
    pub async fn frontiers(&self) -> Frontiers {
        FrontierReader::default().read(self.warehouse()).await.unwrap().unwrap()
    }

    /// Lets a worker step until nothing is left to do.
    pub async fn settle(&self, worker: &mut Worker) {
        let mut idle = 0;
        for _ in 0..100 {
            idle = if worker.step().await.unwrap() == Step::Idle { idle + 1 } else { 0 };
            // A bucket is quiet, and due, one look after its last touch was seen.
            if idle == 2 {
                return;
            }
        }
        panic!("the worker finds something to do at every step");
    }

    /// All rows of a level as a reader sees them.
    pub async fn rows(&self, table: &str) -> Vec<StoredRow> {
        let sql = format!(
            "SELECT toString(org_id) AS org_id, toUnixTimestamp(starts_at) AS starts_at, toUnixTimestamp(ends_at) AS ends_at, \
             generation, through, calls, input_tokens, output_tokens, credits, \
             cells.member_id, cells.reason, cells.provider, cells.model, cells.currency, cells.calls, \
             cells.input_tokens, cells.output_tokens, cells.credits, cells.provider_cost \
             FROM {table} FINAL ORDER BY org_id, starts_at, ends_at"
        );
        self.warehouse().fetch_all("reading rows", self.warehouse().read(&sql)).await.unwrap()
    }

    /// What an interval of an organisation holds at a position: the first write of each identity.
    pub fn model(&self, org_id: &str, interval: Interval, at: Position) -> Cells {
        let mut first: BTreeMap<(i64, proto::EventId), &LedgerMessage> = BTreeMap::new();
        for message in &self.messages {
            let inside =
                message.call.org_id.as_str() == org_id && interval.contains_ms(message.call.occurred_at_ms());
            if inside && message.position <= at {
                let identity = (message.call.occurred_at_ms(), message.call.event_id);
                let kept = first.entry(identity).or_insert(message);
                if message.position < kept.position {
                    *kept = message;
                }
            }
        }
        let mut cells = Cells::new();
        for message in first.values() {
            let call = &message.call;
            let (currency, credits, cost) = match &call.charge {
                Charge::Credits(credits) => ("", credits.0.units(), 0),
                Charge::ProviderCost(cost) => (cost.currency.as_str(), 0, cost.amount.units()),
            };
            let key = [
                call.member_id.as_str(),
                call.reason.as_str(),
                call.provider.as_str(),
                call.model.as_str(),
                currency,
            ]
            .map(str::to_owned);
            let sums = cells.entry(key).or_default();
            sums.0 += 1;
            sums.1 += u64::from(call.input_tokens);
            sums.2 += u64::from(call.output_tokens);
            sums.3 += credits;
            sums.4 += cost;
        }
        cells
    }

    /// Organisations of the ledger.
    pub fn org_ids(&self) -> BTreeSet<String> {
        self.messages.iter().map(|message| message.call.org_id.to_string()).collect()
    }

    /// The intervals of a level that hold calls of an organisation and ended before an instant.
    pub fn passed(&self, table: &str, org_id: &str, zone: Tz, before_ms: i64) -> BTreeSet<Interval> {
        let of = |message: &LedgerMessage| {
            let unix_ms = message.call.occurred_at_ms();
            match table {
                "usage_quarter_hourly" => calendar::quarter_of(unix_ms),
                "usage_daily" => calendar::day(zone, calendar::date_of(zone, unix_ms)),
                _ => calendar::month(zone, calendar::date_of(zone, unix_ms)),
            }
        };
        self.messages
            .iter()
            .filter(|message| message.call.org_id.as_str() == org_id)
            .map(of)
            .filter(|interval| interval.ends_at * 1000 <= before_ms)
            .collect()
    }

    /// Asserts that every passed bucket of every level has a row that holds what the model says, at the newest position.
    pub async fn assert_complete(&self, zones: &BTreeMap<String, Tz>, before_ms: i64) {
        for table in TABLES {
            let rows = self.rows(table).await;
            for org_id in self.org_ids() {
                let zone = zones.get(&org_id).copied().unwrap_or_default();
                let at = self.position_of(&org_id);
                for interval in self.passed(table, &org_id, zone, before_ms) {
                    let row = rows
                        .iter()
                        .find(|row| row.org_id == org_id && is_of(row, interval))
                        .unwrap_or_else(|| panic!("no row in {table} for {org_id} {interval:?}"));
                    assert_eq!(
                        row.cells(),
                        self.model(&org_id, interval, at),
                        "{table} {org_id} {interval:?}"
                    );
                }
            }
            self.assert_true(table, &rows);
        }
    }

    /// Asserts that every row is what the model says at the row's own position, and consistent in itself.
    pub fn assert_true(&self, table: &str, rows: &[StoredRow]) {
        for row in rows {
            let interval = Interval { starts_at: i64::from(row.starts_at), ends_at: i64::from(row.ends_at) };
            let cells = row.cells();
            let through = Position::from_u64(row.through);
            assert_eq!(
                cells,
                self.model(&row.org_id, interval, through),
                "{table} {} {interval:?}",
                row.org_id
            );
            let keys: Vec<&CellKey> = cells.keys().collect();
            assert_eq!(keys.len(), row.member_ids.len(), "a cell comes twice in {row:?}");
            assert_eq!(
                row.member_ids,
                keys.iter().map(|key| key[0].clone()).collect::<Vec<_>>(),
                "cells are sorted"
            );
            let sums = cells.values().fold((0, 0, 0, 0), |sum, cell| {
                (sum.0 + cell.0, sum.1 + cell.1, sum.2 + cell.2, sum.3 + cell.3)
            });
            assert_eq!(
                (row.calls, row.input_tokens, row.output_tokens, row.credits),
                sums,
                "totals of {row:?}"
            );
        }
    }
}

/// Every level's table, the lowest first.
pub const TABLES: [&str; 3] = ["usage_quarter_hourly", "usage_daily", "usage_monthly"];

/// Settings of a worker that has no patience.
pub fn worker_settings() -> WorkerSettings {
    serde_json::from_value(serde_json::json!({
        "index": 0, "count": 1, "step_interval": "10ms", "grace": "2s",
        "rows_per_statement": 10_000, "buckets_per_statement": 50,
    }))
    .unwrap()
}

fn is_of(row: &StoredRow, interval: Interval) -> bool {
    i64::from(row.starts_at) == interval.starts_at && i64::from(row.ends_at) == interval.ends_at
}
