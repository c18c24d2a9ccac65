//! What verification found, for people and for programs.

use super::sums::PartitionSums;
use serde::Serialize;
use std::io::{self, Write};

/// One thing that is not as it must be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// A stable code of what is wrong.
    pub kind: &'static str,
    /// Where: a bucket, a batch, a position.
    pub place: String,
    /// What should stand there.
    pub expected: String,
    /// What stands there.
    pub found: String,
}

/// What was looked at, and how it ended.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Summary {
    /// Distinct ledger positions up to the frontiers.
    pub ledger_rows: u64,
    /// Those that count: first writes.
    pub calls: u64,
    /// Later messages of the same call with the same content.
    pub repeats: u64,
    /// Later messages of the same call with other content.
    pub conflicts: u64,
    /// Re-deliveries that the engine has not merged yet: the same message at the same position once more.
    pub copies: u64,
    /// Touched quarter hours.
    pub touches: u64,
    /// Batch rows whose counts were compared with the ledger.
    pub batches: u64,
    /// Rollup rows that may be used, all compared.
    pub rows: u64,
    /// Rollup rows that nobody may use at these frontiers: touched since, or newer.
    pub unusable_rows: u64,
    /// Differences.
    pub differences: u64,
    /// The ledger rows partition by partition, in order.
    pub partitions: Vec<PartitionSums>,
}

/// Runs what it is given while no progress bar is in the way.
type HideProgress = Box<dyn Fn(&mut dyn FnMut()) + Send>;

impl Summary {
    /// Adds the counts of another part.
    pub fn add(&mut self, other: &Self) {
        self.ledger_rows += other.ledger_rows;
        self.calls += other.calls;
        self.repeats += other.repeats;
        self.conflicts += other.conflicts;
        self.copies += other.copies;
        self.touches += other.touches;
        self.batches += other.batches;
        self.rows += other.rows;
        self.unusable_rows += other.unusable_rows;
        self.differences += other.differences;
        self.partitions.extend(&other.partitions);
        self.partitions.sort_unstable_by_key(|sums| (sums.source, sums.partition));
        self.partitions.dedup_by(|next, sums| {
            let is_same = (next.source, next.partition) == (sums.source, sums.partition);
            if is_same {
                sums.add(next);
            }
            is_same
        });
    }

    /// Takes what a pass has counted of each partition.
    pub fn add_partitions(&mut self, counted: &[PartitionSums]) {
        let sum = |of: fn(&PartitionSums) -> u64| counted.iter().map(of).sum::<u64>();
        self.ledger_rows += sum(PartitionSums::rows);
        self.calls += sum(|sums| sums.calls);
        self.repeats += sum(|sums| sums.repeats);
        self.conflicts += sum(|sums| sums.conflicts);
        self.partitions.extend_from_slice(counted);
    }
}

/// Collects differences and shows each as it is found: nothing is lost when the rest cannot be verified.
pub struct Report<W> {
    out: W,
    json: bool,
    hide_progress: HideProgress,
    /// The counts so far.
    pub summary: Summary,
}

impl<W: Write> Report<W> {
    /// A report as text or as JSON, one object a line. `hide_progress` runs what it is given while no progress bar is in
    /// the way.
    pub fn new(out: W, json: bool, hide_progress: impl Fn(&mut dyn FnMut()) + Send + 'static) -> Self {
        Self { out, json, hide_progress: Box::new(hide_progress), summary: Summary::default() }
    }

    /// Shows a difference.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn add(&mut self, difference: Difference) -> io::Result<()> {
        self.summary.differences += 1;
        let line = if self.json {
            serde_json::to_string(&difference)?
        } else {
            let Difference { kind, place, expected, found } = difference;
            format!("{kind}: {place}\n  expected {expected}\n  found    {found}")
        };
        let mut result = Ok(());
        (self.hide_progress)(&mut || result = writeln!(self.out, "{line}"));
        result
    }

    /// Shows the summary.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn finish(&mut self) -> io::Result<()> {
        if self.json {
            return writeln!(self.out, "{}", serde_json::json!({ "summary": self.summary }));
        }
        let Summary {
            ledger_rows,
            calls,
            repeats,
            conflicts,
            copies,
            touches,
            batches,
            rows,
            unusable_rows,
            differences,
            partitions,
        } = &self.summary;
        for sums in partitions {
            let PartitionSums { source, partition, calls, repeats, conflicts, batches } = sums;
            let batches = batches.map_or_else(String::new, |rows| format!("; {rows} by its batches"));
            writeln!(
                self.out,
                "source {source}, partition {partition}: {} rows = {calls} calls + {repeats} repeats + {conflicts} \
                 conflicts{batches}",
                sums.rows(),
            )?;
        }
        writeln!(
            self.out,
            "ledger   {ledger_rows} rows = {calls} calls + {repeats} repeats + {conflicts} conflicts ({copies} re-deliveries not \
             merged yet)\n\
             touches  {touches} quarter hours\n\
             batches  {batches} counted\n\
             rollups  {rows} rows compared, {unusable_rows} not usable at these frontiers\n\
             {differences} differences{}",
            if *differences == 0 {
                ""
            } else {
                "; rollup/README.md says what each kind means and what to do"
            }
        )
    }
}
