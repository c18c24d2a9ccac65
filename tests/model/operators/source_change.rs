//! The change to the next source, once emitters publish to another topic: at the former's end when everything is read,
//! or at its frontier when the rest cannot be read any more.

use super::loss::Gap;
use crate::dice::Dice;
use crate::kafka::{PARTITIONS, position};
use crate::world::{Bar, Turn, World};
use proto::Position;

/// Closes the source that emitters have left, and opens the next.
#[derive(Clone)]
pub enum SourceChange {
    /// Looks at frontiers and ends until they meet.
    Wait {
        /// The frontiers, if they were read.
        frontiers: Option<Vec<Position>>,
        /// The ends of the logs, if they were read.
        ends: Option<Vec<Position>>,
    },
    /// Gives up what is not read: stops ingest.
    GiveUp,
    /// Writes touches for what of it had reached the ledger.
    Touch(Vec<Gap>),
    /// Opens the next source.
    Open(Vec<Gap>),
}

impl SourceChange {
    /// Begins to look.
    pub fn start(dice: &mut Dice) -> Self {
        if dice.percent(15) { Self::GiveUp } else { Self::Wait { frontiers: None, ends: None } }
    }

    /// The next statement.
    pub fn turn(&mut self, world: &mut World) -> Turn {
        if world.kafka.emitted_to == world.engine.sources.newest {
            world.admit_ingest(Bar::SourceChange);
            return Turn::Ends;
        }
        match self {
            Self::Wait { frontiers, ends } => {
                world.admit_ingest(Bar::SourceChange);
                if let Some(ends) = wait(frontiers, ends, world) {
                    return open_next(ends, world);
                }
            }
            Self::GiveUp => {
                world.bar_ingest(Bar::SourceChange);
                world.tell(|| "prepares to close the source at its frontier".to_owned());
                *self = Self::Touch(Gap::to_logs_ends(world));
            }
            Self::Touch(gaps) => {
                gaps.iter().for_each(|gap| gap.touch_survivors(world));
                *self = Self::Open(std::mem::take(gaps));
            }
            Self::Open(gaps) => {
                gaps.iter().for_each(|gap| gap.mark_lost(world));
                world.admit_ingest(Bar::SourceChange);
                let ends = gaps.iter().map(|gap| gap.from).collect();
                return open_next(ends, world);
            }
        }
        Turn::GoesOn
    }
}

/// One statement: the frontiers, or the ends. Returns the ends once every frontier has reached its own.
fn wait(
    frontiers: &mut Option<Vec<Position>>,
    ends: &mut Option<Vec<Position>>,
    world: &mut World,
) -> Option<Vec<Position>> {
    let source = world.engine.sources.newest;
    let rules = world.protocol.rules;
    let reads_frontiers = frontiers.is_none() && (ends.is_some() || rules.ends_are_read_after_frontiers);
    if reads_frontiers {
        let frontier = |partition| world.engine.frontier(source, partition, None, &world.protocol);
        let read: Vec<Position> = (0..PARTITIONS[source] as usize).map(frontier).collect();
        world.tell(|| format!("reads the frontiers {}", show(&read)));
        *frontiers = Some(read);
    } else {
        let logs = world.kafka.logs[source].iter();
        let read: Vec<Position> = logs.map(|log| position(source, log.messages.len())).collect();
        world.tell(|| format!("reads the ends of the logs {}", show(&read)));
        *ends = Some(read);
    }
    let (Some(reached), Some(wanted)) = (&*frontiers, &*ends) else { return None };
    let are_reached = reached.iter().zip(wanted).all(|(frontier, end)| frontier >= end);
    *frontiers = None;
    if are_reached || !rules.next_source_waits_for_the_former {
        return ends.take();
    }
    if rules.ends_are_read_after_frontiers {
        *ends = None;
    }
    None
}

fn open_next(ends: Vec<Position>, world: &mut World) -> Turn {
    world.tell(|| format!("closes the source at {} and opens the next", show(&ends)));
    let sources = &mut world.engine.sources;
    sources.newest += 1;
    sources.ends = ends;
    world.figures.source_changes += 1;
    Turn::Ends
}

fn show(positions: &[Position]) -> String {
    let shown: Vec<String> = positions.iter().map(Position::to_string).collect();
    shown.join(", ")
}
