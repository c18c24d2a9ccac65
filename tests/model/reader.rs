//! A reader of totals: it takes A, then touches and rollup rows, sums what passes the rule, and asks the ledger for the
//! rest.

use crate::cover::{Cover, Sight, Snapshot};
use crate::dice::Dice;
use crate::engine::{Cells, Row, Touches, add};
use crate::kafka::ORGS;
use crate::kept::Stand;
use crate::question::{AsOf, Question};
use crate::time::{Level, SLOTS, bucket, each, show, slots_in};
use crate::truth;
use crate::world::{Turn, World, Wrong};
use proto::Position;
use std::collections::VecDeque;

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
                for row in planned.used.iter().filter_map(|(level, row)| sight.usable_row(*level, row.bucket))
                {
                    add(&mut planned.cells, &row.cells);
                }
                planned
            }
        };
        let Question { org, period, member, .. } = self.question;
        let rules = &world.protocol.rules;
        let cut = if rules.readers_cut_the_ledger { as_of.at } else { Position::from_u64(u64::MAX) };
        let (ledger, touches) = (&world.engine.ledger[org], &self.touches);
        let stand = Stand { ledger, touches, at: as_of.at, cut, member };
        let (of_ledger, kept) = world.kept[org].answer(cover.left, &stand, rules);
        world.figures.slots_kept += kept;
        let mut cells = cover.cells;
        add(&mut cells, &of_ledger);
        let mut truth = truth::cells(world, org, slots_in(period), as_of.at);
        if let Some(member) = member {
            cells[1 - usize::from(member)] = Default::default();
            truth[1 - usize::from(member)] = Default::default();
        }
        self.count(as_of, &cover, world);
        world.tell(|| {
            let left: Vec<String> = each(cover.left).map(|slot| slot.to_string()).collect();
            let show_row =
                |(level, row): &(Level, Row)| format!("{level:?} {}", show(bucket(row.bucket).interval));
            let used: Vec<String> = cover.used.iter().map(show_row).collect();
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
