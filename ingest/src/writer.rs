//! Makes a batch durable, step by step, each before the next begins:
//!
//! 0. the topics are proven to be the recorded ones: until here nothing was written;
//! 1. dead letters and rerouted messages are acknowledged by Kafka, then the rows by ClickHouse;
//! 2. the touches: which quarter hours of which organisations are not what rollups last saw;
//! 3. one row a partition in `batches`, with which readers begin to count the calls;
//! 4. Kafka's offset commit, for people's eyes only.
//!
//! A kill between any two repeats work and loses none: the next worker starts where `batches` ends.

use crate::batch::Batch;
use crate::consumer::ClosedBatch;
use crate::group_client::GroupClient;
use crate::guard::Guard;
use crate::metrics;
use crate::must_stop::MustStop;
use crate::outbox::Outbox;
use crate::patience::{Patience, Stopped};
use crate::progress::Progress;
use service::failpoint;
use std::collections::BTreeSet;
use std::time::Instant;
use tokio::sync::mpsc::UnboundedReceiver;
use warehouse::{BatchRow, LedgerBlock, TouchRow, Warehouse};

/// Where a crash test can end the process, in the order of the steps.
pub const FAIL_POINTS: [&str; 5] =
    ["after_dead_letters", "after_insert", "after_touches", "after_batch_row", "after_commit"];

/// Writes batches, one after the other.
pub struct Writer {
    /// Knows who the topics must be.
    pub guard: Guard,
    /// The ledger.
    pub warehouse: Warehouse,
    /// For dead letters and rerouted messages.
    pub outbox: Outbox,
    /// For commits.
    pub client: GroupClient,
    /// How far each partition is.
    pub progress: Progress,
    /// How it waits for ClickHouse.
    pub warehouse_patience: Patience,
    /// How it waits for Kafka.
    pub kafka_patience: Patience,
}

impl Writer {
    /// Writes until no batch comes any more, or the end is asked for while ClickHouse or Kafka is away.
    ///
    /// # Errors
    /// If a topic is not the recorded one any more. Nothing of the batch was written then.
    pub async fn run(self, mut batches: UnboundedReceiver<ClosedBatch>) -> Result<(), MustStop> {
        while let Some(ClosedBatch { mut batch, trigger, room }) = batches.recv().await {
            let began = Instant::now();
            match self.write(&mut batch).await {
                Ok(()) => {
                    metrics::step("all", began.elapsed());
                    metrics::batch_written(&batch, trigger, batch.age(Instant::now()));
                }
                Err(MustStop::Stopped(stopped)) => {
                    tracing::warn!("{stopped}; what was not written is read again at the next start");
                    return Ok(());
                }
                Err(must_stop) => return Err(must_stop),
            }
            drop(room);
        }
        Ok(())
    }

    async fn write(&self, batch: &mut Batch) -> Result<(), MustStop> {
        let mut step = StepClock::start();
        let sources: BTreeSet<u16> = batch.runs.iter().map(|run| run.from.source()).collect();
        self.guard.check_known(sources).await?;
        step.done("guard");
        self.outbox.deliver(&batch.forwards, &self.kafka_patience).await?;
        step.done("forward");
        failpoint::hit("after_dead_letters");
        self.insert_calls(&mut batch.ledger).await?;
        self.insert_directory(batch).await?;
        step.done("insert");
        failpoint::hit("after_insert");
        self.insert_touches(&batch.ledger).await?;
        step.done("touches");
        failpoint::hit("after_touches");
        self.insert_batch_rows(batch).await?;
        step.done("batch_row");
        failpoint::hit("after_batch_row");
        self.commit(batch);
        failpoint::hit("after_commit");
        Ok(())
    }

    async fn insert_calls(&self, ledger: &mut LedgerBlock) -> Result<(), Stopped> {
        if ledger.is_empty() {
            return Ok(());
        }
        let block = ledger.encode();
        self.warehouse_patience
            .until_done("insert calls", || {
                let columns = LedgerBlock::columns();
                // Copies the handles of the pieces, not their bytes.
                self.warehouse.insert_native("inserting calls", "ai_calls", columns, block.clone())
            })
            .await
    }

    async fn insert_directory(&self, batch: &Batch) -> Result<(), Stopped> {
        self.warehouse_patience
            .until_done("insert organisations and members", || async {
                self.warehouse
                    .insert_rows("inserting organisations", "organisations", &batch.organisations)
                    .await?;
                self.warehouse.insert_rows("inserting members", "members", &batch.members).await
            })
            .await
    }

    async fn insert_touches(&self, ledger: &LedgerBlock) -> Result<(), Stopped> {
        let touches = ledger.touches().into_iter().map(|touch| TouchRow {
            org_id: touch.org_id,
            quarter: touch.quarter,
            first_position: touch.first.as_u64(),
            last_position: touch.last.as_u64(),
        });
        let rows: Vec<TouchRow> = touches.collect();
        self.warehouse_patience
            .until_done("insert touches", || {
                self.warehouse.insert_rows("inserting touches", "touches", &rows)
            })
            .await
    }

    async fn insert_batch_rows(&self, batch: &Batch) -> Result<(), Stopped> {
        let rows: Vec<BatchRow> = batch.runs.iter().map(|run| run.row()).collect();
        self.warehouse_patience
            .until_done("insert batch rows", || {
                self.warehouse.insert_rows("inserting batch rows", "batches", &rows)
            })
            .await?;
        for run in &batch.runs {
            self.progress.advance(run.partition, run.to, run.appended_at_ms);
        }
        Ok(())
    }

    /// Tells Kafka how far we are, for tools that show a group's lag. Not of partitions that leave: there the next worker
    /// speaks.
    fn commit(&self, batch: &Batch) {
        let ours = batch.runs.iter().filter(|run| self.progress.is_ours(run.partition));
        let offsets: Vec<_> = ours.map(|run| (run.partition, run.to.next_offset())).collect();
        self.client.commit(&offsets);
    }
}

/// Tells how long each step took.
struct StepClock(Instant);

impl StepClock {
    fn start() -> Self {
        Self(Instant::now())
    }

    fn done(&mut self, step: &'static str) {
        let now = Instant::now();
        metrics::step(step, now - self.0);
        self.0 = now;
    }
}
