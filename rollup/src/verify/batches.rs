//! Whether `batches` cover every source without a gap, add up, and count what the ledger holds.

use super::report::Difference;
use super::sums::PartitionSums;
use hashbrown::HashMap;
use proto::Position;
use std::sync::atomic::{AtomicU64, Ordering};
use warehouse::{BatchRow, SourceRow, chain, chain_end, frontier};

/// What the ledger must hold of one partition of one source, up to the frontier.
pub struct Partition {
    start: Position,
    end: Position,
    batches: Vec<BatchRow>,
    /// One bit an offset: whether the ledger has a row of it.
    seen: Vec<AtomicU64>,
}

/// All partitions of all sources of calls.
pub struct Coverage {
    partitions: HashMap<(u16, u16), Partition>,
    /// Number of partitions of each source.
    counts: HashMap<u16, u32>,
}

impl Coverage {
    /// Checks the batches themselves. `newest_at` is the frontier of each partition of the newest source, read before
    /// everything else: what lies behind is not judged.
    pub fn new(
        sources: &[SourceRow],
        batches: impl Fn(u16, u16) -> Vec<BatchRow>,
        newest: u16,
        newest_at: &[Position],
    ) -> (Self, Vec<Difference>) {
        let mut differences = Vec::new();
        let mut coverage = Self { partitions: HashMap::new(), counts: HashMap::new() };
        for source in sources {
            let start = Position::from_u64(source.start_position);
            let rows = batches(source.source, source.partition);
            let reached = frontier(start, rows.iter().map(BatchRow::interval));
            let end = if source.source == newest {
                newest_at.get(usize::from(source.partition)).copied().unwrap_or(start)
            } else {
                Position::from_u64(source.end_position)
            };
            let place = format!("source {}, partition {}", source.source, source.partition);
            if reached < end {
                differences.push(Difference {
                    kind: "source_not_finished",
                    place: place.clone(),
                    expected: format!("batches up to {end}"),
                    found: format!("batches up to {reached}"),
                });
            }
            let behind = rows.iter().map(|row| row.interval().0).filter(|from| *from > reached).min();
            if let Some(from) = behind {
                differences.push(Difference {
                    kind: "gap",
                    place: place.clone(),
                    expected: "batches without a gap".into(),
                    found: format!("nothing between {reached} and {from}"),
                });
            }
            let within: Vec<BatchRow> = rows.into_iter().filter(|row| row.interval().1 <= end).collect();
            differences.extend(within.iter().filter(|row| !row.adds_up()).map(|row| Difference {
                kind: "batch_does_not_add_up",
                place: format!("{place}, {}", shown(row)),
                expected: format!(
                    "{} offsets with a named end",
                    row.to_position.saturating_sub(row.from_position)
                ),
                found: format!(
                    "{} ledger rows, {} dead letters, {} rerouted, {} empty, {} lost",
                    row.ledger_rows, row.dead_letters, row.rerouted, row.empty_offsets, row.lost
                ),
            }));
            let words = end.as_u64().saturating_sub(start.as_u64()).div_ceil(64);
            let seen = (0..words).map(|_| AtomicU64::new(0)).collect();
            let partition = Partition { start, end, batches: within, seen };
            coverage.partitions.insert((source.source, source.partition), partition);
            coverage.counts.insert(source.source, u32::from(source.partitions));
        }
        (coverage, differences)
    }

    /// Takes note of a ledger row. Returns what is wrong with its place.
    pub fn see(&self, org_id: &str, partition: u16, position: Position) -> Option<Difference> {
        let difference = |kind, expected: String, found: String| {
            Some(Difference { kind, place: format!("position {position} of {org_id:?}"), expected, found })
        };
        let Some(count) = self.counts.get(&position.source()) else {
            return difference(
                "unknown_source",
                "a recorded source".into(),
                format!("source {}", position.source()),
            );
        };
        let right = proto::partition_of(org_id.as_bytes(), *count);
        if u32::from(partition) != right {
            return difference(
                "wrong_partition",
                format!("partition {right}"),
                format!("partition {partition}"),
            );
        }
        let known = self.partitions.get(&(position.source(), partition));
        let Some(known) = known.filter(|known| position > known.start && position <= known.end) else {
            return difference(
                "position_outside_source",
                "a position of the source".into(),
                position.to_string(),
            );
        };
        let bit = (position.as_u64() - known.start.as_u64() - 1) as usize;
        let mask = 1 << (bit % 64);
        if known.seen[bit / 64].fetch_or(mask, Ordering::Relaxed) & mask != 0 {
            return difference("position_twice", "one row".into(), "rows of different keys".into());
        }
        None
    }

    /// Compares the counts of every batch with the ledger rows that were seen. Returns how many batches that were.
    pub fn compare(&self, mut found: impl FnMut(Difference)) -> u64 {
        let mut compared = 0;
        for ((source, partition), known) in &self.partitions {
            let ranks = known.ranks();
            for batch in &known.batches {
                compared += 1;
                let (from, to) = batch.interval();
                let rows = known.rank(&ranks, to) - known.rank(&ranks, from);
                if rows != batch.ledger_rows {
                    found(Difference {
                        kind: "batch_rows",
                        place: format!("source {source}, partition {partition}, {}", shown(batch)),
                        expected: format!("{} ledger rows, as the batch says", batch.ledger_rows),
                        found: format!("{rows}"),
                    });
                }
            }
        }
        compared
    }

    /// Compares, for each partition, the rows that were told apart (calls, repeats, conflicts) with the positions that
    /// were seen, and those with the sum of its batches. Completes `sums`.
    pub fn compare_sums(&self, sums: &mut Vec<PartitionSums>, mut found: impl FnMut(Difference)) {
        let mut known: Vec<_> = self.partitions.iter().collect();
        known.sort_unstable_by_key(|(place, _)| **place);
        for ((source, partition), known) in known {
            let (source, partition) = (*source, *partition);
            let same = |sums: &&mut PartitionSums| (sums.source, sums.partition) == (source, partition);
            let told = match sums.iter_mut().find(same) {
                Some(told) => told,
                None => {
                    sums.push(PartitionSums { source, partition, ..PartitionSums::default() });
                    let Some(told) = sums.last_mut() else { continue };
                    told
                }
            };
            let ranks = known.ranks();
            // A worker that froze and woke up may have written further than the chain leads: its row stands alone.
            let chain = chain(known.start, &known.batches);
            let batches: u64 = chain.iter().map(|row| row.ledger_rows).sum();
            let beyond = known.rank(&ranks, known.end) - known.rank(&ranks, chain_end(known.start, &chain));
            told.batches = Some(batches + beyond);
            let positions = known.rank(&ranks, known.end);
            if positions != batches + beyond || positions != told.rows() {
                let PartitionSums { calls, repeats, conflicts, .. } = *told;
                found(Difference {
                    kind: "partition_rows",
                    place: format!("source {source}, partition {partition}"),
                    expected: format!("{} ledger rows, as its batches say", batches + beyond),
                    found: format!(
                        "{positions} positions, and {calls} calls + {repeats} repeats + {conflicts} conflicts = {}",
                        told.rows()
                    ),
                });
            }
        }
        sums.sort_unstable_by_key(|sums| (sums.source, sums.partition));
    }
}

impl Partition {
    /// How many rows lie in all words before each word.
    fn ranks(&self) -> Vec<u64> {
        let mut sum = 0;
        let mut ranks = Vec::with_capacity(self.seen.len() + 1);
        for word in &self.seen {
            ranks.push(sum);
            sum += u64::from(word.load(Ordering::Relaxed).count_ones());
        }
        ranks.push(sum);
        ranks
    }

    /// How many rows lie up to a position.
    fn rank(&self, ranks: &[u64], position: Position) -> u64 {
        let offsets = position.as_u64().saturating_sub(self.start.as_u64()) as usize;
        let word = (offsets / 64).min(self.seen.len());
        let below = self
            .seen
            .get(word)
            .map_or(0, |bits| bits.load(Ordering::Relaxed) & ((1u64 << (offsets % 64)) - 1));
        ranks[word] + u64::from(below.count_ones())
    }
}

fn shown(row: &BatchRow) -> String {
    let (from, to) = row.interval();
    format!("batch {from} to {to}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(end: i64) -> SourceRow {
        SourceRow {
            source: 1,
            partition: 0,
            kind: "calls".into(),
            cluster_id: String::new(),
            topic: String::new(),
            topic_id: String::new(),
            partitions: 1,
            start_position: at(10).as_u64(),
            end_position: at(end).as_u64(),
        }
    }

    fn at(offset: i64) -> Position {
        Position::before(1, offset).unwrap()
    }

    fn batch(from: i64, to: i64, ledger_rows: u64) -> BatchRow {
        BatchRow {
            partition: 0,
            from_position: at(from).as_u64(),
            to_position: at(to).as_u64(),
            ledger_rows,
            dead_letters: (to - from) as u64 - ledger_rows,
            rerouted: 0,
            empty_offsets: 0,
            lost: 0,
            appended_at: 0,
        }
    }

    fn kinds(rows: &[BatchRow], end: i64, seen: impl IntoIterator<Item = i64>) -> Vec<&'static str> {
        let (coverage, differences) = Coverage::new(&[source(end)], |_, _| rows.to_vec(), 1, &[at(end)]);
        let mut kinds: Vec<_> = differences.iter().map(|difference| difference.kind).collect();
        for offset in seen {
            kinds.extend(coverage.see("acme", 0, at(offset + 1)).map(|difference| difference.kind));
        }
        coverage.compare(|difference| kinds.push(difference.kind));
        kinds
    }

    #[test]
    fn overlapping_batches_are_each_counted() {
        let rows = [batch(10, 80, 70), batch(10, 40, 30), batch(40, 200, 160), batch(200, 200, 0)];
        assert!(kinds(&rows, 200, 10..200).is_empty());
        assert_eq!(
            kinds(&rows, 200, 11..200),
            ["batch_rows", "batch_rows"],
            "both that hold the missing row"
        );
        assert_eq!(kinds(&rows, 200, (10..200).chain([70])), ["position_twice"]);
    }

    #[test]
    fn the_sums_of_a_partition_are_those_of_its_batches() {
        let kinds = |calls, seen: std::ops::Range<i64>| {
            let rows = [batch(10, 40, 30), batch(10, 80, 70), batch(40, 200, 160)];
            let (coverage, _) = Coverage::new(&[source(200)], |_, _| rows.to_vec(), 1, &[at(200)]);
            seen.for_each(|offset| drop(coverage.see("acme", 0, at(offset + 1))));
            let mut sums = vec![PartitionSums {
                source: 1,
                calls,
                repeats: 2,
                conflicts: 1,
                ..PartitionSums::default()
            }];
            let mut kinds = Vec::new();
            coverage.compare_sums(&mut sums, |difference| kinds.push(difference.kind));
            assert_eq!(sums[0].batches, Some(190));
            kinds
        };
        assert!(kinds(187, 10..200).is_empty());
        assert_eq!(kinds(186, 11..200), ["partition_rows"], "one is gone");
        assert_eq!(kinds(188, 10..200), ["partition_rows"], "one stands under two identities");
    }

    #[test]
    fn a_gap_is_found_and_so_is_a_count_that_does_not_add_up() {
        assert_eq!(kinds(&[batch(10, 20, 10), batch(30, 40, 0)], 20, 10..20), ["gap"]);
        let wrong = BatchRow { dead_letters: 3, ..batch(10, 20, 10) };
        assert_eq!(kinds(&[wrong], 20, 10..20), ["batch_does_not_add_up"]);
        assert_eq!(kinds(&[batch(10, 20, 10)], 30, 10..20), ["source_not_finished"]);
    }

    #[test]
    fn rows_outside_their_source_or_partition_are_found() {
        let (coverage, _) = Coverage::new(&[source(20)], |_, _| vec![batch(10, 20, 10)], 1, &[at(20)]);
        let kind = |partition, position| coverage.see("acme", partition, position).map(|found| found.kind);
        assert_eq!(kind(0, at(10)), Some("position_outside_source"));
        assert_eq!(kind(0, at(21)), Some("position_outside_source"));
        assert_eq!(kind(1, at(11)), Some("wrong_partition"));
        assert_eq!(kind(0, Position::before(2, 3).unwrap()), Some("unknown_source"));
        assert_eq!(kind(0, at(11)), None);
    }
}
