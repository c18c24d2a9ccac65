//! Which partitions the loop reads: what the group gives and takes, starts, holding all of them back.

use super::ConsumerLoop;
use crate::metrics;
use crate::rebalance::Change;
use crate::topic::{Kind, Partition};
use anyhow::Context;
use rdkafka::consumer::Consumer;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use std::time::Instant;

impl ConsumerLoop {
    /// The group gave or took partitions.
    pub(super) fn change(&mut self, change: Change) {
        match change {
            Change::Assigned(partitions) => {
                tracing::info!("assigned: {}", names(&partitions));
                self.ask_for_starts(partitions);
            }
            Change::Revoked(partitions) => {
                tracing::info!("revoked: {}", names(&partitions));
                for partition in partitions {
                    self.let_go(partition);
                }
            }
        }
        self.report();
    }

    pub(super) fn ask_for_starts(&mut self, partitions: Vec<Partition>) {
        // Nobody answers only when the process ends.
        let _ = self.parts.questions.send(self.tracks.expect(partitions));
    }

    /// Forgets a partition. What was read of it stays in the batch.
    pub(super) fn let_go(&mut self, partition: Partition) {
        self.batch.runs.extend(self.tracks.let_go(partition));
        self.parts.progress.forget(partition);
    }

    /// Forgets all partitions, and returns which they were.
    pub(super) fn let_go_of_all(&mut self) -> Vec<Partition> {
        let partitions = self.tracks.all();
        partitions.iter().for_each(|partition| self.let_go(*partition));
        partitions
    }

    /// Begins to read partitions whose start is known now.
    pub(super) fn take_starts(&mut self) -> anyhow::Result<()> {
        let mut begun = Vec::new();
        while let Ok(start) = self.parts.starts.try_recv() {
            if self.tracks.begin(&start) {
                self.parts.progress.begin(start.partition, start.position);
                begun.push((start.partition, start.position.next_offset()));
            }
        }
        if !begun.is_empty() {
            self.report();
            if !self.held {
                self.assign(&begun)?;
            }
        }
        Ok(())
    }

    /// Lets the client fetch partitions from offsets on.
    fn assign(&mut self, offsets: &[(Partition, i64)]) -> anyhow::Result<()> {
        let mut list = TopicPartitionList::with_capacity(offsets.len());
        for (partition, offset) in offsets {
            if let Some(topic) = self.parts.topics.get(&partition.kind) {
                list.add_partition_offset(topic, i32::from(partition.number), Offset::Offset(*offset))?;
            }
        }
        self.consumer.incremental_assign(&list).context("cannot begin to read partitions")?;
        self.look_for_markers()
    }

    pub(super) fn unassign_all(&self) -> anyhow::Result<()> {
        let assigned = self.consumer.assignment()?;
        self.consumer.incremental_unassign(&assigned).context("cannot let go of partitions")
    }

    /// Hands all partitions back to the client: nothing is fetched, and the group keeps us as long as we poll.
    pub(super) fn hold(&mut self) -> anyhow::Result<()> {
        self.held = true;
        self.unassign_all()
    }

    pub(super) fn release(&mut self) -> anyhow::Result<()> {
        self.held = false;
        let offsets = self.tracks.next_offsets();
        for (partition, _) in &offsets {
            if let Some(reading) = self.tracks.reading(*partition) {
                reading.distrust_position();
            }
        }
        self.assign(&offsets)
    }

    /// Asks the client where it is, for offsets at the end of a log that carry no message, see [`Reading::observe`].
    ///
    /// [`Reading::observe`]: crate::tracks::Reading::observe
    pub(super) fn look_for_markers(&mut self) -> anyhow::Result<()> {
        self.markers_at = Instant::now();
        let positions = self.consumer.position().context("cannot ask for the client's positions")?;
        for (partition, _) in self.tracks.next_offsets() {
            let topic = self.parts.topics.get(&partition.kind).map_or("", String::as_str);
            let (Some(element), Some(reading)) = (
                positions.find_partition(topic, i32::from(partition.number)),
                self.tracks.reading(partition),
            ) else {
                continue;
            };
            let next_offset = match element.offset() {
                Offset::Offset(offset) => Some(offset),
                _ => None,
            };
            if reading.observe(next_offset)? {
                self.batch.open(self.markers_at);
            }
        }
        Ok(())
    }

    fn report(&self) {
        for kind in Kind::ALL {
            metrics::partitions(kind, self.tracks.count(kind));
        }
        match self.tracks.waiting() {
            0 => self.parts.component.ok(),
            unknown => self.parts.component.waiting(format!("the starts of {unknown} partitions")),
        }
    }
}

fn names(partitions: &[Partition]) -> String {
    if partitions.is_empty() {
        return "nothing".to_owned();
    }
    partitions.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}
