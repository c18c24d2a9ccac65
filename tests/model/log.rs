//! Readers of lists: the log, page by page and backwards, and the export, in pieces and forwards. Both stay at one
//! position however long they take.

use crate::cover::{Sight, Snapshot};
use crate::dice::Dice;
use crate::engine::{LedgerRow, Touches};
use crate::kafka::ORGS;
use crate::ledger;
use crate::question::{AsOf, Question};
use crate::time::{Level, SLOTS, Slots, bucket, buckets, each, slots_in};
use crate::truth;
use crate::world::{Turn, World};
use proto::Position;

/// Calls of a page.
const PAGE: usize = 3;

/// Slots of a piece of an export.
const PIECE: usize = 9;

/// Reads the log, newest first. The quarter-hour rows tell how far back the next page lies.
#[derive(Clone)]
pub struct LogReader {
    question: Question,
    as_of: Option<AsOf>,
    touches: Touches,
    rows: [Snapshot; 3],
    looked: usize,
    before: (u8, u16),
    listed: Vec<LedgerRow>,
}

impl LogReader {
    /// Somebody opens the log.
    pub fn start(world: &World, dice: &mut Dice) -> Self {
        Self {
            question: Question::ask(world, dice),
            as_of: None,
            touches: [None; SLOTS],
            rows: Default::default(),
            looked: 0,
            before: (SLOTS as u8, 0),
            listed: Vec::new(),
        }
    }

    /// The next statement.
    pub fn turn(&mut self, world: &mut World) -> Turn {
        let org = self.question.org;
        let Some(as_of) = self.as_of else {
            self.as_of = Some(self.question.choose(world));
            return Turn::GoesOn;
        };
        self.looked += 1;
        match self.looked % 3 {
            1 => {
                self.touches = world.engine.touches[org];
                world.tell(|| format!("reads the touches of {}", ORGS[org]));
                Turn::GoesOn
            }
            2 => {
                self.rows[0].clone_from(&world.engine.rollups[0][org]);
                world.tell(|| format!("reads the Quarter rows of {}", ORGS[org]));
                Turn::GoesOn
            }
            _ => self.page(as_of, world),
        }
    }

    fn page(&mut self, as_of: AsOf, world: &mut World) -> Turn {
        let Question { org, member, .. } = self.question;
        let rules = &world.protocol.rules;
        let cut = if rules.readers_cut_the_ledger { as_of.at } else { Position::from_u64(u64::MAX) };
        let asked = self.slots_of_page(as_of, world);
        let ledger = &world.engine.ledger[org];
        let page = ledger::calls_backwards(ledger, asked, self.before, cut, member, PAGE, rules);
        world.tell(|| format!("reads {} calls of the log", page.len()));
        self.listed.extend(&page);
        if let (PAGE, Some(last)) = (page.len(), page.last()) {
            self.before = last.identity();
            return Turn::GoesOn;
        }
        finish(&self.question, as_of, world, &mut self.listed, true);
        Turn::Ends
    }

    /// The newest slots before the last page that hold a page for sure, as far as rows can tell.
    fn slots_of_page(&self, as_of: AsOf, world: &World) -> Slots {
        let sight = Sight::of_reader(as_of, &self.touches, &self.rows, &world.protocol);
        let (mut asked, mut certain) = (0, 0);
        for slot in each(sight.touched(slots_in(self.question.period))).rev() {
            if slot > usize::from(self.before.0) || certain >= PAGE {
                continue;
            }
            asked |= 1 << slot;
            // The slot in which the last page ended is read in part, so its row does not tell how much is left.
            let id = buckets(Level::Quarter, 0)[slot];
            debug_assert!(bucket(id).slots == 1 << slot, "quarter hours are the slots");
            if slot < usize::from(self.before.0)
                && let Some(row) = sight.usable_row(Level::Quarter, id)
            {
                let matching = |(index, _): &(usize, _)| {
                    self.question.member.is_none_or(|member| usize::from(member) == *index)
                };
                let cells = row.cells.iter().enumerate().filter(matching);
                certain += cells.map(|(_, cell)| cell.calls as usize).sum::<usize>();
            }
        }
        asked
    }
}

/// Exports a period, oldest first, piece by piece.
#[derive(Clone)]
pub struct Export {
    question: Question,
    as_of: Option<AsOf>,
    next: usize,
    listed: Vec<LedgerRow>,
}

impl Export {
    /// Somebody wants a file.
    pub fn start(world: &World, dice: &mut Dice) -> Self {
        Self { question: Question::ask(world, dice), as_of: None, next: 0, listed: Vec::new() }
    }

    /// The next statement.
    pub fn turn(&mut self, world: &mut World) -> Turn {
        let Some(as_of) = self.as_of else {
            self.as_of = Some(self.question.choose(world));
            return Turn::GoesOn;
        };
        let Question { org, period, member, .. } = self.question;
        let piece = each(slots_in(period)).filter(|slot| (self.next..self.next + PIECE).contains(slot));
        let asked = piece.map(|slot| 1 << slot).sum();
        let rules = &world.protocol.rules;
        let cut = if rules.readers_cut_the_ledger { as_of.at } else { Position::from_u64(u64::MAX) };
        let calls = ledger::calls(&world.engine.ledger[org], asked, cut, member, rules);
        world.tell(|| format!("exports {} calls", calls.len()));
        self.listed.extend(calls);
        self.next += PIECE;
        if self.next < SLOTS {
            return Turn::GoesOn;
        }
        finish(&self.question, as_of, world, &mut self.listed, false);
        Turn::Ends
    }
}

/// Compares what was listed with what is true.
fn finish(question: &Question, as_of: AsOf, world: &mut World, listed: &mut [LedgerRow], is_backwards: bool) {
    if !as_of.is_judged(world) {
        world.figures.reads_excused += 1;
        return;
    }
    world.figures.reads += 1;
    world.figures.reads_listing += 1;
    world.figures.reads_filtered += u64::from(question.member.is_some());
    if is_backwards {
        listed.reverse();
    }
    let mut truth = truth::calls(world, question.org, slots_in(question.period), as_of.at);
    truth.retain(|call| question.member.is_none_or(|member| call.member == member));
    let what = format!("the list at {} of {}", as_of.at, question.show());
    world.judge_list(&what, listed, &truth);
}
