//! The worker: looks at the frontier, and computes what has passed since.
//!
//! Nothing here decides what is true. A row judges itself by its position and the touches of its interval, so it does
//! not matter whether this worker is late, runs twice, was killed between two levels, or was frozen while others went
//! on: what it did not write is read from the level below, and what it writes too late is not used.

use crate::frontier::{FrontierReader, Frontiers};
use crate::level::Level;
use crate::metrics;
use crate::organisations::Organisations;
use crate::queries::{self, Bookmark};
use crate::recompute::Recompute;
use crate::settings::WorkerSettings;
use crate::worklist::{Bucket, Worklist};
use crate::zones::Zones;
use proto::Position;
use service::error::chain;
use service::failpoint;
use service::shutdown::Shutdown;
use std::time::{Duration, Instant};
use warehouse::{Warehouse, WarehouseError};

/// Where a crash test can kill the worker: after each level of a step that computed something, and after a bookmark.
pub const FAIL_POINTS: [&str; 4] = ["after_quarters", "after_days", "after_months", "after_bookmark"];

/// Most touches taken into the worklist at once, a partition: bounds its memory when the worker is far behind.
const TOUCHES_PER_LOOK: u64 = 200_000;
/// How often bookmarks are written at most. They only save a restart some work.
const BOOKMARK_INTERVAL: Duration = Duration::from_secs(10);

/// What a step found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// No source of calls is recorded: ingest has never run.
    NoSource,
    /// Nothing had to be computed.
    Idle,
    /// What was found was computed.
    Worked,
    /// There is more than one step's work.
    Behind,
}

/// One worker's state. All of it can be lost: it is found again from the touches.
pub struct Worker {
    warehouse: Warehouse,
    settings: WorkerSettings,
    shutdown: Shutdown,
    frontier_reader: FrontierReader,
    organisations: Organisations,
    worklist: Worklist,
    place: Option<Place>,
    zones: Zones,
    bookmarks_written: Option<Instant>,
}

/// Where in the touches of one source and generation the worker is, a partition.
struct Place {
    source: u16,
    generation: u32,
    /// Touches up to here were looked at. The highest position there is for partitions of other workers.
    cursors: Vec<Position>,
    bookmarks: Vec<Position>,
}

impl Worker {
    /// A worker that knows nothing yet.
    pub fn new(warehouse: Warehouse, settings: WorkerSettings, shutdown: Shutdown) -> Self {
        Self {
            warehouse,
            settings,
            shutdown,
            frontier_reader: FrontierReader::default(),
            organisations: Organisations::default(),
            worklist: Worklist::default(),
            place: None,
            zones: Zones::default(),
            bookmarks_written: None,
        }
    }

    /// One step: frontier, touches, then level by level what is due. After an error it can be called again.
    ///
    /// # Errors
    /// ClickHouse's.
    pub async fn step(&mut self) -> Result<Step, WarehouseError> {
        let began = Instant::now();
        // The frontier comes first: every touch up to it was written before it moved there.
        let Some(frontiers) = self.frontier_reader.read(&self.warehouse).await? else {
            return Ok(Step::NoSource);
        };
        self.find_place(&frontiers).await?;
        let (count, index) = (self.settings.count, self.settings.index);
        let is_ours = |partition: usize| partition as u32 % count == index;
        self.zones
            .follow(&self.warehouse, &mut self.organisations, &mut self.worklist, &frontiers, is_ours)
            .await?;
        let looked_at_all = self.look(&frontiers).await?;
        let mut computed = 0;
        for (level, fail_point) in Level::ALL.into_iter().zip(FAIL_POINTS) {
            // A day whose quarter hours are not all looked at would be computed from the ledger, and so twice.
            if level == Level::Quarter || looked_at_all {
                let count = self.compute(level, &frontiers).await?;
                computed += count;
                if count > 0 {
                    failpoint::hit(fail_point);
                }
            }
        }
        if looked_at_all {
            let grace_ms = self.grace_ms();
            self.zones
                .settle(&self.warehouse, &self.organisations, &self.worklist, &frontiers, grace_ms)
                .await?;
        }
        let positions_behind = self.write_bookmarks(&frontiers).await?;
        for level in Level::ALL {
            metrics::waiting(level, self.worklist.len(level));
        }
        metrics::step(began.elapsed(), positions_behind);
        Ok(match (looked_at_all, computed) {
            (false, _) => Step::Behind,
            (true, 0) => Step::Idle,
            (true, _) => Step::Worked,
        })
    }

    /// Starts from the bookmarks where source or generation are new.
    async fn find_place(&mut self, frontiers: &Frontiers) -> Result<(), WarehouseError> {
        let is_same =
            |place: &Place| (place.source, place.generation) == (frontiers.source, frontiers.generation);
        if self.place.as_ref().is_some_and(is_same) {
            return Ok(());
        }
        let mut cursors = vec![Position::ZERO; frontiers.partitions.len()];
        for (partition, bookmark) in queries::bookmarks(&self.warehouse, frontiers.generation).await? {
            let bookmark = Position::from_u64(bookmark);
            // One of another source does not count: its partitions may have held other organisations.
            if let Some(cursor) = cursors.get_mut(usize::from(partition))
                && bookmark.source() == frontiers.source
            {
                *cursor = bookmark;
            }
        }
        let bookmarks = cursors.clone();
        for (partition, cursor) in cursors.iter_mut().enumerate() {
            if !self.is_ours(partition) {
                *cursor = Position::from_u64(u64::MAX);
            }
        }
        self.worklist = Worklist::default();
        self.place =
            Some(Place { source: frontiers.source, generation: frontiers.generation, cursors, bookmarks });
        Ok(())
    }

    fn grace_ms(&self) -> i64 {
        self.settings.grace.get().as_millis() as i64
    }

    fn is_ours(&self, partition: usize) -> bool {
        partition as u32 % self.settings.count == self.settings.index
    }

    /// Takes what was touched since the last look into the worklist. Returns whether that was all.
    async fn look(&mut self, frontiers: &Frontiers) -> Result<bool, WarehouseError> {
        let Some(place) = &mut self.place else { return Ok(true) };
        let cursors: Vec<u64> = place.cursors.iter().map(|cursor| cursor.as_u64()).collect();
        let touched = queries::touched_since(&self.warehouse, &cursors, TOUCHES_PER_LOOK).await?;
        self.worklist.begin_look();
        let mut found = vec![(0, Position::ZERO); cursors.len()];
        for touch in &touched {
            let org = self.organisations.number(&touch.org_id);
            let last_touch = Position::from_u64(touch.last_position);
            for level in Level::ALL {
                let interval = level.interval(self.organisations.zone(org), touch.quarter);
                self.worklist.touch(level, Bucket { org, interval }, last_touch);
            }
            let (count, highest) = &mut found[self.organisations.partition(org, frontiers.count())];
            *count += 1;
            *highest = (*highest).max(last_touch);
        }
        let mut looked_at_all = true;
        for ((cursor, frontier), (count, highest)) in
            place.cursors.iter_mut().zip(&frontiers.partitions).zip(found)
        {
            let is_cut = count >= TOUCHES_PER_LOOK;
            looked_at_all &= !is_cut;
            // Not beyond the frontier: a touch behind it will be found again, one that is on its way up to it too.
            let looked_to = if is_cut { highest.min(frontier.at) } else { frontier.at };
            *cursor = (*cursor).max(looked_to);
        }
        Ok(looked_at_all)
    }

    /// Computes what is due of one level. Returns how many buckets that was.
    async fn compute(&mut self, level: Level, frontiers: &Frontiers) -> Result<usize, WarehouseError> {
        let due = self.worklist.due(level, &self.organisations, frontiers, self.grace_ms());
        if due.is_empty() {
            return Ok(0);
        }
        let recompute = Recompute {
            warehouse: &self.warehouse,
            organisations: &self.organisations,
            frontiers,
            settings: &self.settings,
            shutdown: &self.shutdown,
        };
        // A bucket leaves the list when its stored row is seen to be usable: in the step after it was computed, or at
        // once where somebody else has computed it.
        let asked: Vec<Bucket> = due.iter().map(|due| due.bucket).collect();
        let open = recompute.without_usable_row(level, due).await?;
        let mut count = 0;
        let is_open: hashbrown::HashSet<Bucket> = open.iter().map(|(bucket, _)| *bucket).collect();
        recompute.compute(level, is_open.iter().copied().collect(), |stored| count += stored).await?;
        if level == Level::Quarter && count == open.len() {
            // Operators' knowledge, no part of any answer: not worth another try.
            match recompute.told_again(open).await {
                Ok(told) => metrics::told_again(told),
                Err(error) => tracing::warn!(error = chain(&error), "repeats and conflicts were not counted"),
            }
        }
        for bucket in asked.iter().filter(|bucket| !is_open.contains(*bucket)) {
            self.worklist.done(level, bucket);
        }
        Ok(count)
    }

    /// Remembers where a restart may begin to look. Returns how many positions lie between there and the frontiers.
    async fn write_bookmarks(&mut self, frontiers: &Frontiers) -> Result<u64, WarehouseError> {
        let Some(place) = &mut self.place else { return Ok(0) };
        let bookmarks = self.worklist.bookmarks(&self.organisations, &place.cursors);
        let is_ours = |partition: &usize| *partition as u32 % self.settings.count == self.settings.index;
        let positions_behind = (frontiers.partitions.iter().zip(&bookmarks).enumerate())
            .filter(|(partition, _)| is_ours(partition))
            .map(|(_, (frontier, bookmark))| frontier.at.as_u64().saturating_sub(bookmark.as_u64()))
            .sum();
        if self.bookmarks_written.is_some_and(|written| written.elapsed() < BOOKMARK_INTERVAL) {
            return Ok(positions_behind);
        }
        let moved: Vec<Bookmark> = (0..bookmarks.len())
            .filter(is_ours)
            .filter(|partition| bookmarks[*partition] > place.bookmarks[*partition])
            .map(|partition| Bookmark {
                generation: place.generation,
                partition: partition as u16,
                bookmark: bookmarks[partition].as_u64(),
            })
            .collect();
        if !moved.is_empty() {
            queries::write_bookmarks(&self.warehouse, &moved).await?;
            for bookmark in &moved {
                place.bookmarks[usize::from(bookmark.partition)] = Position::from_u64(bookmark.bookmark);
            }
            self.bookmarks_written = Some(Instant::now());
            failpoint::hit("after_bookmark");
        }
        Ok(positions_behind)
    }
}
