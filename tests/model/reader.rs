//! A reader of totals: it takes A, then touches and rollup rows, sums what passes the rule, and asks the ledger for the
//! rest.

use crate::cover::{Cover, Sight, Snapshot};
use crate::dice::Dice;
use crate::engine::{Cells, Touches, add};
use crate::kafka::{ORGS, home_of, position, source_of};
use crate::ledger;
use crate::time::{BucketId, Level, SLOTS, ZONES, bucket, buckets, each, show, slots_in, start_of};
use crate::truth;
use crate::world::{Pin, Turn, World, Wrong, some_org};
use proto::Position;
use std::collections::VecDeque;
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

/// A reader of totals.
#[derive(Clone)]
pub struct Reader {
    question: Question,
    levels: Vec<Level>,
    as_of: Option<AsOf>,
    touches: Touches,
    rows: [Snapshot; 3],
    cover: Option<Cover>,
    statements: VecDeque<Statement>,
}

#[derive(Clone, Copy, Debug)]
enum Statement {
    ChooseAsOf,
    ReadTouches,
    ReadRows(Level),
    /// What two statements would do: plan with one snapshot of the rows, and sum another.
    Plan,
    Answer,
}

impl Reader {
    /// A reader that somebody's question starts.
    pub fn start(world: &World, dice: &mut Dice) -> Self {
        let question = Question::ask(world, dice);
        let levels = dice.one_of::<&[Level]>(&[
            &Level::ALL,
            &Level::ALL,
            &[Level::Quarter, Level::Day],
            &[Level::Day],
            &[Level::Quarter],
            &[Level::Quarter, Level::Month],
        ]);
        Self::of(question, levels, world, dice)
    }

    /// A reader of everything.
    pub fn of_all(org: usize, zone: usize, world: &World, dice: &mut Dice) -> Self {
        Self::of(Question::about_all(org, zone), &Level::ALL, world, dice)
    }

    fn of(question: Question, levels: &[Level], world: &World, dice: &mut Dice) -> Self {
        let (rules, freedoms) = (&world.protocol.rules, &world.protocol.freedoms);
        let rows = levels.iter().rev().map(|level| Statement::ReadRows(*level));
        let mut looks: Vec<Statement> = rows.clone().collect();
        // Touches before, between or after the rows: the order does not matter.
        let place =
            if freedoms.rows_are_read_before_as_of { looks.len() } else { dice.below(looks.len() + 1) };
        looks.insert(place, Statement::ReadTouches);
        let as_of_after = if !rules.as_of_is_chosen_first || freedoms.rows_are_read_before_as_of {
            looks.len() - usize::from(freedoms.rows_are_read_before_as_of)
        } else if !rules.touches_are_read_after_as_of {
            looks.remove(place);
            looks.insert(0, Statement::ReadTouches);
            1
        } else {
            0
        };
        looks.insert(as_of_after, Statement::ChooseAsOf);
        if !rules.plan_and_sums_are_one_statement {
            looks.push(Statement::Plan);
            looks.extend(rows);
        }
        looks.push(Statement::Answer);
        Self {
            question,
            levels: levels.to_vec(),
            as_of: None,
            touches: [None; SLOTS],
            rows: Default::default(),
            cover: None,
            statements: looks.into(),
        }
    }

    /// The next statement.
    pub fn turn(&mut self, world: &mut World) -> Turn {
        let Some(statement) = self.statements.pop_front() else { return Turn::Ends };
        let org = self.question.org;
        match statement {
            Statement::ChooseAsOf => self.as_of = Some(self.question.choose(world)),
            Statement::ReadTouches => {
                self.touches = world.engine.touches[org];
                world.tell(|| format!("reads the touches of {}", ORGS[org]));
            }
            Statement::ReadRows(level) => {
                self.rows[level as usize].clone_from(&world.engine.rollups[level as usize][org]);
                world.tell(|| format!("reads the {level:?} rows of {}", ORGS[org]));
            }
            Statement::Plan => {
                self.cover = self.as_of.map(|as_of| self.plan(as_of, world));
                world.tell(|| "plans".to_owned());
            }
            Statement::Answer => {
                if let Some(as_of) = self.as_of {
                    self.answer(as_of, world);
                }
            }
        }
        if self.statements.is_empty() { Turn::Ends } else { Turn::GoesOn }
    }

    fn sight<'a>(&'a self, as_of: AsOf, world: &'a World) -> Sight<'a> {
        Sight::of_reader(as_of, &self.touches, &self.rows, &world.protocol)
    }

    fn plan(&self, as_of: AsOf, world: &World) -> Cover {
        let Question { period, zone, .. } = self.question;
        self.sight(as_of, world).cover(period, slots_in(period), zone, &self.levels)
    }

    fn answer(&mut self, as_of: AsOf, world: &mut World) {
        let cover = match self.cover.take() {
            None => self.plan(as_of, world),
            Some(mut planned) => {
                let sight = self.sight(as_of, world);
                planned.cells = Cells::default();
                for row in planned.used.iter().filter_map(|(level, id)| sight.usable_row(*level, *id)) {
                    add(&mut planned.cells, &row.cells);
                }
                planned
            }
        };
        let Question { org, period, member, .. } = self.question;
        let rules = &world.protocol.rules;
        let cut = if rules.readers_cut_the_ledger { as_of.at } else { Position::from_u64(u64::MAX) };
        let calls = ledger::calls(&world.engine.ledger[org], cover.left, cut, member, rules);
        let by_slot = ledger::cells_by_slot(&calls);
        let mut cells = cover.cells;
        each(cover.left).for_each(|slot| add(&mut cells, &by_slot[slot]));
        let mut truth = truth::cells(world, org, slots_in(period), as_of.at);
        if let Some(member) = member {
            cells[1 - usize::from(member)] = Default::default();
            truth[1 - usize::from(member)] = Default::default();
        }
        self.count(as_of, &cover, world);
        world.tell(|| {
            let left: Vec<String> = each(cover.left).map(|slot| slot.to_string()).collect();
            let used: Vec<String> = cover
                .used
                .iter()
                .map(|(level, id)| format!("{level:?} {}", show(bucket(*id).interval)))
                .collect();
            format!(
                "answers from rows {{{}}} and slots {{{}}} of the ledger",
                used.join("; "),
                left.join(" ")
            )
        });
        if as_of.is_judged(world) && cells != truth {
            let question = self.question.show();
            world.fail(Wrong::Total, || {
                format!("at {} {question} are {cells:?}, true is {truth:?}", as_of.at)
            });
        }
    }

    fn count(&self, as_of: AsOf, cover: &Cover, world: &mut World) {
        if !as_of.is_judged(world) {
            world.figures.reads_excused += 1;
            return;
        }
        let figures = &mut world.figures;
        figures.reads += 1;
        figures.reads_filtered += u64::from(self.question.member.is_some());
        figures.reads_using_rollups += u64::from(!cover.used.is_empty());
        for (level, _) in &cover.used {
            match level {
                Level::Quarter => figures.quarters_used += 1,
                Level::Day => figures.days_used += 1,
                Level::Month => figures.months_used += 1,
            }
        }
    }
}
