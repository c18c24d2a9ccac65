//! What the log of the calls holds, offset by offset, as the worker would judge it.

use super::content::{self, Content, PARTS, Parts};
use super::promises::Promises;
use super::proof::Difference;
use super::slice::{End, Slice};
use super::told::Told;
use crate::classify::{Fate, Incoming, classify_call};
use crate::cluster::appended_at_ms;
use crate::command::reading::{self, Spans};
use crate::forward::{message_bytes, origin_in};
use crate::headers::{RawHeader, headers_of};
use crate::must_stop::instant;
use crate::settings::KafkaSettings;
use rdkafka::Message;
use rdkafka::message::BorrowedMessage;
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::ops::ControlFlow;
use std::sync::Arc;

/// Where the messages are.
#[derive(Clone)]
pub struct Log {
    /// How to reach Kafka.
    pub settings: KafkaSettings,
    /// The topic.
    pub topic: String,
    /// Number of its partitions.
    pub partitions: u16,
    /// What the batches say of each partition's time.
    pub promises: Arc<Vec<Promises>>,
}

/// Messages that were sent on, and the messages in their right partitions that say so. They come in any order; what has
/// met is forgotten.
#[derive(Debug, Default)]
pub struct Marks {
    waiting: BTreeSet<(u16, i64)>,
    sent: HashSet<(u16, i64)>,
}

impl Marks {
    fn is_rerouted(&mut self, partition: u16, offset: i64) {
        if !self.sent.remove(&(partition, offset)) {
            self.waiting.insert((partition, offset));
        }
    }

    fn arrived(&mut self, from: (u16, i64)) {
        if !self.waiting.remove(&from) {
            self.sent.insert(from);
        }
    }

    /// What was to be sent on and was not found again.
    pub fn missing(self) -> impl Iterator<Item = (u16, i64)> {
        self.waiting.into_iter()
    }
}

/// Something that is there and does not say what the message says.
#[derive(Debug, Clone)]
pub enum Suspect {
    /// Columns of a ledger row.
    Row(Vec<(&'static str, String)>),
    /// A dead letter.
    Letter(Parts),
}

/// Suspects by partition and offset.
pub type Suspects = BTreeMap<(u16, i64), Vec<Suspect>>;

impl Log {
    /// Reads these offsets into their slices. `is_whole` tells the partitions of which nothing is gone. Returns the first
    /// message of each partition that breaks a promise. Blocks.
    pub fn fill(
        &self,
        spans: &Spans,
        slices: &mut [Slice],
        marks: &mut Marks,
        is_whole: &[bool],
        told: &mut Told,
    ) -> anyhow::Result<BTreeMap<u16, Difference>> {
        let mut broken = BTreeMap::new();
        reading::read(&self.settings, &self.topic, spans, |message| {
            told.step();
            let (number, offset) = (message.partition() as u16, message.offset());
            if let Some(difference) = self.broken_promise(message) {
                broken.entry(number).or_insert(difference);
            }
            let all = headers_of(message);
            if let Some(from) = content::sent_from(&all, &self.topic) {
                marks.arrived(from);
            }
            let (end, digest, sent_to) = match self.judge(message, &all) {
                Fate::Ledger { call, appended_at_ms } => {
                    (End::Row, Content::of_call(&call, appended_at_ms).digest(), None)
                }
                Fate::DeadLetter(refusal) => {
                    let parts = content::of_refused(message, &all, &refusal);
                    (End::DeadLetter, content::digest(parts), None)
                }
                Fate::Reroute { to } => (End::Rerouted, 0, Some(to)),
            };
            let is_ours =
                slices.get_mut(usize::from(number)).is_some_and(|slice| slice.note(offset, end, digest));
            // Where the beginning of a log is gone, so may be what was sent there.
            if is_ours && sent_to.is_some_and(|to| is_whole.get(usize::from(to)) == Some(&true)) {
                marks.is_rerouted(number, offset);
            }
            Ok(ControlFlow::Continue(()))
        })?;
        Ok(broken)
    }

    fn broken_promise(&self, message: &BorrowedMessage<'_>) -> Option<Difference> {
        let (offset, appended_at_ms) = (message.offset(), appended_at_ms(message)?);
        let promises = self.promises.get(usize::try_from(message.partition()).ok()?)?;
        let until_ms = promises.broken_by(offset, appended_at_ms)?;
        let text = format!(
            "offset {offset}, appended at {}: batches before it say that everything before {} is counted",
            instant(appended_at_ms),
            instant(until_ms)
        );
        Some(Difference::new("complete_too_early", text))
    }

    /// Reads the messages of suspects once more, and names what differs. Blocks.
    pub fn explain(&self, suspects: &Suspects) -> anyhow::Result<Vec<(u16, Difference)>> {
        let mut spans = Spans::new();
        for (number, offset) in suspects.keys() {
            let span = spans.entry(i32::from(*number)).or_insert(*offset..*offset + 1);
            *span = span.start.min(*offset)..span.end.max(*offset + 1);
        }
        let mut found = Vec::new();
        reading::read(&self.settings, &self.topic, &spans, |message| {
            let (number, offset) = (message.partition() as u16, message.offset());
            let Some(suspects) = suspects.get(&(number, offset)) else {
                return Ok(ControlFlow::Continue(()));
            };
            let all = headers_of(message);
            let fate = self.judge(message, &all);
            for suspect in suspects {
                found.push((number, explained(message, &all, offset, &fate, suspect)));
            }
            Ok(ControlFlow::Continue(()))
        })?;
        Ok(found)
    }

    fn judge<'m>(&self, message: &'m BorrowedMessage<'_>, all: &[RawHeader<'_>]) -> Fate<'m> {
        let incoming = Incoming {
            payload: message.payload(),
            bytes: message_bytes(message, all),
            appended_at_ms: appended_at_ms(message),
            partition: message.partition() as u16,
            origin: origin_in(all, message.topic()),
        };
        classify_call(incoming, self.partitions)
    }
}

fn explained(
    message: &BorrowedMessage<'_>,
    all: &[RawHeader<'_>],
    offset: i64,
    fate: &Fate<'_>,
    suspect: &Suspect,
) -> Difference {
    match (suspect, fate) {
        (Suspect::Row(found), Fate::Ledger { call, appended_at_ms }) => {
            let expected = Content::of_call(call, *appended_at_ms).columns();
            let differing: Vec<String> = (expected.iter().zip(found))
                .filter(|(expected, found)| expected != found)
                .map(|((column, expected), (_, found))| {
                    format!("{column}: expected {expected}, found {found}")
                })
                .collect();
            Difference::new("row_differs", format!("offset {offset}, {}", differing.join("; ")))
        }
        (Suspect::Letter(found), Fate::DeadLetter(refusal)) => {
            let expected = content::of_refused(message, all, refusal);
            let differing: Vec<&str> = (PARTS.into_iter().zip(expected.iter().zip(found)))
                .filter(|(_, (expected, found))| expected != found)
                .map(|(name, _)| name)
                .collect();
            let text =
                format!("offset {offset}, expected the message's {0}, found another", differing.join(", "));
            Difference::new("dead_letter_differs", text)
        }
        (Suspect::Row(_), _) => {
            Difference::new("row_differs", format!("offset {offset}, the message makes no such row"))
        }
        (Suspect::Letter(_), _) => {
            Difference::new("dead_letter_differs", format!("offset {offset}, the message is no dead letter"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_sent_on_meets_its_mark_in_any_order() {
        let mut marks = Marks::default();
        marks.is_rerouted(0, 1);
        marks.arrived((0, 1));
        marks.arrived((0, 1));
        marks.arrived((3, 2));
        marks.is_rerouted(3, 2);
        marks.is_rerouted(2, 9);
        assert_eq!(marks.missing().collect::<Vec<_>>(), [(2, 9)]);
    }
}
