//! What has been read from the queue and is not done: pure bookkeeping, in the queue's order.

use crate::queue::Entry;
use std::collections::VecDeque;

/// Most messages between the queue and Kafka's acknowledgement: with 70 ms for linger and a round trip, enough for
/// more than 250,000 messages a second.
const MESSAGES_MAX: usize = 20_000;
/// Most bytes of them: what Kafka's client copies, so a bound of the emitter's memory.
const BYTES_MAX: usize = 8 << 20;

/// Messages on their way. Each has a number; numbers rise by one and are never used again.
#[derive(Debug, Default)]
pub(super) struct Window {
    first_id: u64,
    flights: VecDeque<Flight>,
    /// No message before this index waits to be sent.
    unsent_from: usize,
    bytes: usize,
}

#[derive(Debug)]
struct Flight {
    entry: Entry,
    state: State,
    sent_before: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Waiting,
    Sent,
    Done,
}

/// Messages at the beginning of the window that are all done.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Done {
    /// The last of them.
    pub through: Entry,
    pub records: u64,
    pub bytes: u64,
}

impl Window {
    /// Whether another message may be read from the queue.
    pub fn has_room(&self) -> bool {
        self.flights.len() < MESSAGES_MAX && self.bytes < BYTES_MAX
    }

    /// Adds what was read last.
    pub fn push(&mut self, entry: Entry) {
        self.bytes += entry.bytes();
        self.flights.push_back(Flight { entry, state: State::Waiting, sent_before: false });
    }

    /// The first message that is neither sent nor done, its number, and whether it was sent before.
    pub fn next_waiting(&mut self) -> Option<(u64, Entry, bool)> {
        let waiting =
            self.flights.iter().skip(self.unsent_from).position(|flight| flight.state == State::Waiting);
        self.unsent_from = waiting.map_or(self.flights.len(), |ahead| self.unsent_from + ahead);
        let flight = self.flights.get(self.unsent_from)?;
        Some((self.first_id + self.unsent_from as u64, flight.entry, flight.sent_before))
    }

    /// Kafka's client has taken the message.
    pub fn mark_sent(&mut self, id: u64) {
        if let Some(flight) = self.flight(id) {
            flight.state = State::Sent;
            flight.sent_before = true;
        }
    }

    /// The message needs nothing more: acknowledged, or kept as refused.
    pub fn mark_done(&mut self, id: u64) {
        if let Some(flight) = self.flight(id) {
            flight.state = State::Done;
        }
    }

    /// Everything that is sent and not done waits again.
    pub fn start_over(&mut self) {
        for flight in self.flights.iter_mut().filter(|flight| flight.state == State::Sent) {
            flight.state = State::Waiting;
        }
        self.unsent_from = 0;
    }

    /// Takes what is done off the beginning.
    pub fn take_done(&mut self) -> Option<Done> {
        let mut done: Option<Done> = None;
        while let Some(flight) = self.flights.pop_front_if(|flight| flight.state == State::Done) {
            self.first_id += 1;
            self.unsent_from = self.unsent_from.saturating_sub(1);
            self.bytes -= flight.entry.bytes();
            let (records, bytes) = done.map_or((0, 0), |done| (done.records, done.bytes));
            let bytes = bytes + flight.entry.bytes() as u64;
            done = Some(Done { through: flight.entry, records: records + 1, bytes });
        }
        done
    }

    /// The entry of a message that is not taken off yet.
    pub fn entry(&self, id: u64) -> Option<Entry> {
        self.flights.get(self.index(id)?).map(|flight| flight.entry)
    }

    /// The oldest message.
    pub fn oldest(&self) -> Option<&Entry> {
        self.flights.front().map(|flight| &flight.entry)
    }

    /// The numbers of the oldest message and of the one that comes next.
    pub fn ids(&self) -> std::ops::Range<u64> {
        self.first_id..self.first_id + self.flights.len() as u64
    }

    fn flight(&mut self, id: u64) -> Option<&mut Flight> {
        let index = self.index(id)?;
        self.flights.get_mut(index)
    }

    fn index(&self, id: u64) -> Option<usize> {
        id.checked_sub(self.first_id).map(|index| index as usize)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::queue::Position;
    use proptest::prelude::*;

    fn entry(number: usize) -> Entry {
        let at = Position { sequence: 1, offset: number * 100 };
        Entry { at, end: number * 100 + 100, accepted_at_ms: 0 }
    }

    fn window(messages: usize) -> Window {
        let mut window = Window::default();
        (0..messages).for_each(|number| window.push(entry(number)));
        window
    }

    fn send_all(window: &mut Window) -> Vec<(u64, bool)> {
        let mut sent = Vec::new();
        while let Some((id, _, again)) = window.next_waiting() {
            window.mark_sent(id);
            sent.push((id, again));
        }
        sent
    }

    #[test]
    fn only_a_prefix_is_taken_off() {
        let mut window = window(4);
        send_all(&mut window);
        window.mark_done(1);
        window.mark_done(2);
        assert_eq!(window.take_done(), None);
        window.mark_done(0);
        assert_eq!(window.take_done(), Some(Done { through: entry(2), records: 3, bytes: 300 }));
        assert_eq!((window.ids(), window.oldest()), (3..4, Some(&entry(3))));
    }

    #[test]
    fn what_is_not_done_is_sent_again_in_order_and_known_as_such() {
        let mut window = window(4);
        assert_eq!(send_all(&mut window), [(0, false), (1, false), (2, false), (3, false)]);
        window.mark_done(1);
        window.start_over();
        window.push(entry(4));
        assert_eq!(send_all(&mut window), [(0, true), (2, true), (3, true), (4, false)]);
    }

    #[test]
    fn the_window_is_bounded_in_messages_and_bytes() {
        assert!(window(MESSAGES_MAX - 1).has_room());
        assert!(!window(MESSAGES_MAX).has_room());
        let mut large = Window::default();
        large.push(Entry { end: BYTES_MAX, ..entry(0) });
        assert!(!large.has_room());
    }

    proptest! {
        /// Whatever Kafka does in whatever order, everything is taken off once, in order, and nothing before it is done.
        #[test]
        fn every_message_is_taken_off_once_and_in_order(
            steps in prop::collection::vec((0..5u8, any::<prop::sample::Index>()), 1..300)
        ) {
            let mut window = Window::default();
            let (mut pushed, mut taken) = (0usize, 0usize);
            let mut done = std::collections::BTreeSet::new();
            for (step, index) in steps {
                match step {
                    0 => {
                        window.push(entry(pushed));
                        pushed += 1;
                    }
                    1 => {
                        if let Some((id, found, _)) = window.next_waiting() {
                            prop_assert_eq!(found, entry(id as usize));
                            prop_assert!(!done.contains(&id));
                            window.mark_sent(id);
                        }
                    }
                    2 if !window.ids().is_empty() => {
                        let id = window.ids().start + index.index((window.ids().end - window.ids().start) as usize) as u64;
                        window.mark_done(id);
                        done.insert(id);
                    }
                    3 => window.start_over(),
                    _ => {
                        if let Some(part) = window.take_done() {
                            taken += part.records as usize;
                            prop_assert_eq!(part.through, entry(taken - 1));
                        }
                        prop_assert!((0..taken as u64).all(|id| done.contains(&id)));
                        prop_assert_eq!(window.ids(), taken as u64..pushed as u64);
                    }
                }
            }
        }
    }
}
