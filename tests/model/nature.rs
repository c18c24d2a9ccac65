//! What happens to the system from outside: calls, time, and misfortune.

use crate::dice::Dice;
use crate::kafka::{Kind, Message, ORGS, home_of, position};
use crate::time::{Level, SLOTS, ZONES, start_of};
use crate::world::World;
use proto::Position;

/// What the world outside remembers.
pub struct Nature {
    /// The slot in which calls happen now; beyond the last one, another season.
    now: usize,
    /// By how many seconds the broker's clock is wrong.
    clock_error: i64,
    /// Number of calls so far.
    events: u16,
    /// Everything published so far.
    emitted: Vec<Message>,
}

impl Default for Nature {
    fn default() -> Self {
        Self { now: 1, clock_error: 0, events: 0, emitted: Vec::new() }
    }
}

impl World {
    /// A copilot publishes a call: a new one, mostly of now and sometimes late, or one that was published before.
    pub fn emit(&mut self, dice: &mut Dice, is_misrouted: bool, kind: Kind) {
        if dice.percent(40) {
            self.let_time_pass();
        }
        let known = if dice.percent(20) && !self.nature.emitted.is_empty() {
            Some(dice.one_of(&self.nature.emitted))
        } else {
            None
        };
        let mut message = known.unwrap_or_else(|| {
            self.nature.events += 1;
            let newest = self.newest_slot();
            let slot = if dice.percent(70) { newest } else { dice.below(newest + 1) };
            Message {
                org: some_org(dice),
                event: self.nature.events,
                slot: slot as u8,
                member: dice.below(2) as u8,
                credits: 1 + dice.below(999) as u32,
                kind,
                origin: None,
                appended_at_ms: 0,
                lost: false,
            }
        });
        if known.is_some() && dice.percent(60) {
            message.member = dice.below(2) as u8;
            message.credits = 1 + dice.below(999) as u32;
        }
        self.nature.emitted.push(message);
        let topic = self.kafka.emitted_to;
        let home = home_of(topic, message.org);
        let others = self.kafka.logs[topic].len() - 1;
        let partition = if is_misrouted { (home + 1 + dice.below(others)) % (others + 1) } else { home };
        let at = self.append(topic, partition, message);
        self.figures.messages += 1;
        let again = if known.is_some() { " again" } else { "" };
        self.tell(|| {
            let Message { org, event, slot, member, credits, kind, .. } = message;
            let astray = if is_misrouted { ", a wrong one" } else { "" };
            format!(
                "publishes{again} {kind:?} {event} of {} in slot {slot}, member {member}, {credits} credits: {at} of \
                 partition {partition}{astray}",
                ORGS[org]
            )
        });
    }

    /// The broker appends a message. Returns its position.
    pub fn append(&mut self, source: usize, partition: usize, mut message: Message) -> Position {
        message.appended_at_ms = self.broker_ms();
        let log = &mut self.kafka.logs[source][partition];
        log.messages.push(message);
        position(source, log.messages.len())
    }

    /// The next quarter hour begins; the last one is followed by another season.
    pub fn let_time_pass(&mut self) {
        self.nature.now = (self.nature.now + 1).min(SLOTS);
    }

    /// What the broker's clock shows.
    pub fn broker_ms(&self) -> i64 {
        let later = if self.nature.now < SLOTS { 450 } else { 40 * 86_400 };
        (start_of(self.newest_slot()) + later + self.nature.clock_error) * 1000
    }

    /// The slot in which calls happen now.
    pub fn newest_slot(&self) -> usize {
        self.nature.now.min(SLOTS - 1)
    }

    /// The broker's clock is set.
    pub fn jump(&mut self, dice: &mut Dice) {
        self.nature.clock_error = dice.one_of(&[0, -86_400, 86_400, 40 * 86_400, -3_600]);
        let seconds = self.nature.clock_error;
        self.tell(|| format!("the broker's clock is {seconds} s off from now on"));
    }

    /// An organisation moves to another zone.
    pub fn rezone(&mut self, dice: &mut Dice) {
        let org = dice.below(ORGS.len());
        self.zones[org] = dice.below(ZONES.len());
        let zone = ZONES[self.zones[org]];
        self.tell(|| format!("{} counts its days in {zone} from now on", ORGS[org]));
    }

    /// The rows of a level go bad, as after a mistake of a worker that was found too late.
    pub fn damage(&mut self, dice: &mut Dice) {
        let level = dice.one_of(&[Level::Quarter, Level::Quarter, Level::Day, Level::Month]);
        let org = some_org(dice);
        let rows = &mut self.engine.rollups[level as usize][org];
        if rows.is_empty() || self.damaged.is_some_and(|damaged| self.engine.floor <= damaged) {
            return;
        }
        rows.iter_mut().for_each(|row| row.cells[0].credits += 1_000_000);
        self.damaged = Some(self.engine.generation);
        self.distrusted = self.distrusted.max(self.damaged);
        self.tell(|| format!("all {level:?} rows of {} are wrong by a million credits", ORGS[org]));
    }

    /// Kafka deletes messages of a partition that were not read yet.
    pub fn truncate(&mut self, dice: &mut Dice) {
        let source = self.engine.sources.newest;
        let partition = dice.below(self.kafka.logs[source].len());
        let next = self.engine.frontier(source, partition, None, &self.protocol).next_offset() as usize;
        let log = &mut self.kafka.logs[source][partition];
        if next >= log.messages.len() {
            return;
        }
        let kept = next + 1 + dice.below(log.messages.len() - next);
        log.starts_at = log.starts_at.max(kept);
        self.tell(|| {
            format!("messages of partition {partition} up to {} are deleted unread", position(source, kept))
        });
    }
}

/// Some organisation, mostly the first, so that much happens to one.
pub fn some_org(dice: &mut Dice) -> usize {
    dice.one_of(&[0, 0, 0, 0, 0, 1, 2])
}
