//! What readers ask: whose calls, in which period, at which position.

use crate::dice::Dice;
use crate::kafka::{ORGS, home_of, position, source_of};
use crate::nature::some_org;
use crate::time::{BucketId, Level, ZONES, bucket, buckets, show, start_of};
use crate::world::{Pin, World, Wrong};
use proto::Position;
use warehouse::calendar::Interval;

/// What a reader asks about, at which position.
#[derive(Clone, Copy, Debug)]
pub struct Question {
    /// Whose calls.
    pub org: usize,
    /// In which period.
    pub period: Interval,
    /// Of which member; of all if `None`.
    pub member: Option<u8>,
    /// The zone whose days and months the reader uses, an index of [`ZONES`].
    pub zone: usize,
    wish: Wish,
}

/// Which position a reader wishes to answer at.
#[derive(Clone, Copy, Debug)]
enum Wish {
    /// The newest.
    Fresh,
    /// The one of a link.
    Pinned(Position),
    /// Some older one, by a number that chooses it.
    Older(u64),
    /// One that is not there yet.
    Beyond,
}

/// The position that an answer is cut at.
#[derive(Clone, Copy, Debug)]
pub struct AsOf {
    /// A.
    pub at: Position,
    /// The lowest generation whose rows may be used.
    pub floor: u32,
}

impl AsOf {
    /// Whether the answer is judged: not if rows that the reader may use were damaged and not yet rebuilt.
    pub fn is_judged(&self, world: &World) -> bool {
        world.is_sound_from(self.floor)
    }
}

impl Question {
    /// A question of somebody.
    pub fn ask(world: &World, dice: &mut Dice) -> Self {
        let member = dice.percent(45).then(|| dice.below(2) as u8);
        if dice.percent(25) && !world.pins.is_empty() {
            let Pin { org, at, period } = dice.one_of(&world.pins);
            return Self { org, period, member, zone: world.zones[org], wish: Wish::Pinned(at) };
        }
        let org = some_org(dice);
        // A zone that was read a while ago may not be the organisation's any more.
        let zone = if dice.percent(80) { world.zones[org] } else { dice.below(ZONES.len()) };
        let period = some_period(zone, world.newest_slot(), dice);
        let wish = match dice.below(20) {
            0..16 => Wish::Fresh,
            16..19 => Wish::Older(dice.throw()),
            _ => Wish::Beyond,
        };
        Self { org, period, member, zone, wish }
    }

    /// A question about everything there is, in whole months.
    pub fn about_all(org: usize, zone: usize) -> Self {
        let months = buckets(Level::Month, zone).iter().map(|id| bucket(*id).interval);
        let starts_at = months.clone().map(|month| month.starts_at).min().unwrap_or(0);
        let ends_at = months.map(|month| month.ends_at).max().unwrap_or(0);
        Self { org, period: Interval { starts_at, ends_at }, member: None, zone, wish: Wish::Fresh }
    }

    /// Chooses A. One statement for sources and generations, one for batch rows; what moves between them moves forward.
    pub fn choose(&self, world: &mut World) -> AsOf {
        let frontier = world.frontier_of(self.org);
        let newest = &mut world.newest_as_of[self.org];
        let former = std::mem::replace(newest, (*newest).max(frontier));
        if frontier < former {
            world.fail(Wrong::WentBack, || {
                format!("the frontier of {} was {former} and is {frontier}", ORGS[self.org])
            });
        }
        let wished = match self.wish {
            Wish::Fresh => frontier,
            Wish::Pinned(at) => at,
            Wish::Older(number) => some_older(frontier, number, world, self.org),
            Wish::Beyond => Position::from_u64(frontier.as_u64() + 3),
        };
        let at =
            if world.protocol.rules.as_of_is_within_the_frontier { wished.min(frontier) } else { wished };
        if matches!(self.wish, Wish::Fresh) {
            world.pins.push(Pin { org: self.org, at, period: self.period });
        } else {
            world.figures.reads_pinned += 1;
        }
        world.tell(|| format!("chooses A = {at} for {}", self.show()));
        AsOf { at, floor: world.engine.floor }
    }

    /// For people.
    pub fn show(&self) -> String {
        let member = self.member.map_or(String::new(), |member| format!(" of member {member}"));
        format!("the calls of {}{member} in {}", ORGS[self.org], show(self.period))
    }
}

/// Whole days, whole months, or some quarter hours, up to the present.
fn some_period(zone: usize, newest_slot: usize, dice: &mut Dice) -> Interval {
    let level = dice.one_of(&[Level::Quarter, Level::Day, Level::Month]);
    let has_begun = |id: &&BucketId| bucket(**id).interval.starts_at <= start_of(newest_slot);
    let ids: Vec<BucketId> = buckets(level, zone).iter().filter(has_begun).copied().collect();
    let first = dice.below(ids.len());
    let last = first + dice.below(ids.len() - first);
    Interval { starts_at: bucket(ids[first]).interval.starts_at, ends_at: bucket(ids[last]).interval.ends_at }
}

/// A position at or before the frontier, of the same source or the one before.
fn some_older(frontier: Position, number: u64, world: &World, org: usize) -> Position {
    let source = source_of(frontier);
    let (source, newest) = match number % 4 {
        0 if source > 0 => (0, world.kafka.logs[0][home_of(0, org)].messages.len()),
        _ => (source, frontier.next_offset() as usize),
    };
    position(source, (number >> 2) as usize % (newest + 1))
}
