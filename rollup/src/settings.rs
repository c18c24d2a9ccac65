//! Settings of the rollup worker and its commands. `settings.toml` is the reference.

use serde::{Deserialize, Serialize};
use service::ops::OpsSettings;
use service::settings::{Check, DurationSetting, ServiceSettings, Settings};
use service::telemetry::TelemetrySettings;
use warehouse::WarehouseSettings;

/// All settings.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RollupSettings {
    /// How to reach ClickHouse.
    pub clickhouse: WarehouseSettings,
    /// How the work is cut.
    pub worker: WorkerSettings,
    /// Health and metrics.
    pub ops: OpsSettings,
    /// Logs.
    pub telemetry: TelemetrySettings,
}

/// How the work is cut. No answer depends on any of it.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WorkerSettings {
    /// Which of the workers this is, from 0.
    pub index: u32,
    /// How many workers share the partitions.
    pub count: u32,
    /// Pause between two steps.
    pub step_interval: DurationSetting,
    /// How long after its end a bucket counts as running still, in append time.
    pub grace: DurationSetting,
    /// Most ledger rows a statement reads.
    pub rows_per_statement: u64,
    /// Most buckets a statement computes.
    pub buckets_per_statement: usize,
}

/// Most buckets a statement can be asked for: their list is a parameter, and a parameter's size is limited.
pub const BUCKETS_PER_STATEMENT_MAX: usize = 2000;

impl Settings for RollupSettings {
    const DEFAULTS: &'static str = include_str!("../settings.toml");

    fn validate(&self, check: &mut Check) {
        let seconds = DurationSetting::from_secs;
        self.clickhouse.validate(check);
        check.within("worker.count", self.worker.count, 1..=1000);
        check.that("worker.index", self.worker.index < self.worker.count, "must be below worker.count");
        let step = DurationSetting::from_millis(10)..=seconds(60);
        check.within("worker.step_interval", self.worker.step_interval, step);
        check.within("worker.grace", self.worker.grace, seconds(0)..=seconds(3600));
        check.within("worker.rows_per_statement", self.worker.rows_per_statement, 10_000..=100_000_000);
        let buckets = 1..=BUCKETS_PER_STATEMENT_MAX;
        check.within("worker.buckets_per_statement", self.worker.buckets_per_statement, buckets);
        self.ops.validate(check);
    }
}

impl ServiceSettings for RollupSettings {
    fn telemetry(&self) -> &TelemetrySettings {
        &self.telemetry
    }

    fn ops(&self) -> &OpsSettings {
        &self.ops
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_file_names_every_setting() {
        service::settings::check_defaults::<RollupSettings>().unwrap();
    }

    #[test]
    fn a_worker_that_is_not_one_of_its_count_is_refused() {
        let environment = [("WORKER_INDEX".to_owned(), "1".to_owned())];
        let mistakes = service::settings::load::<RollupSettings>(None, environment).unwrap_err();
        assert!(mistakes.to_string().contains("worker.index"), "{mistakes}");
    }
}
