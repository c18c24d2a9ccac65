//! Goes through the offsets of all partitions, so many at once: what the log holds, then what the ledger has of them. So
//! memory does not grow with either.

use super::VerifyArgs;
use super::content::Content;
use super::log::{Log, Marks, Suspect, Suspects};
use super::proof::{Partition, Proof, never_arrived};
use super::slice::{End, Slice};
use super::told::Told;
use crate::cluster::LogBounds;
use crate::command::Tools;
use crate::command::reading::Spans;
use crate::source::{Source, all_bounds};
use proto::Position;
use std::sync::Arc;
use warehouse::LedgerRow;

/// Offsets compared at once by their counts: 32 MB.
const AT_ONCE: u32 = 1 << 28;
/// The same with what the log holds: 36 MB.
const AT_ONCE_WITH_LOG: u32 = 1 << 22;
/// Most differing rows of one window that are named one by one.
const SUSPECTS_MAX: usize = 10_000;

/// The comparison of one source.
pub struct Comparison<'a> {
    tools: &'a Tools,
    source: &'a Source,
    partitions: &'a [Partition],
    proofs: Vec<Proof<'a>>,
    log: Log,
    reads_log: bool,
    /// Offsets of each partition at once.
    size: i64,
    marks: Marks,
    broken_promises: u64,
    /// Progress through the log and through the ledger.
    log_told: Option<Told>,
    told: Told,
}

impl<'a> Comparison<'a> {
    /// Nothing is compared yet.
    pub fn new(
        tools: &'a Tools,
        source: &'a Source,
        partitions: &'a [Partition],
        proofs: Vec<Proof<'a>>,
        args: &VerifyArgs,
    ) -> Self {
        let at_once = args.at_once.unwrap_or(if args.read_log { AT_ONCE_WITH_LOG } else { AT_ONCE });
        let rows = partitions.iter().map(|partition| partition.counts().ends[0]).sum();
        let offsets: i64 =
            partitions.iter().map(|it| it.frontier.next_offset() - it.start.next_offset()).sum();
        Self {
            tools,
            source,
            partitions,
            proofs,
            log: Log {
                settings: tools.settings.kafka.clone(),
                topic: source.identity.topic.clone(),
                partitions: source.identity.partitions,
                promises: Arc::new(partitions.iter().map(|partition| partition.promises.clone()).collect()),
            },
            reads_log: args.read_log,
            size: (i64::from(at_once) / i64::try_from(partitions.len().max(1)).unwrap_or(i64::MAX)).max(1),
            marks: Marks::default(),
            broken_promises: 0,
            log_told: Some(Told::new("messages read:", offsets.unsigned_abs())),
            told: Told::new("ledger rows compared:", rows),
        }
    }

    /// Goes through everything, and prints what differs. Returns how many differences that were.
    ///
    /// # Errors
    /// ClickHouse's and Kafka's.
    pub async fn run(&mut self) -> anyhow::Result<u64> {
        let mut differences = 0;
        let mut window = 0;
        loop {
            let offsets = self.partitions.iter().map(|partition| {
                let (first, end) = (partition.start.next_offset(), partition.frontier.next_offset());
                let from = first.saturating_add(self.size.saturating_mul(window)).min(end);
                from..from.saturating_add(self.size).min(end)
            });
            let offsets: Vec<_> = offsets.collect();
            if offsets.iter().all(std::ops::Range::is_empty) {
                break;
            }
            let bounds = self.bounds().await?;
            let mut slices: Vec<Slice> = (offsets.iter().zip(&bounds))
                .map(|(offsets, log)| {
                    Slice::new(offsets.clone(), if self.reads_log { log.start } else { offsets.end })
                })
                .collect();
            if self.reads_log {
                let spans = slices.iter().map(|slice| slice.logged_from..slice.offsets.end);
                let spans: Spans = (0..).zip(spans).collect();
                slices = self.fill(spans, slices, &bounds).await?;
            }
            differences += self.compare(slices).await?;
            window += 1;
        }
        if self.reads_log {
            // Behind the frontiers lies some of what was sent on.
            let bounds = self.bounds().await?;
            let ends = self.partitions.iter().map(|partition| partition.frontier.next_offset());
            let spans: Spans = (0..)
                .zip(ends.zip(&bounds))
                .map(|(number, (end, log))| (number, end.max(log.start)..log.end))
                .collect();
            self.fill(spans, Vec::new(), &bounds).await?;
        }
        Ok(differences)
    }

    /// Says how far back contents could be compared, and prints what differs over all.
    pub fn finish(self) -> u64 {
        let mut differences = self.broken_promises;
        for (number, offset) in self.marks.missing() {
            differences += super::print(number, &[never_arrived(offset)]);
        }
        for ((number, partition), proof) in (0u16..).zip(self.partitions).zip(self.proofs) {
            let start = partition.start.next_offset();
            if self.reads_log && proof.logged_from > start {
                println!(
                    "  partition {number}: the log has no longer what was before offset {}; of that the counts alone were \
                     compared",
                    proof.logged_from
                );
            }
            differences += super::print(number, &proof.finish());
        }
        differences
    }

    async fn bounds(&self) -> anyhow::Result<Vec<LogBounds>> {
        if !self.reads_log {
            return Ok(vec![LogBounds { start: 0, end: 0 }; self.partitions.len()]);
        }
        let identity = self.source.identity.clone();
        Ok(self.tools.cluster.ask(move |cluster| all_bounds(cluster, &identity)).await?)
    }

    async fn fill(
        &mut self,
        spans: Spans,
        mut slices: Vec<Slice>,
        bounds: &[LogBounds],
    ) -> anyhow::Result<Vec<Slice>> {
        let is_whole: Vec<bool> = (self.partitions.iter().zip(bounds))
            .map(|(partition, log)| log.start <= partition.start.next_offset())
            .collect();
        let (log, mut marks) = (self.log.clone(), std::mem::take(&mut self.marks));
        let mut told = self.log_told.take().unwrap_or_else(|| Told::new("messages read:", 0));
        let filled = tokio::task::spawn_blocking(move || {
            let broken = log.fill(&spans, &mut slices, &mut marks, &is_whole, &mut told)?;
            anyhow::Ok((slices, marks, told, broken))
        });
        let (slices, marks, told, broken) = filled.await??;
        (self.marks, self.log_told) = (marks, Some(told));
        for (number, difference) in broken {
            self.broken_promises += super::print(number, &[difference]);
        }
        Ok(slices)
    }

    /// Reads the ledger's rows of these slices, and compares.
    async fn compare(&mut self, mut slices: Vec<Slice>) -> anyhow::Result<u64> {
        let number = self.source.number;
        let spans = slices.iter().map(|slice| {
            Ok((Position::before(number, slice.offsets.start)?, Position::before(number, slice.offsets.end)?))
        });
        let spans: Vec<(Position, Position)> = spans.collect::<anyhow::Result<_>>()?;
        let (mut suspects, mut more, told) = (Suspects::new(), vec![0u64; slices.len()], &mut self.told);
        if self.reads_log {
            let visit = |row: LedgerRow<'_>| {
                told.step();
                let Some(slice) = slices.get_mut(usize::from(row.partition)) else { return };
                let offset = Position::from_u64(row.position).next_offset() - 1;
                slice.see(offset);
                let content = Content::of_row(&row);
                let says = slice.logged(offset).filter(|(end, _)| *end == End::Row);
                if says.is_none_or(|(_, digest)| digest == content.digest()) {
                    return;
                }
                if suspects.len() < SUSPECTS_MAX {
                    let suspect = Suspect::Row(content.columns());
                    suspects.entry((row.partition, offset)).or_default().push(suspect);
                } else {
                    more[usize::from(row.partition)] += 1;
                }
            };
            self.tools.warehouse.each_ledger_row(&spans, visit).await?;
        } else {
            let visit = |row: warehouse::LedgerPlace| {
                told.step();
                if let Some(slice) = slices.get_mut(usize::from(row.partition)) {
                    slice.see(Position::from_u64(row.position).next_offset() - 1);
                }
            };
            self.tools.warehouse.each_ledger_place(&spans, visit).await?;
        }
        let mut differences = 0;
        for ((number, slice), proof) in (0u16..).zip(&slices).zip(&mut self.proofs) {
            differences += super::print(number, &proof.take(number, slice, &mut suspects));
        }
        if !suspects.is_empty() {
            let log = self.log.clone();
            let explained = tokio::task::spawn_blocking(move || log.explain(&suspects)).await??;
            for (number, difference) in explained {
                differences += super::print(number, &[difference]);
            }
        }
        for (number, more) in more.iter().enumerate().filter(|(_, more)| **more > 0) {
            println!("  row_differs: partition {number}, {more} more rows that differ");
            differences += more;
        }
        Ok(differences)
    }
}
