//! Kafka to ledger: reads calls and the directory, writes them to ClickHouse exactly once in effect.
//!
//! [`run`] is the whole service. The parts, in the order of a message's way: [`rebalance`] and [`assignment`] say which
//! partitions are ours and where they start; [`consumer`] reads; [`classify`] gives each message its end; [`batch`]
//! collects; [`writer`] makes it durable; [`idle`] keeps quiet partitions alive.

pub mod assignment;
pub mod batch;
pub mod classify;
mod client_log;
pub mod cluster;
pub mod command;
pub mod consumer;
mod describe;
pub mod fold;
pub mod forward;
pub mod group_client;
pub mod guard;
pub mod headers;
pub mod idle;
mod intake;
pub mod kafka;
pub mod metrics;
pub mod must_stop;
pub mod outbox;
pub mod patience;
pub mod prepare;
pub mod progress;
pub mod rebalance;
pub mod same_log;
pub mod settings;
pub mod source;
pub mod topic;
pub mod topics;
mod tracks;
pub mod writer;

use crate::assignment::Locator;
use crate::batch::Limits;
use crate::cluster::Cluster;
use crate::consumer::{ConsumerLoop, ConsumerParts};
use crate::fold::Folder;
use crate::group_client::GroupClient;
use crate::guard::Guard;
use crate::idle::Watch;
use crate::outbox::Outbox;
use crate::patience::Patience;
use crate::progress::Progress;
use crate::settings::IngestSettings;
use crate::source::topic_of;
use crate::topic::Kind;
use crate::writer::Writer;
use anyhow::Context;
use service::failpoint;
use service::health::Health;
use service::shutdown::Shutdown;
use service::tasks::TaskSet;
use std::collections::BTreeMap;
use std::sync::{Arc, mpsc as threads};
use tokio::sync::{Semaphore, mpsc, oneshot};
use warehouse::Warehouse;

/// Every place where a crash test can end the worker: when partitions are taken away, and between the writer's steps.
pub const FAIL_POINTS: [&str; 6] = {
    let [forwarded, inserted, touched, told, committed] = writer::FAIL_POINTS;
    [rebalance::FAIL_POINT, forwarded, inserted, touched, told, committed]
};

/// Batches that are being written while the next one fills.
const BATCHES_IN_WRITING: usize = 1;

/// Runs the worker until the end is asked for.
///
/// # Errors
/// When ingest must not go on: the log and the ledger do not fit together, see [`must_stop::MustStop`]; or a client
/// cannot be made of the settings.
pub async fn run(settings: IngestSettings, health: Health, shutdown: Shutdown) -> anyhow::Result<()> {
    // First of all: a worker without components would seem ready.
    let (kafka, consuming) = (health.component("kafka"), health.component("consumer"));
    failpoint::init(&FAIL_POINTS)?;
    metrics::describe();
    let patience = |component: &str| {
        let component = health.component(component);
        component.ok();
        Patience::new(component, &shutdown, &settings.retry)
    };
    let warehouse = Warehouse::new(&settings.clickhouse);
    let cluster = Cluster::new(&settings.kafka).context("cannot make a Kafka client")?;
    if prepare::prepare(&settings.kafka, &warehouse, &cluster, &patience("preparation")).await.is_err() {
        return Ok(());
    }

    let topics: BTreeMap<Kind, String> =
        Kind::ALL.into_iter().map(|kind| (kind, topic_of(&settings.kafka, kind).to_owned())).collect();
    let client = GroupClient::new(&settings.kafka, topics.clone()).context("cannot make a Kafka consumer")?;
    let outbox = Outbox::new(&settings.kafka);
    let progress = Progress::default();
    let (batches, closed) = mpsc::unbounded_channel();
    let room = Arc::new(Semaphore::new(BATCHES_IN_WRITING));
    let (questions, asked) = mpsc::unbounded_channel();
    let (answers, starts) = threads::channel();
    let (end_of_writer, writer_ended) = oneshot::channel();

    let reader = ConsumerLoop::new(ConsumerParts {
        client: client.clone(),
        has_name: !settings.kafka.group_instance_id.is_empty(),
        read_on_max: settings.kafka.read_on_max.get(),
        topics: topics.clone(),
        limits: Limits {
            rows_max: settings.batch.rows_max as usize,
            forward_bytes_max: settings.batch.forward_bytes_max.as_usize(),
            age_max: settings.batch.age_max.get(),
            age_max_behind: settings.batch.age_max_behind.get(),
        },
        batches,
        room: Arc::clone(&room),
        writer_ended,
        questions,
        starts,
        progress: progress.clone(),
        component: consuming,
        kafka: kafka.clone(),
        shutdown: shutdown.clone(),
    });
    let guard = Guard::new(&settings.kafka, &warehouse, &cluster, patience("guard"));
    let locator = Locator {
        guard: guard.waiting_as(patience("assignment")),
        warehouse: warehouse.clone(),
        cluster: cluster.clone(),
        patience: patience("assignment"),
    };
    let writer = Writer {
        guard: guard.waiting_as(patience("identity")),
        warehouse: warehouse.clone(),
        outbox,
        client,
        progress: progress.clone(),
        warehouse_patience: patience("clickhouse"),
        kafka_patience: patience("outbox"),
    };
    let folder = Folder {
        warehouse: warehouse.clone(),
        progress: progress.clone(),
        every: settings.fold.interval.get(),
        rows_max: settings.fold.rows_max as usize,
        keep: settings.fold.keep as usize,
        patience: patience("fold"),
        shutdown: shutdown.clone(),
    };
    // Later than the wish to end: partitions are read on until others have begun, and idle ones are looked at.
    let reading_ended = Shutdown::new();
    let watch = Watch {
        warehouse,
        cluster,
        progress: progress.clone(),
        topics,
        every: settings.idle.interval.get(),
        clock_tolerance: settings.idle.clock_tolerance.get(),
        patience: patience("idle"),
        kafka,
        shutdown: reading_ended.clone(),
    };

    let mut tasks = TaskSet::new(&shutdown, &health, settings.ops.shutdown_budget.get());
    let runtime = tokio::runtime::Handle::current();
    tasks.spawn_blocking("consumer", move || {
        let _ended = reading_ended.trigger_on_drop();
        reader.run(&runtime)
    });
    let end = shutdown.clone();
    tasks.spawn("writer", async move {
        let written = writer.run(closed).await;
        let _ = end_of_writer.send(());
        // Whoever waits for room must not wait for a writer that has ended.
        room.close();
        written?;
        end.triggered().await;
        Ok(())
    });
    let end = shutdown.clone();
    tasks.spawn("assignment", async move {
        locator.run(asked, answers).await?;
        end.triggered().await;
        Ok(())
    });
    let guarding = guard.run(progress, shutdown.clone());
    tasks.spawn("guard", async move { Ok(guarding.await?) });
    tasks.spawn("watch", async move {
        watch.run().await;
        Ok(())
    });
    tasks.spawn("fold", async move {
        folder.run().await;
        Ok(())
    });
    tasks.wait().await
}
