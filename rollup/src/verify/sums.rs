//! Ledger rows = calls + repeats + conflicts, counted for each partition, to be compared with what its batches say.

use hashbrown::HashMap;
use serde::Serialize;

/// What the ledger rows of one partition of one source are, up to the frontier.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct PartitionSums {
    /// The source.
    pub source: u16,
    /// The partition.
    pub partition: u16,
    /// First writes: those that count.
    pub calls: u64,
    /// Later messages of the same call with the same content.
    pub repeats: u64,
    /// Later messages of the same call with other content.
    pub conflicts: u64,
    /// Ledger rows that the batches say there are; `None` when only some of the ledger was read.
    pub batches: Option<u64>,
}

impl PartitionSums {
    /// All of them.
    pub fn rows(&self) -> u64 {
        self.calls + self.repeats + self.conflicts
    }

    /// Adds the counts of another part of the same partition.
    pub fn add(&mut self, other: &Self) {
        self.calls += other.calls;
        self.repeats += other.repeats;
        self.conflicts += other.conflicts;
    }
}

/// Counts while a pass goes on. The rows of an organisation lie in one partition, so the last one is kept at hand.
#[derive(Debug, Default)]
pub struct Tally {
    counted: HashMap<(u16, u16), PartitionSums>,
    present: PartitionSums,
}

impl Tally {
    /// The sums of a partition, to add to.
    pub fn of(&mut self, source: u16, partition: u16) -> &mut PartitionSums {
        if (self.present.source, self.present.partition) != (source, partition) {
            self.put_away();
            self.present = PartitionSums { source, partition, ..PartitionSums::default() };
        }
        &mut self.present
    }

    /// The sums of all partitions that had rows.
    pub fn finish(&mut self) -> Vec<PartitionSums> {
        self.put_away();
        self.present = PartitionSums::default();
        self.counted.drain().map(|(_, sums)| sums).collect()
    }

    fn put_away(&mut self) {
        let PartitionSums { source, partition, .. } = self.present;
        if self.present.rows() > 0 {
            let empty = PartitionSums { source, partition, ..PartitionSums::default() };
            self.counted.entry((source, partition)).or_insert(empty).add(&self.present);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_partition_has_its_own_sums() {
        let mut tally = Tally::default();
        for (source, partition) in [(1, 0), (1, 3), (1, 3), (2, 3), (1, 0)] {
            tally.of(source, partition).calls += 1;
        }
        let mut sums: Vec<_> =
            tally.finish().iter().map(|sums| (sums.source, sums.partition, sums.rows())).collect();
        sums.sort_unstable();
        assert_eq!(sums, [(1, 0, 2), (1, 3, 2), (2, 3, 1)]);
    }
}
