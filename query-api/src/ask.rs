//! The questions people have, each answered at one snapshot. Handlers and pages ask here and nowhere else.

mod anomalies;
mod breakdowns;
mod cards;
mod had_calls;
mod log;
mod models;
mod options;
mod series;
mod walk;

use crate::app::App;
use crate::as_of::AsOf;
use crate::cover::Cutter;
use crate::metrics;
use crate::problem::Problem;
use crate::reader::{AskError, Reader};
use crate::snapshot::{self, Snapshot};
use std::sync::Arc;

pub use anomalies::{Anomalies, anomalies};
pub use breakdowns::{Breakdowns, breakdowns};
pub use cards::{Cards, cards};
pub use had_calls::had_calls;
pub use log::{LogRow, MessageRow, Page, Place, Told, call, page};
pub use models::{Seen, models};
pub use options::{Options, options};
pub use series::{Point, Series, Step, series};

/// Chooses the snapshot and asks. Where the newest one would cost too much because the rollup worker is far behind,
/// an older one is answered, and says so; where there is none, the newest one after all.
///
/// # Errors
/// Those of the snapshot and of the question.
pub async fn at_snapshot<T, F>(
    app: &App,
    org_id: &str,
    pinned: Option<AsOf>,
    question: impl Fn(Reader) -> F,
) -> Result<(Snapshot, T), Problem>
where
    F: Future<Output = Result<T, AskError>>,
{
    let newest = snapshot::take(&app.warehouse, &app.last_sources, org_id, pinned).await?;
    if let (false, Some(age)) = (newest.pinned, newest.age()) {
        metrics::snapshot_age(age);
    }
    let bounded = if newest.pinned { None } else { Some(app.ledger_rows_max) };
    let span = match question(reader(app, &newest, bounded)).await {
        Ok(answer) => return Ok((newest, answer)),
        Err(AskError::Problem(problem)) => return Err(problem),
        Err(AskError::TooMuchLedger(span)) => span,
    };
    if let Some(older) = newest.cheaper(&app.warehouse, span).await? {
        match question(reader(app, &older, bounded)).await {
            Ok(answer) => {
                metrics::answered_behind();
                return Ok((older, answer));
            }
            Err(AskError::Problem(problem)) => return Err(problem),
            Err(AskError::TooMuchLedger(_)) => {}
        }
    }
    let answer = question(reader(app, &newest, None)).await.map_err(AskError::problem)?;
    Ok((newest, answer))
}

fn reader(app: &App, snapshot: &Snapshot, ledger_rows_max: Option<u64>) -> Reader {
    Reader {
        warehouse: app.warehouse.clone(),
        kept: Arc::clone(&app.kept),
        org_id: snapshot.organisation.org_id.clone(),
        at: snapshot.as_of.position,
        cutter: Cutter { zone: snapshot.as_of.zone, now_ms: snapshot.as_of.now_ms },
        ledger_rows_max,
    }
}
