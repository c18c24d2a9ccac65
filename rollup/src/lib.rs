//! Ledger to aggregates: keeps the rollups of passed quarter hours, days and months up to date, rebuilds them, and
//! proves them against the ledger. `README.md` beside this crate is the guide.

mod chunks;
mod frontier;
mod level;
pub mod metrics;
mod organisations;
mod plan;
mod progress;
mod queries;
mod rebuild;
mod recompute;
mod request;
mod run;
mod selection;
mod settings;
mod statement;
pub mod verify;
mod worker;
mod worklist;
mod zones;

pub use frontier::{Frontier, FrontierReader, Frontiers};
pub use level::Level;
pub use organisations::{OrgNumber, Organisations};
pub use progress::Progress;
pub use rebuild::{Rebuilt, rebuild};
pub use recompute::Recompute;
pub use run::run;
pub use selection::Selection;
pub use settings::{RollupSettings, WorkerSettings};
pub use worker::{FAIL_POINTS, Step, Worker};
pub use worklist::{Bucket, Due};
