//! What must be there before the first message: the schema, the topics, an open source of each kind.

use crate::cluster::{Cluster, LogBounds};
use crate::patience::{Advice, Patience, Stopped};
use crate::same_log::ReadSoFar;
use crate::settings::KafkaSettings;
use crate::source::{Identity, Source, all_bounds, identify, next_number, topic_of};
use crate::topic::Kind;
use crate::topics::{self, TopicsError};
use proto::{Position, PositionError};
use rdkafka::error::KafkaError;
use warehouse::{SourceRow, Warehouse, WarehouseError};

/// Why ingest cannot begin yet.
#[derive(Debug, thiserror::Error)]
pub enum NotReady {
    /// ClickHouse.
    #[error(transparent)]
    Warehouse(#[from] WarehouseError),
    /// Kafka.
    #[error(transparent)]
    Kafka(#[from] KafkaError),
    /// The topics.
    #[error(transparent)]
    Topics(#[from] TopicsError),
    /// A topic is missing, and is not ours to make.
    #[error("topic `{0}` does not exist")]
    NoTopic(String),
    /// No source was opened, and none is ours to open.
    #[error("no source is open for topic `{topic}`")]
    NoSource {
        /// The topic.
        topic: String,
        /// `calls` or `directory`.
        kind: &'static str,
    },
    /// Every number was given to a source.
    #[error("all 65535 source numbers are used up")]
    NoNumber,
    /// An offset beyond what a position holds.
    #[error(transparent)]
    Position(#[from] PositionError),
}

impl Advice for NotReady {
    fn advice(&self) -> Option<String> {
        match self {
            Self::Warehouse(error) => error.advice(),
            Self::Kafka(error) | Self::Topics(TopicsError::Kafka(error)) => error.advice(),
            Self::Topics(_) | Self::Position(_) | Self::NoNumber => {
                Some("correct the topic, or the settings".to_owned())
            }
            Self::NoTopic(_) => {
                Some("create the topics with `ingest topics`, or correct kafka.*_topic".to_owned())
            }
            Self::NoSource { kind, .. } => {
                Some(format!("begin a source with `ingest source open --topic {kind}`"))
            }
        }
    }

    fn needs_person(&self) -> bool {
        match self {
            Self::Warehouse(error) => error.needs_person(),
            other => other.advice().is_some(),
        }
    }
}

/// Waits until everything is there, and makes what may be made.
///
/// # Errors
/// Only when the process is asked to end.
pub async fn prepare(
    settings: &KafkaSettings,
    warehouse: &Warehouse,
    cluster: &Cluster,
    patience: &Patience,
) -> Result<(), Stopped> {
    patience
        .until_done("prepare topics and sources", || async {
            let rows = warehouse.sources().await?;
            make_topics(settings, cluster, &rows).await?;
            let missing: Vec<Kind> = Kind::ALL
                .into_iter()
                .filter(|kind| rows.iter().all(|row| row.kind != kind.as_str()))
                .collect();
            match missing.first() {
                Some(kind) if !settings.create_topics => Err(NotReady::NoSource {
                    topic: topic_of(settings, *kind).to_owned(),
                    kind: kind.as_str(),
                }),
                _ => open(settings, warehouse, cluster, &rows, &missing).await,
            }
        })
        .await
}

/// Makes topics, but never one that a source was recorded for: if such a topic is gone, its messages are too, and an
/// empty one under its name would hide that.
async fn make_topics(
    settings: &KafkaSettings,
    cluster: &Cluster,
    rows: &[SourceRow],
) -> Result<(), NotReady> {
    for plan in topics::plan(settings) {
        let was_there = rows.iter().any(|row| row.topic == plan.name);
        if was_there {
            continue;
        }
        if settings.create_topics {
            if topics::make(settings, cluster, &plan).await? == topics::Made::Created {
                tracing::info!("created topic `{}`", plan.name);
            }
        } else {
            let name = plan.name.clone();
            let found = cluster.ask(move |cluster| cluster.describe(&name)).await?;
            found.ok_or(NotReady::NoTopic(plan.name))?;
        }
    }
    Ok(())
}

/// Opens a source of each of these kinds, at the start of its topic's log, or where the source before ended. All rows go
/// in one insert, so that two workers that start at once write the same.
///
/// # Errors
/// If Kafka or ClickHouse does not answer, or the topic does not exist.
pub async fn open(
    settings: &KafkaSettings,
    warehouse: &Warehouse,
    cluster: &Cluster,
    rows: &[SourceRow],
    kinds: &[Kind],
) -> Result<(), NotReady> {
    let mut opened = Vec::new();
    let mut number = next_number(rows);
    for kind in kinds {
        let topic = topic_of(settings, *kind).to_owned();
        let name = topic.clone();
        let found = cluster
            .ask(move |cluster| {
                let Some(identity) = identify(cluster, &name)? else { return Ok(None) };
                let bounds = all_bounds(cluster, &identity)?;
                Ok(Some((identity, bounds)))
            })
            .await?;
        let (identity, bounds) = found.ok_or(NotReady::NoTopic(topic))?;
        let free = number.ok_or(NotReady::NoNumber)?;
        number = free.checked_add(1);
        let starts = match source_before(rows, *kind, &identity) {
            Some(before) => starts(warehouse, cluster, &before, &bounds).await?,
            None => bounds.iter().map(|bounds| bounds.start).collect(),
        };
        let source = Source::beginning(free, *kind, identity, &starts)?;
        tracing::info!("opened source {free}: {} of topic `{}`", kind.as_str(), source.identity.topic);
        opened.extend(source.rows());
    }
    warehouse.insert_rows("recording a source", "sources", &opened).await?;
    Ok(())
}

/// The source before, if it was the same topic.
fn source_before(rows: &[SourceRow], kind: Kind, identity: &Identity) -> Option<Source> {
    let before = Source::newest(rows, kind).ok().flatten()?;
    let is_same = before.identity.cluster_id == identity.cluster_id
        && before.identity.topic_id == identity.topic_id
        && before.identity.partitions == identity.partitions;
    is_same.then_some(before)
}

/// Where the source before ended: what it covers need not be read again. A log that ends before that, or has another
/// message there, was cut, nobody knows where: it is read from its start, and what was counted before is a repeat.
async fn starts(
    warehouse: &Warehouse,
    cluster: &Cluster,
    before: &Source,
    bounds: &[LogBounds],
) -> Result<Vec<i64>, NotReady> {
    let partitions: Vec<u16> = (0..before.identity.partitions).collect();
    let batches = warehouse.batches(before.number, &partitions).await?;
    let ends: Vec<Option<i64>> = before
        .extents
        .iter()
        .zip(bounds)
        .map(|(extent, log)| extent.end.map(Position::next_offset).filter(|end| *end <= log.end))
        .collect();
    let last_read = partitions.iter().zip(&ends).zip(bounds).filter_map(|((partition, end), log)| {
        end.filter(|end| log.start < *end).map(|end| (*partition, end - 1))
    });
    let (topic, last_read) = (before.identity.topic.clone(), last_read.collect::<Vec<_>>());
    let times = cluster.ask(move |cluster| cluster.append_times(&topic, &last_read)).await?;
    let start = |partition: u16| {
        let (extent, log) = (before.extents[usize::from(partition)], bounds[usize::from(partition)]);
        let read = ReadSoFar::of(partition, extent.start, &batches);
        let is_same_log = times.get(&partition).is_none_or(|time| read.fits(*time));
        ends[usize::from(partition)].filter(|_| is_same_log).unwrap_or(log.start)
    };
    Ok(partitions.iter().map(|partition| start(*partition)).collect())
}
