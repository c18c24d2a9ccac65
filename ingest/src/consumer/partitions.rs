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
                let (back, new): (Vec<_>, Vec<_>) =
                    partitions.into_iter().partition(|partition| self.tracks.stays(*partition));
                back.into_iter().for_each(|partition| self.parts.progress.set_leaving(partition, false));
                self.ask_for_starts(new);
            }
            Change::Revoked(partitions) => {
                tracing::info!("revoked: {}", names(&partitions));
                for partition in partitions {
                    self.read_on(partition);
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

    /// Forgets all partitions, and returns which were ours.
    pub(super) fn let_go_of_all(&mut self) -> Vec<Partition> {
        let ours = self.tracks.ours();
        self.tracks.all().into_iter().for_each(|partition| self.let_go(partition));
        ours
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
            // A worker that they were taken from may let go now.
            self.parts.client.commit(&begun);
        }
        Ok(())
    }

    /// Lets the client fetch partitions from offsets on.
    fn assign(&mut self, offsets: &[(Partition, i64)]) -> anyhow::Result<()> {
        let list = self.parts.client.list(offsets)?;
        self.consumer.incremental_assign(&list).context("cannot begin to read partitions")?;
        self.look_for_markers()
    }

    /// Lets the client fetch partitions no more, those of them that it does fetch.
    pub(super) fn unassign(&self, partitions: &[Partition]) -> anyhow::Result<()> {
        let assigned = self.consumer.assignment()?;
        let offsets: Vec<_> = partitions.iter().map(|partition| (*partition, 0)).collect();
        let mut list = TopicPartitionList::new();
        for element in self.parts.client.list(&offsets)?.elements() {
            if assigned.find_partition(element.topic(), element.partition()).is_some() {
                list.add_partition(element.topic(), element.partition());
            }
        }
        self.consumer.incremental_unassign(&list).context("cannot let go of partitions")
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
