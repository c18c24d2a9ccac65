//! What happens in a run, decided beforehand from its seed: who has a turn, who is killed, what the world does.
//!
//! Nothing here looks at the world, and every event brings its own dice. So any part of a schedule is a schedule too,
//! and a failing one can be made smaller by leaving events out.

use crate::dice::Dice;
use crate::kafka::Kind;

/// The machines of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Kafka to ledger.
    Ingest,
    /// Ledger to rollups.
    Rollup,
    /// Totals, log pages, exports.
    Reader,
    /// All rollups anew.
    Rebuild,
    /// Batch rows folded.
    Folder,
    /// Tables copied.
    Backup,
    /// The next source opened.
    SourceChange,
    /// A loss recorded.
    LossRecord,
}

/// Who there is. A machine that ends or is killed is followed by a new one of its role.
pub const CREW: [Role; 15] = [
    Role::Ingest,
    Role::Ingest,
    Role::Ingest,
    Role::Rollup,
    Role::Rollup,
    Role::Rollup,
    Role::Reader,
    Role::Reader,
    Role::Reader,
    Role::Reader,
    Role::Rebuild,
    Role::Folder,
    Role::Backup,
    Role::SourceChange,
    Role::LossRecord,
];

/// Something that happens.
#[derive(Clone, Copy, Debug)]
pub enum Event {
    /// A copilot publishes.
    Publish {
        /// What exactly.
        dice: Dice,
        /// Into a wrong partition.
        is_misrouted: bool,
        /// What it is, if it is new.
        kind: Kind,
    },
    /// A machine executes its next statement.
    Turn {
        /// Index in [`CREW`].
        member: usize,
        /// For whatever it decides.
        dice: Dice,
        /// The statement is executed, but its answer does not arrive: it is sent again at the next turn.
        loses_answer: bool,
    },
    /// A machine dies.
    Kill {
        /// Index in [`CREW`].
        member: usize,
    },
    /// The engine merges parts of a table.
    Merge(Dice),
    /// An organisation's zone changes.
    Rezone(Dice),
    /// The broker's clock jumps.
    Jump(Dice),
    /// Time passes.
    Pass,
    /// Rollup rows go bad.
    Damage(Dice),
    /// Kafka deletes messages before they are read.
    Truncate(Dice),
    /// The ledger is restored from the last backup.
    Restore,
    /// Emitters change to the next topic.
    NextTopic,
}

/// What may happen in a run. Most runs have a few of these only: what is rare alone is rarer together.
struct Weather {
    /// So many of 100 messages go to a wrong partition.
    misroutes: u64,
    garbage: bool,
    merges: bool,
    zones: bool,
    damage: bool,
    folds: bool,
    restores: bool,
    next_topic: bool,
    jumps: bool,
    losses: bool,
    /// In so many of 100 cases the member that had the last turn has the next one too.
    stays: u64,
}

impl Weather {
    fn of(dice: &mut Dice) -> Self {
        Self {
            misroutes: dice.one_of(&[0, 0, 10, 30]),
            garbage: dice.percent(50),
            merges: dice.percent(70),
            zones: dice.percent(40),
            damage: dice.percent(35),
            folds: dice.percent(40),
            restores: dice.percent(30),
            next_topic: dice.percent(35),
            jumps: dice.percent(40),
            losses: dice.percent(25),
            stays: dice.one_of(&[0, 40, 70, 85]),
        }
    }

    fn turns_of(&self, role: Role) -> usize {
        match role {
            Role::Ingest | Role::Rollup => 6,
            Role::Reader => 5,
            Role::Rebuild => 10 * usize::from(self.damage),
            Role::Folder => 4 * usize::from(self.folds),
            Role::Backup => 2 * usize::from(self.restores),
            Role::SourceChange => 8 * usize::from(self.next_topic),
            Role::LossRecord => 3 * usize::from(self.losses),
        }
    }

    /// Something that nobody of the crew does.
    fn strike(&self, dice: &mut Dice) -> Option<Event> {
        let own = Dice::new(dice.throw());
        match dice.below(100) {
            0..30 if self.merges => Some(Event::Merge(own)),
            30..40 if self.zones => Some(Event::Rezone(own)),
            40..50 if self.jumps => Some(Event::Jump(own)),
            50..58 if self.damage => Some(Event::Damage(own)),
            58..61 if self.restores => Some(Event::Restore),
            61..64 if self.losses => Some(Event::Truncate(own)),
            64..67 if self.next_topic => Some(Event::NextTopic),
            67..80 => Some(Event::Pass),
            80..100 => Some(Event::Kill { member: dice.below(CREW.len()) }),
            _ => None,
        }
    }

    fn publish(&self, dice: &mut Dice) -> Event {
        let kind = match dice.below(20) {
            0..2 if self.garbage => Kind::Garbage,
            2..5 if self.garbage => Kind::EdgeOfAllowed,
            _ => Kind::Call,
        };
        let is_misrouted = dice.percent(self.misroutes);
        Event::Publish { dice: Dice::new(dice.throw()), is_misrouted, kind }
    }
}

/// The schedule of a seed: some hundred events.
pub fn schedule(seed: u64) -> Vec<Event> {
    let mut dice = Dice::new(seed);
    let dice = &mut dice;
    let weather = Weather::of(dice);
    let mut turns: Vec<usize> = Vec::new();
    for (member, role) in CREW.into_iter().enumerate() {
        turns.extend(std::iter::repeat_n(member, weather.turns_of(role)));
    }
    let length = 600 + dice.below(600);
    // In the last part of most runs nothing new comes, and rollups catch up.
    let quiet_from = length * (35 + dice.below(65)) / 100;
    let mut wakes_at = [0; CREW.len()];
    let mut member = 0;
    let mut events = Vec::with_capacity(length);
    if dice.percent(60) {
        events.extend(std::iter::repeat_n(Event::Pass, dice.below(24)));
    }
    for now in 0..length {
        if dice.percent(14) {
            if now < quiet_from {
                events.push(weather.publish(dice));
            }
        } else if dice.percent(6) {
            events.extend(weather.strike(dice));
        } else {
            if !dice.percent(weather.stays) || wakes_at[member] > now {
                member = dice.one_of(&turns);
            }
            if dice.percent(2) {
                // Frozen: others take over, and much later it goes on where it was.
                wakes_at[member] = now + 20 + dice.below(230);
            }
            if wakes_at[member] <= now {
                let loses_answer = dice.percent(3);
                events.push(Event::Turn { member, dice: Dice::new(dice.throw()), loses_answer });
            }
        }
    }
    events
}
