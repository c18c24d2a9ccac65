//! Backup and restore of the ledger and what tells how far it goes. Rollups are not part of it: they are a cache.

use crate::engine::Engine;
use crate::kafka::ORGS;
use crate::world::{Turn, World};
use proto::Position;
use std::collections::VecDeque;

/// Copies the tables one after the other, while everything goes on.
#[derive(Clone)]
pub struct Backup {
    copy: Box<Engine>,
    tables: VecDeque<Table>,
}

#[derive(Clone, Copy, Debug)]
enum Table {
    Sources,
    Batches,
    Touches,
    Ledger,
}

impl Backup {
    /// Begins.
    pub fn start(world: &World) -> Self {
        let mut tables = [Table::Sources, Table::Batches, Table::Touches, Table::Ledger];
        if !world.protocol.rules.backup_copies_batches_first {
            tables.reverse();
        }
        Self { copy: Box::new(Engine::new()), tables: tables.into() }
    }

    /// The next statement.
    pub fn turn(&mut self, world: &mut World) -> Turn {
        let Some(table) = self.tables.pop_front() else { return Turn::Ends };
        copy(table, &world.engine, &mut self.copy);
        world.tell(|| format!("copies {table:?}"));
        if self.tables.is_empty() {
            world.backup = Some((*self.copy).clone());
            return Turn::Ends;
        }
        Turn::GoesOn
    }
}

fn copy(table: Table, from: &Engine, to: &mut Engine) {
    match table {
        Table::Sources => to.sources = from.sources.clone(),
        Table::Batches => to.batches = from.batches.clone(),
        Table::Touches => to.touches = from.touches,
        Table::Ledger => to.ledger = from.ledger.clone(),
    }
}

/// Ledger, touches, batch rows and sources become those of the backup; the rollups stay. The engine is away meanwhile.
/// Returns whether there was a backup.
pub fn restore(world: &mut World) -> bool {
    let Some(backup) = world.backup.clone() else { return false };
    for table in [Table::Sources, Table::Batches, Table::Touches, Table::Ledger] {
        copy(table, &backup, &mut world.engine);
    }
    // A source that is open again is read again, to its true end.
    for log in &mut world.kafka.logs[world.engine.sources.newest] {
        let starts_at = log.starts_at;
        log.messages[starts_at..].iter_mut().for_each(|message| message.lost = false);
    }
    world.stops_ingest = world.protocol.rules.restore_stops_ingest;
    world.distrusted = world.distrusted.max(Some(world.engine.generation));
    world.newest_as_of = [Position::ZERO; ORGS.len()];
    // The services that answer are stopped, too.
    world.kept = Default::default();
    if world.protocol.rules.restore_raises_the_generation {
        world.engine.generation += 1;
        world.engine.floor = world.engine.generation;
    }
    world.figures.restores += 1;
    world.tell(|| "the ledger is restored from the backup".to_owned());
    true
}
