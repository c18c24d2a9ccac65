//! The rollup worker, and the rebuild, which is a worker in a new generation.
//!
//! A step is for one organisation: generation, cut, touches, then level by level what has passed and has no usable row,
//! each bucket from the level below by the rule and from the ledger, cut at the step's position. A step may freeze
//! anywhere and go on much later.

mod compute;

use crate::cover::{Checks, Cover, Sight, Snapshot};
use crate::dice::Dice;
use crate::engine::{Cells, Row, Touches};
use crate::kafka::{ORGS, PARTITIONS, home_of, position, source_of};
use crate::nature::some_org;
use crate::rules::Protocol;
use crate::time::{BucketId, Level, SLOTS, ZONES, bucket, buckets, show};
use crate::world::{Turn, World};
use proto::Position;
use std::collections::VecDeque;

/// A rollup worker.
#[derive(Clone)]
pub struct Worker {
    /// Organisations that a rebuild has still to do; an ordinary worker has none and never ends.
    rebuild: Option<VecDeque<usize>>,
    /// How long before the append time at the cut a bucket must have ended; workers may differ.
    grace_seconds: i64,
    /// The frontiers that the worker knows, with the generation they were read in, by partition.
    known: [Option<(u32, Position)>; PARTITIONS[1] as usize],
    org: usize,
    zone: usize,
    generation: u32,
    cut: Position,
    through: Position,
    appended_at_ms: i64,
    touches: Touches,
    rows: [Snapshot; 3],
    open: [Vec<BucketId>; 3],
    planned: Option<Vec<(BucketId, Cover)>>,
    computed: Vec<(BucketId, Cells)>,
    torn: u64,
    statements: VecDeque<Statement>,
}

#[derive(Clone, Copy, Debug)]
enum Statement {
    ReadGeneration,
    ChooseGeneration,
    RaiseGeneration,
    RaiseFloor,
    ChooseCut,
    ReadFrontierAgain,
    ReadTouches,
    ReadRows(Level),
    ListOpenBuckets,
    Plan(Level),
    Compute(Level),
    Insert(Level, bool),
}

impl Worker {
    /// An ordinary worker.
    pub fn start(dice: &mut Dice) -> Self {
        Self {
            rebuild: None,
            grace_seconds: dice.one_of(&[0, 60, 7_200]),
            known: Default::default(),
            org: 0,
            zone: 0,
            generation: 0,
            cut: Position::ZERO,
            through: Position::ZERO,
            appended_at_ms: 0,
            touches: [None; SLOTS],
            rows: Default::default(),
            open: Default::default(),
            planned: None,
            computed: Vec::new(),
            torn: 0,
            statements: VecDeque::new(),
        }
    }

    /// A rebuild: everything anew in a generation of its own, which is raised to the floor when all is there.
    pub fn start_rebuild(world: &World, dice: &mut Dice) -> Self {
        let mut worker = Self::start(dice);
        // The busiest last: most can happen to it until then.
        worker.rebuild = Some((0..ORGS.len()).rev().collect());
        worker.statements.extend([Statement::ChooseGeneration, Statement::RaiseGeneration]);
        if world.protocol.freedoms.rebuild_raises_the_floor_at_once {
            worker.statements.push_back(Statement::RaiseFloor);
        }
        worker
    }

    /// The next statement.
    pub fn turn(&mut self, world: &mut World, dice: &mut Dice) -> Turn {
        if self.statements.is_empty() {
            self.plan_step(world, dice);
        }
        let Some(statement) = self.statements.pop_front() else { return Turn::Ends };
        self.execute(statement, world, dice);
        let is_done = self.statements.is_empty() && self.rebuild.as_ref().is_some_and(VecDeque::is_empty);
        if is_done && matches!(statement, Statement::RaiseFloor) { Turn::Ends } else { Turn::GoesOn }
    }

    fn plan_step(&mut self, world: &World, dice: &mut Dice) {
        self.org = match &mut self.rebuild {
            None => some_org(dice),
            Some(orgs) => match orgs.pop_front() {
                Some(org) => org,
                None => return self.statements.push_back(Statement::RaiseFloor),
            },
        };
        // A zone that was read a while ago may not be the organisation's any more.
        self.zone = if dice.percent(80) { world.zones[self.org] } else { dice.below(ZONES.len()) };
        self.torn = dice.throw();
        let rules = &world.protocol.rules;
        let mut plan = Vec::new();
        if self.rebuild.is_none() {
            plan.push(Statement::ReadGeneration);
        }
        if rules.workers_read_touches_after_the_cut {
            plan.extend([Statement::ChooseCut, Statement::ReadTouches]);
        } else {
            plan.extend([Statement::ReadTouches, Statement::ChooseCut]);
        }
        plan.push(Statement::ListOpenBuckets);
        self.statements = plan.into();
    }

    /// Level by level, where anything is open.
    fn plan_levels(&mut self, world: &World) {
        let rules = &world.protocol.rules;
        for level in Level::ALL.into_iter().filter(|level| !self.open[*level as usize].is_empty()) {
            self.statements.extend(self.ways_to_compute(level, world));
            if !rules.generation_is_read_first && self.rebuild.is_none() {
                self.statements.push_back(Statement::ReadGeneration);
            }
            if !rules.through_is_the_cut {
                self.statements.push_back(Statement::ReadFrontierAgain);
            }
            self.statements.extend([true, false].map(|is_first| Statement::Insert(level, is_first)));
        }
    }

    /// What leads to the rows of a level: a look at the levels below, and the sums.
    fn ways_to_compute(&self, level: Level, world: &World) -> Vec<Statement> {
        let Protocol { rules, freedoms } = &world.protocol;
        let look = Level::ALL[..level as usize].iter().rev().map(|below| Statement::ReadRows(*below));
        let mut statements: Vec<Statement> = look.clone().collect();
        if rules.workers_read_touches_after_the_cut && self.torn >> (60 + level as usize) & 1 == 1 {
            statements.push(Statement::ReadTouches);
        }
        if freedoms.workers_plan_by_versions {
            statements.push(Statement::Plan(level));
            statements.extend(look);
        }
        statements.push(Statement::Compute(level));
        statements
    }

    fn execute(&mut self, statement: Statement, world: &mut World, dice: &mut Dice) {
        let engine = &mut world.engine;
        match statement {
            Statement::ReadGeneration => self.generation = engine.generation,
            Statement::ChooseGeneration => self.generation = engine.generation + 1,
            Statement::RaiseGeneration => engine.generation = engine.generation.max(self.generation),
            Statement::RaiseFloor => {
                engine.floor = engine.floor.max(self.generation);
                world.figures.rebuilds += 1;
            }
            Statement::ChooseCut => self.choose_cut(world),
            Statement::ReadFrontierAgain => self.through = self.frontier(world),
            Statement::ReadTouches => self.touches = engine.touches[self.org],
            Statement::ReadRows(level) => {
                self.rows[level as usize].clone_from(&engine.rollups[level as usize][self.org]);
            }
            Statement::ListOpenBuckets => {
                self.list_open_buckets(world, dice);
                self.plan_levels(world);
            }
            Statement::Plan(level) => self.planned = Some(self.plan(level, world)),
            Statement::Compute(level) => self.compute(level, world),
            Statement::Insert(level, is_first) => return self.insert(level, is_first, world),
        }
        world.tell(|| format!("{statement:?} for {}: {}", ORGS[self.org], self.show(statement)));
    }

    fn choose_cut(&mut self, world: &World) {
        self.cut = self.frontier(world);
        self.through = self.cut;
        let source = source_of(self.cut);
        let covered = world.engine.batches_of(source, home_of(source, self.org));
        let covered = covered.filter(|row| Position::from_u64(row.to_position) <= self.cut);
        self.appended_at_ms = covered.map(|row| row.appended_at).max().unwrap_or(0);
    }

    /// The frontier, read on from where it was known in the same source and generation: a new generation may follow a
    /// restore, after which it may lie further back.
    fn frontier(&mut self, world: &World) -> Position {
        let source = world.engine.sources.newest;
        let partition = home_of(source, self.org);
        let is_current = |(generation, at): &(u32, Position)| {
            *generation == self.generation && source_of(*at) == source && *at >= position(source, 0)
        };
        let from = self.known[partition].filter(is_current).map(|(_, at)| at);
        let frontier = world.engine.frontier(source, partition, from, &world.protocol);
        self.known[partition] = Some((self.generation, frontier));
        frontier
    }

    fn sight<'a>(&'a self, world: &'a World) -> Sight<'a> {
        let rules = &world.protocol.rules;
        let checks = Checks {
            cut: rules.workers_refuse_rows_cut_later,
            touches: rules.workers_refuse_rows_touched_since,
            floor: rules.rows_are_made_of_their_generation,
        };
        let (at, floor) = (self.cut, self.generation);
        Sight { at, floor, touches: &self.touches, rows: &self.rows, checks, protocol: &world.protocol }
    }

    /// Buckets that were touched, have passed, and have no row that may be used at the cut; some are left for later.
    fn list_open_buckets(&mut self, world: &World, dice: &mut Dice) {
        for (seen, rows) in self.rows.iter_mut().zip(&world.engine.rollups) {
            seen.clone_from(&rows[self.org]);
        }
        let sight = self.sight(world);
        let sight = Sight { checks: Checks { cut: true, touches: true, floor: true }, ..sight };
        let asks_all = self.rebuild.is_some() || world.protocol.freedoms.running_buckets_are_computed;
        let has_passed = |id: &BucketId| {
            asks_all || (bucket(*id).interval.ends_at + self.grace_seconds) * 1000 <= self.appended_at_ms
        };
        let leaves_some = self.rebuild.is_none() && dice.percent(40);
        let open = Level::ALL.map(|level| {
            let is_open = |id: &BucketId| {
                sight.touched(bucket(*id).slots) != 0 && sight.usable_row(level, *id).is_none()
            };
            let open = buckets(level, self.zone).iter().copied().filter(has_passed).filter(is_open);
            open.filter(|_| !leaves_some || dice.percent(50)).collect()
        });
        self.open = open;
    }

    fn insert(&mut self, level: Level, is_first: bool, world: &mut World) {
        let torn = self.torn >> (20 * level as usize);
        let half: Vec<(BucketId, Cells)> = (self.computed.iter().enumerate())
            .filter(|(index, _)| (torn >> index & 1 == 0) == is_first)
            .map(|(_, computed)| *computed)
            .collect();
        for (id, cells) in half {
            let row = Row { bucket: id, generation: self.generation, through: self.through, cells };
            world.engine.rollups[level as usize][self.org].push(row);
            world.figures.rows_written += 1;
            world.tell(|| {
                let Row { generation, through, .. } = row;
                format!(
                    "writes {level:?} {} of {}, through {through}, generation {generation}: {cells:?}",
                    show(bucket(id).interval),
                    ORGS[self.org]
                )
            });
            world.judge_row(self.org, bucket(id).slots, &row);
        }
    }

    fn show(&self, statement: Statement) -> String {
        match statement {
            Statement::ChooseCut | Statement::ReadFrontierAgain => format!("{}", self.through),
            Statement::ListOpenBuckets => format!("{:?} buckets", self.open.each_ref().map(Vec::len)),
            Statement::Compute(_) => format!("{} buckets at {}", self.computed.len(), self.cut),
            Statement::ReadTouches | Statement::ReadRows(_) => format!("zone {}", ZONES[self.zone]),
            _ => format!("generation {}", self.generation),
        }
    }
}
