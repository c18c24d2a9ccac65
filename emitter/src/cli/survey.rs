//! What files hold: checked lines, counts and exact sums.

use super::call_line::{CallLine, FIELDS, call_line};
use super::input::{Format, Place, lines};
use super::row::LineError;
use anyhow::Context;
use chrono::DateTime;
use proto::{Amount, Charge, Currency};
use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

/// Bad lines that are shown; the others are counted.
const BAD_LINES_SHOWN: usize = 20;

/// Every call of all files, in order, each with its place; wrong lines with what is wrong.
///
/// # Errors
/// A format that is not known. Files that cannot be read are errors of the items.
pub fn call_lines(
    files: &[PathBuf],
    format: Option<Format>,
) -> anyhow::Result<impl Iterator<Item = anyhow::Result<(Place, Result<CallLine, LineError>)>>> {
    let formats: Vec<Format> =
        files.iter().map(|file| format.map_or_else(|| Format::of(file), Ok)).collect::<Result<_, _>>()?;
    let files = files.to_vec();
    Ok(files.into_iter().zip(formats).flat_map(|(file, format)| {
        // A file that cannot be opened is an item like a line that cannot be read.
        let (opened, failed) = match lines(&file, format, &FIELDS) {
            Ok(lines) => (Some(lines), None),
            Err(error) => (None, Some(Err(error))),
        };
        let parsed = opened.into_iter().flatten().map(|line| {
            let (place, row) = line?;
            Ok((place, row.and_then(|row| call_line(&row))))
        });
        failed.into_iter().chain(parsed)
    }))
}

/// Counts and sums. Credits and money, and money of two currencies, are never added.
#[derive(Debug, Default)]
pub struct Survey {
    pub calls: u64,
    credits: (u64, Amount),
    costs: BTreeMap<Currency, (u64, Amount)>,
    /// Time and place of the oldest and the newest call.
    pub oldest: Option<(i64, Place)>,
    pub newest: Option<(i64, Place)>,
    pub bad: BadLines,
}

impl Survey {
    /// Adds a call.
    ///
    /// # Errors
    /// A sum that does not fit 38 digits.
    pub fn add(&mut self, place: &Place, call: &proto::Call) -> anyhow::Result<()> {
        self.calls += 1;
        let ((calls, sum), amount) = match call.charge {
            Charge::Credits(credits) => (&mut self.credits, credits.0),
            Charge::ProviderCost(cost) => (self.costs.entry(cost.currency).or_default(), cost.amount),
        };
        *calls += 1;
        *sum = sum.checked_add(amount).context("the sum of all amounts is too large")?;
        let at = call.occurred_at_ms();
        if self.oldest.as_ref().is_none_or(|(oldest, _)| at < *oldest) {
            self.oldest = Some((at, place.clone()));
        }
        if self.newest.as_ref().is_none_or(|(newest, _)| at > *newest) {
            self.newest = Some((at, place.clone()));
        }
        Ok(())
    }
}

impl fmt::Display for Survey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "calls: {}", self.calls)?;
        let (calls, sum) = &self.credits;
        writeln!(f, "credits: {sum} ({calls} calls)")?;
        for (currency, (calls, sum)) in &self.costs {
            writeln!(f, "provider cost: {sum} {currency} ({calls} calls)")?;
        }
        if let (Some((oldest, _)), Some((newest, _))) = (&self.oldest, &self.newest) {
            writeln!(f, "from {} to {}", show_time(*oldest), show_time(*newest))?;
        }
        Ok(())
    }
}

/// A Unix millisecond as people read it.
pub fn show_time(unix_ms: i64) -> String {
    let time = DateTime::from_timestamp_millis(unix_ms);
    time.map_or_else(|| unix_ms.to_string(), |time| time.to_rfc3339_opts(chrono::SecondsFormat::Millis, true))
}

/// Wrong lines: all are counted, the first ones kept.
#[derive(Debug, Default)]
pub struct BadLines {
    pub count: u64,
    shown: Vec<String>,
}

impl BadLines {
    pub fn add(&mut self, place: &Place, error: &LineError) {
        self.count += 1;
        if self.shown.len() < BAD_LINES_SHOWN {
            self.shown.push(format!("{place}: {error}"));
        }
    }
}

impl fmt::Display for BadLines {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for line in &self.shown {
            writeln!(f, "{line}")?;
        }
        match self.count - self.shown.len() as u64 {
            0 => Ok(()),
            more => writeln!(f, "… and {more} more"),
        }
    }
}
