//! One pass over everything in the order of organisation and time, which compares what the ledger's raw rows say with
//! what touches and rollup rows claim. Holds one quarter hour's cells, and the rows whose interval is not over yet.

use super::batches::Coverage;
use super::cells::{CellKey, Cells, Sums, shown};
use super::claims::{Bucket, Claims};
use super::report::{Difference, Report, Summary};
use super::rows::{Call, Row, Touch};
use super::sums::Tally;
use super::texts::Texts;
use crate::level::Level;
use crate::selection::Selection;
use chrono::DateTime;
use hashbrown::HashMap;
use proto::{EventId, Position};
use std::io::{self, Write};
use std::sync::{Arc, Mutex, PoisonError};
use warehouse::calendar::{Interval, QUARTER_SECONDS, Tz};
use warehouse::first_write::{Ascending, Verdict};
use warehouse::row_is_usable;

/// Most cells of one bucket that are reported one by one.
const CELLS_SHOWN_MAX: usize = 10;

/// What all passes share.
pub struct Common<W> {
    /// What was found.
    pub report: Mutex<Report<W>>,
    /// Which positions were seen; `None` when only some of the ledger is read.
    pub coverage: Option<Coverage>,
    /// The frontiers of the partitions.
    pub frontiers: Vec<Position>,
    /// Rows that must be there.
    pub claims: Claims,
    /// What is verified.
    pub selection: Selection,
}

/// One pass, over a run of organisations.
pub struct Sweep<W> {
    /// Texts of all streams.
    pub texts: Texts,
    common: Arc<Common<W>>,
    /// What this pass has counted.
    summary: Summary,
    /// For each partition the highest position that any rollup row goes through.
    rows_go_through: Vec<Position>,
    here: Option<Here>,
    /// Rows and touched buckets of the present organisation that are not over.
    open: Vec<Open>,
    touched: Vec<Bucket>,
    /// Those that go on behind the month that is read, by organisation.
    carried: HashMap<u32, (Vec<Open>, Vec<Bucket>)>,
    tally: Tally,
}

/// The quarter hour of an organisation that the pass has come to.
struct Here {
    org: u32,
    partition: usize,
    at: Position,
    quarter: i64,
    judge: Ascending<(i64, EventKey)>,
    /// The first write of the present identity, and the row before.
    first: Option<Call>,
    before: Option<Call>,
    cells: Cells,
    /// First and last position of the ledger's rows up to the frontier.
    ledger: Option<(Position, Position)>,
    touched: Option<(Position, Position)>,
}

type EventKey = u128;

/// A rollup row while its interval is gone through.
struct Open {
    level: Level,
    row: Row,
    expected: Cells,
    last_touch: Option<Position>,
}

impl<W: Write> Common<W> {
    /// Reports a difference.
    ///
    /// # Errors
    /// When the report cannot be written.
    pub fn add(&self, difference: Difference) -> io::Result<()> {
        self.report.lock().unwrap_or_else(PoisonError::into_inner).add(difference)
    }
}

impl<W: Write> Sweep<W> {
    /// A pass that has not begun.
    pub fn new(common: &Arc<Common<W>>) -> Self {
        Self {
            texts: Texts::default(),
            common: Arc::clone(common),
            summary: Summary::default(),
            rows_go_through: vec![Position::ZERO; common.frontiers.len()],
            here: None,
            open: Vec::new(),
            touched: Vec::new(),
            carried: HashMap::new(),
            tally: Tally::default(),
        }
    }

    /// Comes to a quarter hour, or to the start of a rollup row: what ended before is judged.
    ///
    /// # Errors
    /// When the report cannot be written.
    pub fn enter(&mut self, org: u32, quarter: i64) -> io::Result<()> {
        self.leave_quarter()?;
        match &mut self.here {
            Some(here) if here.org == org => here.quarter = quarter,
            _ => {
                self.leave_organisation();
                let partitions = self.common.frontiers.len() as u32;
                let partition = proto::partition_of(self.texts.text(org).as_bytes(), partitions) as usize;
                let at = self.common.frontiers[partition];
                self.here = Some(Here {
                    org,
                    partition,
                    at,
                    quarter,
                    judge: Ascending::cut_at(at),
                    first: None,
                    before: None,
                    cells: Cells::new(),
                    ledger: None,
                    touched: None,
                });
                (self.open, self.touched) = self.carried.remove(&org).unwrap_or_default();
            }
        }
        self.close(quarter)
    }

    /// Takes a rollup row that starts here.
    pub fn open(&mut self, level: Level, row: Row) {
        let Some(here) = &self.here else { return };
        let through = &mut self.rows_go_through[here.partition];
        *through = (*through).max(row.through);
        let version = |row: &Row| (row.generation, row.through);
        let same = |open: &Open| open.level == level && open.row.interval == row.interval;
        // Superseded versions count for nobody. Copies of the highest one do: the engine may give any of them.
        if self.open.iter().any(|open| same(open) && version(&open.row) > version(&row)) {
            return;
        }
        self.open.retain(|open| !(same(open) && version(&open.row) < version(&row)));
        self.open.push(Open { level, row, expected: Cells::new(), last_touch: None });
    }

    /// Takes ledger rows of this quarter hour, in the order of the key.
    ///
    /// # Errors
    /// When the report cannot be written.
    pub fn calls(&mut self, calls: &[Call]) -> io::Result<()> {
        let Some(here) = &mut self.here else { return Ok(()) };
        for call in calls {
            let identity = (call.occurred_at_ms, call.event_id.as_u128());
            let verdict = here.judge.judge(identity, call.position);
            if verdict == Verdict::AfterCut {
                continue;
            }
            let differs = |other: Option<Call>| other.is_some_and(|other| other.content != call.content);
            let org_id = self.texts.text(here.org);
            let difference = |kind, expected: String, found: String| Difference {
                kind,
                place: format!("event {} of {org_id:?} at position {}", call.event_id, call.position),
                expected,
                found,
            };
            if verdict == Verdict::Copy {
                self.summary.copies += 1;
                if differs(here.before) {
                    self.common.add(difference(
                        "copies_differ",
                        "one content at one position".into(),
                        "rows of the same key with different contents".into(),
                    ))?;
                }
                continue;
            }
            if let Some(coverage) = &self.common.coverage
                && let Some(found) = coverage.see(org_id, call.partition, call.position)
            {
                self.common.add(found)?;
            }
            let inside_id = EventId::from_uuid(call.event_id).map(EventId::unix_ms);
            if inside_id != Ok(call.occurred_at_ms) {
                self.common.add(difference(
                    "times_differ",
                    inside_id.map_or_else(
                        |error| error.to_string(),
                        |unix_ms| format!("{unix_ms} ms, as in the id"),
                    ),
                    format!("{} ms", call.occurred_at_ms),
                ))?;
            }
            let (first, last) = here.ledger.get_or_insert((call.position, call.position));
            (*first, *last) = ((*first).min(call.position), (*last).max(call.position));
            let ends = self.tally.of(call.position.source(), call.partition);
            if verdict == Verdict::Counts {
                ends.calls += 1;
                here.cells.entry(call.content.cell).or_default().add(&call.content.sums);
                here.first = Some(*call);
            } else if differs(here.first) {
                ends.conflicts += 1;
            } else {
                ends.repeats += 1;
            }
            here.before = Some(*call);
        }
        Ok(())
    }

    /// Takes a row of touches of this quarter hour.
    pub fn touch(&mut self, touch: &Touch) {
        let Some(here) = &mut self.here else { return };
        let (first, last) = here.touched.get_or_insert((touch.first, touch.last));
        (*first, *last) = ((*first).min(touch.first), (*last).max(touch.last));
    }

    /// Ends the reading of a month: what goes on behind it waits for the next one.
    ///
    /// # Errors
    /// When the report cannot be written.
    pub fn end_month(&mut self, ends_at: i64) -> io::Result<()> {
        self.leave_quarter()?;
        if self.here.is_some() {
            self.close(ends_at)?;
        }
        self.leave_organisation();
        Ok(())
    }

    /// Ends the pass: whatever is open is over. Returns what it counted, and for each partition the highest position that
    /// any rollup row goes through.
    ///
    /// # Errors
    /// When the report cannot be written.
    pub fn finish(mut self) -> io::Result<(Summary, Vec<Position>)> {
        for org in self.carried.keys().copied().collect::<Vec<_>>() {
            self.enter(org, i64::MAX)?;
        }
        self.summary.add_partitions(&self.tally.finish());
        Ok((self.summary, self.rows_go_through))
    }

    /// The quarter hour is over: compares its touches, and gives its cells to the rows that hold it.
    fn leave_quarter(&mut self) -> io::Result<()> {
        let Some(here) = &mut self.here else { return Ok(()) };
        let (ledger, touched) = (here.ledger.take(), here.touched.take());
        let cells = std::mem::take(&mut here.cells);
        here.first = None;
        here.before = None;
        let (org, quarter, at) = (here.org, here.quarter, here.at);
        if touched.is_some_and(|(first, _)| first <= at) {
            self.summary.touches += 1;
        }
        if let Some(mut difference) = touch_difference(ledger, touched, at) {
            difference.place = format!("quarter hour {} of {:?}", time(quarter), self.texts.text(org));
            self.common.add(difference)?;
        }
        let quarter = Interval { starts_at: quarter, ends_at: quarter.saturating_add(QUARTER_SECONDS) };
        if let Some((_, last)) = touched {
            self.claim(org, quarter, last);
        }
        let holds = |open: &&mut Open| {
            open.row.interval.starts_at <= quarter.starts_at && quarter.starts_at < open.row.interval.ends_at
        };
        for open in self.open.iter_mut().filter(holds) {
            open.last_touch = open.last_touch.max(touched.map(|(_, last)| last));
            if open.row.interval == quarter {
                continue;
            }
            for (key, sums) in &cells {
                open.expected.entry(*key).or_default().add(sums);
            }
        }
        // The row of the quarter hour itself is compared with the cells as they are.
        while let Some(index) = self.open.iter().position(|open| open.row.interval == quarter) {
            let open = self.open.swap_remove(index);
            self.judge(org, at, &open, &cells)?;
        }
        self.miss(org, |bucket| bucket.interval == quarter)?;
        // The map keeps its room for the next quarter hour.
        if let Some(here) = &mut self.here {
            here.cells = cells;
            here.cells.clear();
        }
        Ok(())
    }

    fn leave_organisation(&mut self) {
        if let Some(here) = self.here.take()
            && !(self.open.is_empty() && self.touched.is_empty())
        {
            let goes_on = (std::mem::take(&mut self.open), std::mem::take(&mut self.touched));
            self.carried.insert(here.org, goes_on);
        }
    }

    /// Takes note of the buckets that a touched quarter hour lies in.
    fn claim(&mut self, org: u32, quarter: Interval, last_touch: Position) {
        let Ok(starts_at) = u32::try_from(quarter.starts_at) else { return };
        let zone = self.common.claims.zone(self.texts.text(org));
        for level in Level::ALL {
            let holds = |bucket: &&mut Bucket| {
                bucket.level == level
                    && bucket.interval.starts_at <= quarter.starts_at
                    && quarter.starts_at < bucket.interval.ends_at
            };
            if let Some(bucket) = self.touched.iter_mut().find(holds) {
                bucket.last_touch = bucket.last_touch.max(last_touch);
                continue;
            }
            let Some(zone) = zone.or((level == Level::Quarter).then_some(Tz::UTC)) else { continue };
            let interval = level.interval(zone, starts_at);
            if self.common.selection.holds(interval) {
                self.touched.push(Bucket { level, interval, last_touch, through: None });
            }
        }
    }

    /// Takes touched buckets that are over, and reports those whose row should be there and is not.
    fn miss(&mut self, org: u32, is_over: impl Fn(&Bucket) -> bool) -> io::Result<()> {
        let org_id = self.texts.text(org);
        let partition = proto::partition_of(org_id.as_bytes(), self.common.frontiers.len() as u32) as usize;
        let bookmark = self.common.claims.bookmark(partition);
        while let Some(index) = self.touched.iter().position(&is_over) {
            let bucket = self.touched.swap_remove(index);
            if bucket.is_missing(bookmark) {
                let Interval { starts_at, ends_at } = bucket.interval;
                let place =
                    format!("{} {} to {} of {org_id:?}", bucket.level.name(), time(starts_at), time(ends_at));
                self.common.add(bucket.difference(place, bookmark))?;
            }
        }
        Ok(())
    }

    /// Judges the rows that are over at an instant.
    fn close(&mut self, instant: i64) -> io::Result<()> {
        let Some((org, at)) = self.here.as_ref().map(|here| (here.org, here.at)) else { return Ok(()) };
        while let Some(index) = self.open.iter().position(|open| open.row.interval.ends_at <= instant) {
            let mut open = self.open.swap_remove(index);
            let expected = std::mem::take(&mut open.expected);
            self.judge(org, at, &open, &expected)?;
        }
        self.miss(org, |bucket| bucket.interval.ends_at <= instant)
    }

    /// Compares a row with what the ledger says, if anybody may use it.
    fn judge(&mut self, org: u32, at: Position, open: &Open, expected: &Cells) -> io::Result<()> {
        let Open { level, row, last_touch, .. } = open;
        let same = |bucket: &&mut Bucket| bucket.level == *level && bucket.interval == row.interval;
        if let Some(bucket) = self.touched.iter_mut().find(same) {
            bucket.through = bucket.through.max(Some(row.through));
        }
        if !row_is_usable(row.through, *last_touch, at) {
            self.summary.unusable_rows += 1;
            return Ok(());
        }
        self.summary.rows += 1;
        let bucket = || {
            format!(
                "{} {} to {} of {:?}, generation {}, through {}",
                level.name(),
                time(row.interval.starts_at),
                time(row.interval.ends_at),
                self.texts.text(org),
                row.generation,
                row.through
            )
        };
        for difference in row_differences(row, expected, &self.texts, bucket) {
            self.common.add(difference)?;
        }
        Ok(())
    }
}

/// What is wrong with the touches of a quarter hour; the place is left to the caller.
fn touch_difference(
    ledger: Option<(Position, Position)>,
    touched: Option<(Position, Position)>,
    at: Position,
) -> Option<Difference> {
    // What lies behind the frontier is on its way: it may be in one table and not yet in the other.
    let touched = touched.filter(|(first, _)| *first <= at);
    let agrees = match (ledger, touched) {
        (None, None) => true,
        (Some((first, last)), Some((touched_first, touched_last))) => {
            first == touched_first && (last == touched_last || (touched_last > at && last <= at))
        }
        _ => false,
    };
    let shown = |range: Option<(Position, Position)>, nothing: &str| {
        range.map_or_else(|| nothing.to_owned(), |(first, last)| format!("positions {first} to {last}"))
    };
    (!agrees).then(|| Difference {
        kind: "touch",
        place: String::new(),
        expected: shown(ledger, "no touch, for there is no ledger row"),
        found: shown(touched, "no touch"),
    })
}

/// Everything that is wrong with a row.
///
/// `bucket` names it; hardly ever anything is to be named.
fn row_differences(
    row: &Row,
    expected: &Cells,
    texts: &Texts,
    bucket: impl Fn() -> String,
) -> Vec<Difference> {
    let mut differences = Vec::new();
    let mut add = |kind, place: String, expected: String, found: String| {
        differences.push(Difference { kind, place, expected, found });
    };
    let is_sorted = row.cells.is_sorted_by(|(left, _), (right, _)| {
        left.map(|number| texts.text(number)) < right.map(|number| texts.text(number))
    });
    // Sorted, and so each once; as many as expected; each as expected: then all is right.
    let agrees = is_sorted
        && row.cells.len() == expected.len()
        && row.cells.iter().all(|(key, sums)| expected.get(key) == Some(sums));
    if !agrees {
        let nothing = || "nothing".to_owned();
        let found: HashMap<CellKey, Sums> = row.cells.iter().copied().collect();
        let mut wrong: Vec<CellKey> = found
            .iter()
            .filter(|(key, sums)| expected.get(*key) != Some(*sums))
            .map(|(key, _)| *key)
            .chain(expected.keys().filter(|key| !found.contains_key(*key)).copied())
            .collect();
        wrong.sort_unstable_by_key(|key| key.map(|number| texts.text(number)));
        let bucket = bucket();
        for key in wrong.iter().take(CELLS_SHOWN_MAX) {
            let sums = |cells: &HashMap<CellKey, Sums>| cells.get(key).map_or_else(nothing, Sums::to_string);
            add("cell", format!("{bucket}: {}", shown(key, texts)), sums(expected), sums(&found));
        }
        if wrong.len() > CELLS_SHOWN_MAX {
            let more = wrong.len() - CELLS_SHOWN_MAX;
            add("cell", bucket, "no difference".into(), format!("{more} more cells that differ"));
        }
    }
    if !is_sorted {
        add("cells_unsorted", bucket(), "each cell once, in order".into(), "another order".into());
    }
    let mut totals = row.cells.iter().fold(Sums::default(), |mut totals, (_, sums)| {
        totals.add(sums);
        totals
    });
    totals.provider_cost = 0;
    if totals != row.totals {
        add("totals", bucket(), format!("{totals}, as in the cells"), row.totals.to_string());
    }
    differences
}

fn time(unix_seconds: i64) -> String {
    DateTime::from_timestamp(unix_seconds, 0)
        .map_or_else(|| unix_seconds.to_string(), |instant| instant.format("%Y-%m-%dT%H:%MZ").to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn touches_are_the_first_and_last_position_of_their_ledger_rows() {
        let p = Position::from_u64;
        let agrees = |ledger: Option<(u64, u64)>, touched: Option<(u64, u64)>| {
            let range = |range: Option<(u64, u64)>| range.map(|(first, last)| (p(first), p(last)));
            touch_difference(range(ledger), range(touched), p(10)).is_none()
        };
        assert!(agrees(Some((3, 7)), Some((3, 7))));
        assert!(agrees(Some((3, 7)), Some((3, 12))), "a later one is on its way");
        assert!(agrees(None, Some((11, 12))), "behind the frontier");
        assert!(!agrees(Some((3, 7)), None));
        assert!(!agrees(None, Some((3, 7))));
        assert!(!agrees(Some((3, 7)), Some((3, 6))));
        assert!(!agrees(Some((3, 7)), Some((4, 7))));
        assert!(!agrees(Some((3, 7)), Some((2, 7))));
    }
}
