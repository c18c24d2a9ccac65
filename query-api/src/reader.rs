//! Answers a question at one position from rollup rows that prove themselves, and from the ledger where none does.
//!
//! A round begins with the touches of everything asked: what was never touched holds nothing, and the last touch judges
//! the row. Beside that a few pieces of the ledger are read; then each level is asked, beside what is left of the ledger.
//! A statement to a level returns together which rows it used and what they add up to; what it could not use is asked
//! one level below in the next round, in the end from the ledger. So nothing depends on how far the rollup worker is, but
//! speed.

use crate::cover::{Bucket, Cover, Cutter, Level, Piece};
use crate::filter::Narrow;
use crate::kept::{Asked, Kept};
use crate::period::{Period, Range, Span};
use crate::problem::{Problem, ProblemKind};
use crate::queries::{self, Question};
use crate::touches::{TouchedBucket, Touches};
use clickhouse::query::Query;
use clickhouse::{Row, RowOwned, RowRead};
use futures_util::stream::{self, StreamExt, TryStreamExt};
use proto::Position;
use serde::Deserialize;
use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};
use std::hash::Hash;
use std::sync::Arc;
use warehouse::calendar::{QUARTER_SECONDS, quarter_of};
use warehouse::{Warehouse, WarehouseError};

/// Reads one organisation's calls at one position. Every statement is bound to both.
#[derive(Debug, Clone)]
pub struct Reader {
    /// The way to ClickHouse.
    pub warehouse: Warehouse,
    /// The organisation, from the verified token.
    pub org_id: String,
    /// The position the answer is cut at.
    pub at: Position,
    /// The organisation's calendar at that snapshot.
    pub cutter: Cutter,
    /// Answers that may hold still.
    pub kept: Arc<Kept>,
    /// Largest number of ledger rows to read because rollup rows are missing; `None` for any number.
    pub ledger_rows_max: Option<u64>,
}

/// Why a question has no answer.
#[derive(Debug, Clone)]
pub enum AskError {
    /// So much of this span would have to come from the ledger that an older snapshot is the better answer.
    TooMuchLedger(Span),
    /// Anything else.
    Problem(Problem),
}

impl AskError {
    /// As a problem, where no older snapshot will be tried.
    pub fn problem(self) -> Problem {
        match self {
            Self::Problem(problem) => problem,
            Self::TooMuchLedger(_) => Problem::new(
                ProblemKind::Internal,
                "The request could not be answered. Try again; if it stays so, tell us the request id.",
            ),
        }
    }
}

impl<P: Into<Problem>> From<P> for AskError {
    fn from(problem: P) -> Self {
        Self::Problem(problem.into())
    }
}

/// What one round of statements answered.
#[derive(Debug)]
pub struct Round<R> {
    /// All rows, with the level they come from; `None` is the ledger.
    pub rows: Vec<(Option<Level>, R)>,
    /// Buckets that were touched but have no usable row.
    pub unused: Vec<(Level, Bucket)>,
}

/// A row of an answer, which also tells what its statement used.
pub trait AnswerRow: RowOwned + RowRead + Clone + Send + Sync + 'static {
    /// What the row is a sum of. Rows of the same cell add up.
    type Cell: Eq + Hash;

    /// Its cell.
    fn cell(&self) -> Self::Cell;

    /// Adds the calls of a row of the same cell, none of which it counts already.
    fn add(&mut self, later: Self);

    /// Starts of the buckets that this row says were used, in Unix seconds.
    fn used(&self) -> &[u32];

    /// About how much memory it takes, in bytes.
    fn bytes(&self) -> usize;
}

/// Buckets in one statement: their starts, ends and touches stay below the limit of a form field (128 KiB).
const BUCKETS_PER_STATEMENT: usize = 4_000;
/// Statements to rollup levels side by side.
const STATEMENTS_AT_ONCE: usize = 3;
/// So few pieces of the ledger, each of one quarter hour at most, are asked before it is known whether they hold anything.
const QUARTERS_AT_ONCE: usize = 4;
/// A few quarter hours are asked without an estimate: it would cost more than it could save.
const QUARTERS_WITHOUT_ESTIMATE: usize = 8;

/// What a round knows of its pieces of the ledger when it knows the touches.
struct SoFar<R> {
    asked: Asked,
    /// What was kept of an earlier position.
    kept: Option<(Position, Arc<Vec<R>>)>,
    /// What came after that, if it was asked already.
    later: Option<Result<Vec<R>, WarehouseError>>,
}

/// A line of `EXPLAIN ESTIMATE`, one a table; the statement's columns are fixed, so all of them stand here.
#[derive(Row, Deserialize)]
struct EstimateRow {
    #[serde(rename = "database")]
    _database: String,
    #[serde(rename = "table")]
    _table: String,
    #[serde(rename = "parts")]
    _parts: u64,
    rows: u64,
    #[serde(rename = "marks")]
    _marks: u64,
}

impl Reader {
    /// The days of a range, seen from the snapshot.
    pub fn period_of(&self, range: Range) -> Period {
        range.resolve(self.cutter.zone, self.cutter.now_ms)
    }

    /// Asks a question about a cover. Every row of every statement goes to `absorb`.
    ///
    /// # Errors
    /// ClickHouse's, and [`AskError::TooMuchLedger`].
    pub async fn ask<R: AnswerRow>(
        &self,
        question: &Question,
        narrow: &Narrow,
        mut cover: Cover,
        mut absorb: impl FnMut(R),
    ) -> Result<(), AskError> {
        let span = cover.span();
        while !cover.is_empty() {
            let round = self.round(question, narrow, &cover).await?;
            round.rows.into_iter().for_each(|(_, row)| absorb(row));
            cover = Cover::default();
            round.unused.into_iter().for_each(|(level, bucket)| self.cutter.split(&mut cover, level, bucket));
            self.refuse_too_much(&cover, span).await?;
        }
        Ok(())
    }

    /// Asks a question about what was touched of a cover, and does not go below.
    ///
    /// # Errors
    /// ClickHouse's.
    pub async fn round<R: AnswerRow>(
        &self,
        question: &Question,
        narrow: &Narrow,
        cover: &Cover,
    ) -> Result<Round<R>, Problem> {
        let pieces = cover.pieces.as_slice();
        let asked = Asked::new(
            &self.org_id,
            question,
            None,
            narrow,
            pieces.iter().map(|piece| (piece.span, piece.slot)),
        );
        // A few pieces are asked while the touches are read: the ledger needs no touch to be right, and it would mostly
        // wait only to hear that there is one.
        let kept = self.kept.before::<R>(&asked, self.at);
        let then = kept.as_ref().map_or(Position::ZERO, |(then, _)| *then);
        let first = async {
            if pieces.len() > QUARTERS_AT_ONCE {
                return None;
            }
            Some(self.of_pieces(question, narrow, pieces, then).await)
        };
        let (touches, first) = tokio::join!(self.touches(cover), first);
        let touches = touches?;
        let of_levels = stream::iter(of_levels(cover, &touches))
            .map(|(level, buckets)| async move { self.of_buckets(question, narrow, level, &buckets).await })
            .buffer_unordered(STATEMENTS_AT_ONCE)
            .try_collect::<Vec<_>>();
        let so_far = SoFar { asked, kept, later: first };
        let of_ledger = self.of_touched(question, narrow, pieces, &touches, so_far);
        let (of_levels, rows) = tokio::try_join!(of_levels, of_ledger)?;
        let mut round = Round { rows: rows.into_iter().map(|row| (None, row)).collect(), unused: Vec::new() };
        for of_level in of_levels {
            round.rows.extend(of_level.rows);
            round.unused.extend(of_level.unused);
        }
        Ok(round)
    }

    /// What the ledger answers for what was touched of some pieces: what was kept, and what came after that.
    async fn of_touched<R: AnswerRow>(
        &self,
        question: &Question,
        narrow: &Narrow,
        pieces: &[Piece],
        touches: &Touches,
        SoFar { asked, kept, later }: SoFar<R>,
    ) -> Result<Vec<R>, WarehouseError> {
        let touched: Vec<Piece> =
            pieces.iter().filter(|piece| touches.reaches(piece.span)).copied().collect();
        // What was never touched holds nothing, also while the ledger cannot be read.
        if touched.is_empty() {
            return Ok(Vec::new());
        }
        let last_touch = touched.iter().map(|piece| touches.last_of(piece.span)).max().unwrap_or_default();
        let (then, rows) = kept.unwrap_or_default();
        if last_touch <= then {
            return Ok(rows.to_vec());
        }
        let later = match later {
            Some(later) => later?,
            None => self.of_pieces(question, narrow, &touched, then).await?,
        };
        let rows = added_up(rows.to_vec(), later);
        let bytes = rows.iter().map(AnswerRow::bytes).sum();
        self.kept.put(asked, self.at, Arc::new(rows.clone()), bytes);
        Ok(rows)
    }

    /// What the ledger answers for calls of pieces whose first message came after a position.
    async fn of_pieces<R: AnswerRow>(
        &self,
        question: &Question,
        narrow: &Narrow,
        pieces: &[Piece],
        after: Position,
    ) -> Result<Vec<R>, WarehouseError> {
        let mut rows = Vec::new();
        if after == self.at {
            return Ok(rows);
        }
        for pieces in layers(pieces.to_vec(), |piece| piece.span) {
            for pieces in pieces.chunks(BUCKETS_PER_STATEMENT) {
                let query = narrow.bind(self.of_ledger(question, pieces, after));
                rows.extend(self.warehouse.fetch_all::<R>(question.doing, query).await?);
            }
        }
        Ok(rows)
    }

    /// What the rows of a level answer, from what was kept where that holds.
    async fn of_buckets<R: AnswerRow>(
        &self,
        question: &Question,
        narrow: &Narrow,
        level: Level,
        buckets: &[TouchedBucket],
    ) -> Result<Round<R>, WarehouseError> {
        let spans = buckets.iter().map(|touched| (touched.bucket.interval.into(), touched.bucket.slot));
        let asked = Asked::new(&self.org_id, question, Some(level), narrow, spans);
        let last_touch = buckets.iter().map(|touched| touched.last_touch).max().unwrap_or_default();
        let of_level = |rows: &[R]| rows.iter().map(|row| (Some(level), row.clone())).collect();
        if let Some(rows) = self.kept.get::<R>(&asked, self.at, last_touch) {
            return Ok(Round { rows: of_level(&rows), unused: Vec::new() });
        }
        let query = narrow.bind(self.of_level(question, level, buckets));
        let rows: Vec<R> = self.warehouse.fetch_all(question.doing, query).await?;
        let unused = unused(&rows, buckets);
        let round = Round {
            rows: of_level(&rows),
            unused: unused.into_iter().map(|bucket| (level, bucket)).collect(),
        };
        if round.unused.is_empty() && last_touch <= self.at {
            let bytes = rows.iter().map(AnswerRow::bytes).sum();
            self.kept.put(asked, self.at, Arc::new(rows), bytes);
        }
        Ok(round)
    }

    /// The touches of a cover.
    ///
    /// # Errors
    /// ClickHouse's.
    pub async fn touches(&self, cover: &Cover) -> Result<Touches, WarehouseError> {
        Touches::read(&self.warehouse, &self.kept, &self.org_id, self.at, cover).await
    }

    fn of_level(&self, question: &Question, level: Level, buckets: &[TouchedBucket]) -> Query {
        let column = |of: fn(&TouchedBucket) -> i64| buckets.iter().map(of).collect::<Vec<_>>();
        let last_touches: Vec<u64> = buckets.iter().map(|touched| touched.last_touch.as_u64()).collect();
        self.warehouse
            .read(&question.of_level)
            .param("org_id", &self.org_id)
            .param("at", self.at.as_u64())
            .param("level", level.table())
            .param("starts", column(|touched| touched.bucket.interval.starts_at))
            .param("ends", column(|touched| touched.bucket.interval.ends_at))
            .param("slots", column(|touched| i64::from(touched.bucket.slot)))
            .param("last_touches", last_touches)
    }

    fn of_ledger(&self, question: &Question, pieces: &[Piece], after: Position) -> Query {
        let column = |of: fn(&Piece) -> i64| pieces.iter().map(of).collect::<Vec<_>>();
        let query = if after == Position::ZERO {
            self.warehouse.read(&question.of_ledger)
        } else {
            self.warehouse.read(&question.of_ledger_after).param("after", after.as_u64())
        };
        query
            .param("org_id", &self.org_id)
            .param("at", self.at.as_u64())
            .param("from_ms", column(|piece| piece.span.from_ms))
            .param("to_ms", column(|piece| piece.span.to_ms))
            .param("slots", column(|piece| i64::from(piece.slot)))
            .param("quarters", quarters_of(pieces))
    }

    async fn refuse_too_much(&self, below: &Cover, span: Span) -> Result<(), AskError> {
        let Some(rows_max) = self.ledger_rows_max else { return Ok(()) };
        if below.pieces.len() <= QUARTERS_WITHOUT_ESTIMATE {
            return Ok(());
        }
        let mut pieces = below.pieces.clone();
        pieces.sort_unstable();
        let mut rows = 0u64;
        for pieces in pieces.chunks(BUCKETS_PER_STATEMENT) {
            let (Some(first), Some(last)) = (pieces.first(), pieces.last()) else { continue };
            let query = self
                .warehouse
                .read(&queries::ESTIMATE)
                .param("org_id", &self.org_id)
                .param("from_ms", first.span.from_ms)
                .param("to_ms", last.span.to_ms)
                .param("quarters", quarters_of(pieces));
            let of_parts: Vec<EstimateRow> = self.warehouse.fetch_all("estimating the work", query).await?;
            rows += of_parts.iter().map(|part| part.rows).sum::<u64>();
        }
        if rows > rows_max { Err(AskError::TooMuchLedger(span)) } else { Ok(()) }
    }
}

/// The touched buckets of a cover, as statements.
fn of_levels(cover: &Cover, touches: &Touches) -> Vec<(Level, Vec<TouchedBucket>)> {
    let mut statements = Vec::new();
    for level in Level::ALL {
        let touched = cover.buckets(level).iter().filter_map(|bucket| touches.of(*bucket));
        let layers = layers(touched.collect(), |touched| touched.bucket.interval.into());
        let chunks = layers.iter().flat_map(|layer| layer.chunks(BUCKETS_PER_STATEMENT));
        statements.extend(chunks.map(|chunk| (level, chunk.to_vec())));
    }
    statements
}

/// Sorts by time into layers without overlap: one statement counts a call to one sum only. Usually there is one layer.
fn layers<T: Ord>(mut items: Vec<T>, span_of: impl Fn(&T) -> Span) -> Vec<Vec<T>> {
    items.sort_unstable();
    let mut layers: Vec<Vec<T>> = Vec::new();
    for item in items {
        let from_ms = span_of(&item).from_ms;
        let fits = |layer: &&mut Vec<T>| layer.last().is_none_or(|last| span_of(last).to_ms <= from_ms);
        match layers.iter_mut().find(fits) {
            Some(layer) => layer.push(item),
            None => layers.push(vec![item]),
        }
    }
    layers
}

/// The sums of calls and of further calls, a row a cell.
fn added_up<R: AnswerRow>(mut rows: Vec<R>, later: Vec<R>) -> Vec<R> {
    if rows.is_empty() {
        return later;
    }
    let mut places: HashMap<R::Cell, usize> =
        rows.iter().enumerate().map(|(place, row)| (row.cell(), place)).collect();
    for later in later {
        match places.entry(later.cell()) {
            Entry::Occupied(place) => rows[*place.get()].add(later),
            Entry::Vacant(place) => {
                place.insert(rows.len());
                rows.push(later);
            }
        }
    }
    rows
}

fn unused<R: AnswerRow>(rows: &[R], buckets: &[TouchedBucket]) -> Vec<Bucket> {
    let used: HashSet<i64> = rows.iter().flat_map(|row| row.used()).map(|start| i64::from(*start)).collect();
    let buckets = buckets.iter().map(|touched| touched.bucket);
    buckets.filter(|bucket| !used.contains(&bucket.interval.starts_at)).collect()
}

/// Starts of the quarter hours that pieces lie in, ascending.
fn quarters_of(pieces: &[Piece]) -> Vec<i64> {
    let mut quarters: Vec<i64> = pieces
        .iter()
        .flat_map(|piece| {
            let first = quarter_of(piece.span.from_ms).starts_at;
            (first..).step_by(QUARTER_SECONDS as usize).take_while(|start| start * 1000 < piece.span.to_ms)
        })
        .collect();
    quarters.dedup();
    quarters
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_overlaps_goes_into_statements_of_its_own() {
        let span = |from_ms, to_ms| Span { from_ms, to_ms };
        let layered = layers(vec![span(5, 9), span(0, 5), span(0, 3), span(9, 12), span(3, 5)], |span| *span);
        assert_eq!(layered, [vec![span(0, 3), span(3, 5), span(5, 9), span(9, 12)], vec![span(0, 5)]]);
        assert!(layers(Vec::<Span>::new(), |span| *span).is_empty());
    }

    #[test]
    fn a_piece_lies_in_every_quarter_hour_it_reaches() {
        let piece = |from_ms, to_ms| Piece { span: Span { from_ms, to_ms }, slot: 0 };
        assert_eq!(quarters_of(&[piece(899_999, 900_001), piece(900_001, 900_002)]), [0, 900]);
        assert_eq!(quarters_of(&[piece(0, 900_000)]), [0]);
    }
}
