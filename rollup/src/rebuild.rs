//! Throwing rollups away and computing them anew, while everything serves.
//!
//! The generation is raised first: from then on a row of the new one wins over every older row, whatever position that
//! goes through, and all workers write in it. Nothing is deleted: a reader finds the old row, which is as good as it
//! was, until the new one replaces it.

use crate::frontier::{FrontierReader, Frontiers};
use crate::level::Level;
use crate::organisations::Organisations;
use crate::progress::Progress;
use crate::queries;
use crate::recompute::Recompute;
use crate::selection::Selection;
use crate::settings::RollupSettings;
use crate::worklist::{Bucket, Worklist};
use anyhow::{Context, bail};
use proto::Position;
use service::shutdown::Shutdown;
use std::fmt;
use warehouse::Warehouse;

/// Most touched quarter hours that are taken on together: bounds memory. An organisation is never split.
const TOUCHES_AT_ONCE: u64 = 200_000;
/// Most organisations that are taken on together.
const ORGS_AT_ONCE: usize = 500;

/// What was computed anew.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rebuilt {
    /// In which generation.
    pub generation: u32,
    /// Quarter hours, days and months.
    pub buckets: [usize; 3],
}

impl fmt::Display for Rebuilt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { generation, buckets: [quarters, days, months] } = self;
        write!(
            f,
            "generation {generation}: {quarters} quarter hours, {days} days and {months} months computed anew"
        )
    }
}

/// Raises the generation and computes everything selected that has passed. What is touched meanwhile is left to the
/// worker, as always.
///
/// # Errors
/// ClickHouse's, no source, an organisation without calls, and the wish to end before all was done. What was computed
/// stays, and the command can be repeated.
pub async fn rebuild(
    settings: &RollupSettings,
    selection: &Selection,
    reason: &str,
    shutdown: &Shutdown,
    progress: &Progress,
) -> anyhow::Result<Rebuilt> {
    let warehouse = Warehouse::new(&settings.clickhouse);
    let mut reader = FrontierReader::default();
    let before = reader
        .read(&warehouse)
        .await?
        .context("no source of calls is recorded: there is nothing to rebuild")?;
    let counts = queries::touch_counts(&warehouse, &selection.orgs).await?;
    selection.refuse_nothing(&counts)?;
    let generation = before.generation + 1;
    queries::raise_generation(&warehouse, generation, reason).await?;
    // Read again, so that everything the older generation could still be right about lies before.
    let frontiers = reader.read(&warehouse).await?.context("the source of calls is gone")?;
    let mut organisations = Organisations::default();
    organisations.set_zones(queries::zones(&warehouse).await?);
    let mut rebuilt = Rebuilt { generation: frontiers.generation, ..Rebuilt::default() };
    progress.begin("rebuild", counts.iter().map(|(_, quarters)| quarters).sum());
    for run in runs(&counts) {
        let orgs: Vec<&str> = run.iter().map(|(org_id, _)| org_id.as_str()).collect();
        let touched = queries::touched_of(&warehouse, &orgs).await?;
        let mut worklist = Worklist::default();
        for touch in &touched {
            let org = organisations.number(&touch.org_id);
            for level in Level::ALL {
                let interval = level.interval(organisations.zone(org), touch.quarter);
                if selection.meets(interval) {
                    worklist.touch(level, Bucket { org, interval }, Position::from_u64(touch.last_position));
                }
            }
        }
        // Nothing more is heard of these touches: they are as quiet as they will be.
        worklist.begin_look();
        compute(&warehouse, settings, &organisations, &frontiers, shutdown, &worklist, &mut rebuilt).await?;
        // Days and months of a zone that an organisation had before were not computed. They would count again if it
        // came back to that zone; what is missing then is computed.
        for level in Level::ALL {
            queries::delete_older(&warehouse, level, &orgs, selection.span(), frontiers.generation).await?;
        }
        progress.advance(run.iter().map(|(_, quarters)| quarters).sum());
    }
    progress.end();
    Ok(rebuilt)
}

async fn compute(
    warehouse: &Warehouse,
    settings: &RollupSettings,
    organisations: &Organisations,
    frontiers: &Frontiers,
    shutdown: &Shutdown,
    worklist: &Worklist,
    rebuilt: &mut Rebuilt,
) -> anyhow::Result<()> {
    let recompute = Recompute { warehouse, organisations, frontiers, settings: &settings.worker, shutdown };
    let grace_ms = settings.worker.grace.get().as_millis() as i64;
    for level in Level::ALL {
        let due = worklist.due(level, organisations, frontiers, grace_ms);
        let buckets = due.into_iter().map(|due| due.bucket).collect();
        recompute.compute(level, buckets, |stored| rebuilt.buckets[level as usize] += stored).await?;
        if shutdown.is_triggered() {
            bail!("ended before everything was computed anew; so far {rebuilt}. Run it again");
        }
    }
    Ok(())
}

/// Neighbouring organisations that are taken on together.
fn runs(counts: &[(String, u64)]) -> impl Iterator<Item = &[(String, u64)]> {
    let (mut touches, mut orgs) = (0, 0);
    counts.chunk_by(move |(_, quarters), _| {
        touches += quarters;
        orgs += 1;
        let goes_on = touches < TOUCHES_AT_ONCE && orgs < ORGS_AT_ONCE;
        if !goes_on {
            (touches, orgs) = (0, 0);
        }
        goes_on
    })
}
