//! The sign of life of idle partitions, and what a person wants to know about all of them.
//!
//! "Everything received by 12:00:05 is counted" must stay true and move on when nothing arrives. So, every now and then:
//! take the time, ask the brokers where the logs end, and if a partition's end is where the ledger is, everything that
//! was appended before that time is counted; a row `from = to` in `batches` says so.

use crate::cluster::Cluster;
use crate::metrics;
use crate::patience::{Advice, Patience};
use crate::progress::{Point, Progress};
use crate::topic::{Kind, Partition};
use service::clock;
use service::error::chain;
use service::health::{Component, State};
use service::shutdown::Shutdown;
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::{MissedTickBehavior, interval};
use warehouse::{BatchRow, Warehouse};

/// Signs of life that are written together.
type Signs = Vec<(Partition, BatchRow)>;

/// Looks at all partitions at an interval.
pub struct Watch {
    /// Where rows go.
    pub warehouse: Warehouse,
    /// Where the logs end.
    pub cluster: Cluster,
    /// How far the ledger is.
    pub progress: Progress,
    /// The topics by kind.
    pub topics: BTreeMap<Kind, String>,
    /// How often.
    pub every: Duration,
    /// How much this machine's clock may be ahead of the brokers', and how long an appended message may take until a
    /// replicated log's end shows it.
    pub clock_tolerance: Duration,
    /// How it waits for ClickHouse.
    pub patience: Patience,
    /// What is said about Kafka.
    pub kafka: Component,
    /// When there is nothing to look at any more.
    pub shutdown: Shutdown,
}

impl Watch {
    /// Looks until the end is asked for. Writing has a place of its own: while it waits for ClickHouse, lag and whether
    /// Kafka answers are looked at all the same.
    pub async fn run(self) {
        let (signs, to_write) = mpsc::channel(1);
        tokio::join!(self.look_at_intervals(signs), self.write_all(to_write));
    }

    async fn look_at_intervals(&self, signs: mpsc::Sender<Signs>) {
        let mut ticks = interval(self.every);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                biased;
                () = self.shutdown.triggered() => return,
                _ = ticks.tick() => {
                    let idle = self.look().await;
                    // If the one before is still being written, the next look has a newer one.
                    if !idle.is_empty() {
                        let _ = signs.try_send(idle);
                    }
                }
            }
        }
    }

    /// Tells metrics and health how things are; returns the signs of life of idle partitions.
    async fn look(&self) -> Signs {
        let now_ms = clock::now_ms();
        let points = self.progress.points();
        let ends = match self.ends(&points).await {
            Ok(ends) => {
                if self.kafka.state() != State::Ok {
                    tracing::info!("Kafka answers");
                }
                self.kafka.ok();
                ends
            }
            Err(error) => {
                let causes = chain(&error);
                let for_what = match error.advice() {
                    Some(advice) => format!("somebody to act: {advice} ({causes})"),
                    None => format!("Kafka to tell the ends of the logs: {causes}"),
                };
                // Once; health says it as long as it lasts.
                if self.kafka.state() == State::Ok {
                    tracing::warn!("waiting for {for_what}");
                }
                self.kafka.waiting(for_what);
                BTreeMap::new()
            }
        };
        let complete_until_ms = now_ms.saturating_sub_unsigned(self.clock_tolerance.as_millis() as u64);
        let mut idle = Vec::new();
        for (partition, point) in &points {
            let Some(end) = ends.get(partition) else { continue };
            let behind = u64::try_from(end - point.position.next_offset()).unwrap_or(0);
            metrics::lag(*partition, behind);
            if behind == 0 && complete_until_ms > point.complete_until_ms {
                idle.push((*partition, sign_of_life(*partition, point, complete_until_ms)));
            }
        }
        for (partition, point) in self.progress.points() {
            let age_ms = clock::now_ms() - point.complete_until_ms;
            if point.complete_until_ms > 0 {
                metrics::frontier_age(partition, Duration::from_millis(u64::try_from(age_ms).unwrap_or(0)));
            }
        }
        idle
    }

    async fn ends(
        &self,
        points: &BTreeMap<Partition, Point>,
    ) -> Result<BTreeMap<Partition, i64>, rdkafka::error::KafkaError> {
        if points.is_empty() {
            // Nothing is assigned, but whether Kafka answers is still worth knowing.
            self.cluster.ask(|cluster| cluster.cluster_id()).await?;
            return Ok(BTreeMap::new());
        }
        let named: Vec<(Partition, (String, u16))> = points
            .keys()
            .filter_map(|partition| {
                Some((*partition, (self.topics.get(&partition.kind)?.clone(), partition.number)))
            })
            .collect();
        let wanted: Vec<(String, u16)> = named.iter().map(|(_, name)| name.clone()).collect();
        let ends = self.cluster.ask(move |cluster| cluster.ends(&wanted)).await?;
        Ok(named.into_iter().filter_map(|(partition, name)| Some((partition, *ends.get(&name)?))).collect())
    }

    async fn write_all(&self, mut signs: mpsc::Receiver<Signs>) {
        while let Some(idle) = signs.recv().await {
            let rows: Vec<BatchRow> = idle.iter().map(|(_, row)| *row).collect();
            let written = self
                .patience
                .until_done("insert signs of life", || {
                    self.warehouse.insert_rows("inserting signs of life", "batches", &rows)
                })
                .await;
            if written.is_ok() {
                for (partition, row) in &idle {
                    self.progress.advance(*partition, row.interval().1, row.appended_at);
                }
            }
        }
    }
}

fn sign_of_life(partition: Partition, point: &Point, complete_until_ms: i64) -> BatchRow {
    BatchRow {
        partition: partition.number,
        from_position: point.position.as_u64(),
        to_position: point.position.as_u64(),
        ledger_rows: 0,
        dead_letters: 0,
        rerouted: 0,
        empty_offsets: 0,
        lost: 0,
        appended_at: complete_until_ms,
    }
}
