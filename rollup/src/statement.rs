//! The statement that carries out a plan.

use crate::level::Level;
use crate::plan::{Pinned, Plan, Slot};
use crate::request::{Request, unix_seconds};
use clickhouse::query::Query;
use warehouse::Warehouse;

/// How cells are found together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fold {
    /// By one integer, made of the numbers of their texts. Fails where these have more combinations than 10^18.
    ByNumbers,
    /// By their texts: two to three times the work.
    ByTexts,
}

/// The statement, ready to run.
pub fn statement(
    warehouse: &Warehouse,
    level: Level,
    request: &Request,
    plan: &Plan,
    fold: Fold,
    generation: u32,
) -> Query {
    let mut query = request
        // One thread: two would aggregate in two halves and then merge them, which costs a tenth more CPU time, and
        // cells would not come in order.
        .bind(warehouse.write(&text(level, plan, fold)).with_setting("max_threads", "1"))
        // The rows of one statement have different keys: merging the block with itself would be for nothing.
        .with_setting("optimize_on_insert", "0")
        .param("generation", generation)
        .param("bucket_rows", plan.rows_of_buckets(request.buckets.len()));
    if !plan.days.is_empty() {
        query = bind_rows(query, "days", &plan.days);
    }
    if !plan.quarters.is_empty() {
        query = bind_rows(query, "quarters", &plan.quarters);
    }
    if !plan.ledger.is_empty() {
        query = query
            .param("ledger_keys", column(&plan.ledger, key))
            .param("ledger_buckets", column(&plan.ledger, |slot| slot.bucket));
    }
    query
}

fn bind_rows(query: Query, below: &str, rows: &[Pinned]) -> Query {
    query
        .param(&format!("{below}_keys"), column(rows, |row| key(&row.slot)))
        .param(&format!("{below}_ends"), column(rows, |row| unix_seconds(row.slot.interval.ends_at)))
        .param(&format!("{below}_generations"), column(rows, |row| u64::from(row.generation)))
        .param(&format!("{below}_throughs"), column(rows, |row| row.through.as_u64()))
        .param(&format!("{below}_buckets"), column(rows, |row| row.slot.bucket))
}

fn column<T>(rows: &[T], value: impl Fn(&T) -> u64) -> Vec<u64> {
    rows.iter().map(value).collect()
}

/// The place of an organisation and an instant in one number.
fn key(slot: &Slot) -> u64 {
    slot.org << 32 | unix_seconds(slot.interval.starts_at)
}

/// The text of the statement, with the sources that the plan uses.
fn text(level: Level, plan: &Plan, fold: Fold) -> String {
    let rows = |below: &str, level: Level| {
        include_str!("../sql/compute_from_rows.sql")
            .replace("<below>", below)
            .replace("<table>", level.table())
    };
    let mut sources = Vec::new();
    if !plan.days.is_empty() {
        sources.push(("days", rows("days", Level::Day)));
    }
    if !plan.quarters.is_empty() {
        sources.push(("quarters", rows("quarters", Level::Quarter)));
    }
    if !plan.ledger.is_empty() {
        sources.push(("ledger", include_str!("../sql/compute_from_ledger.sql").to_owned()));
    }
    let union = |what: &str| {
        let selects: Vec<String> =
            sources.iter().map(|(name, _)| format!("SELECT * FROM {what}_of_{name}")).collect();
        selects.join(" UNION ALL ")
    };
    let fold = match fold {
        Fold::ByNumbers => include_str!("../sql/fold_by_numbers.sql"),
        Fold::ByTexts => include_str!("../sql/fold_by_texts.sql"),
    };
    include_str!("../sql/compute.sql")
        .replace("<fold>", fold)
        .replace("<table>", level.table())
        .replace("<sources>", &sources.iter().map(|(_, text)| text.as_str()).collect::<String>())
        .replace("<cells>", &union("cells"))
        .replace("<names>", &union("names"))
}
