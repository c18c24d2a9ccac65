//! Makes the three topics, with everything that exactness needs written down explicitly; and checks those that exist.

use crate::client_log::LoggedContext;
use crate::cluster::Cluster;
use crate::kafka;
use crate::settings::KafkaSettings;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, ResourceSpecifier, TopicReplication};
use rdkafka::config::FromClientConfigAndContext;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use std::collections::BTreeMap;

/// What a topic must be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopicPlan {
    /// Its name.
    pub name: String,
    /// Number of partitions when it is created.
    pub partitions: u16,
    /// Whether another number is wrong.
    pub partitions_are_fixed: bool,
    /// Its configuration when it is created.
    pub config: BTreeMap<&'static str, String>,
}

/// What became of a topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Made {
    /// It was created now.
    Created,
    /// It was there and is right.
    Existed,
}

/// Why the topics are not as they must be.
#[derive(Debug, thiserror::Error)]
pub enum TopicsError {
    /// Another number of partitions would put organisations elsewhere.
    #[error(
        "topic `{topic}` has {found} partitions, {wanted} are set in kafka.calls_partitions; set it to {found}, or \
         choose another topic: the number of partitions is fixed for a topic's life"
    )]
    Partitions {
        /// The topic.
        topic: String,
        /// What is set.
        wanted: u16,
        /// What is there.
        found: usize,
    },
    /// A call's time would be judged against what its producer claims.
    #[error(
        "topic `{topic}` has {name}={found}, {wanted} is needed; set it with `kafka-configs --alter --entity-type \
         topics --entity-name {topic} --add-config {name}={wanted}`"
    )]
    Config {
        /// The topic.
        topic: String,
        /// The option.
        name: &'static str,
        /// What is needed.
        wanted: String,
        /// What is there.
        found: String,
    },
    /// No answer, or not allowed.
    #[error("Kafka, while making the topics")]
    Kafka(#[from] KafkaError),
}

/// Options that must be as planned on a topic that exists; others are the operator's choice.
const NEEDED: &str = "message.timestamp.type";

/// The three topics.
pub fn plan(settings: &KafkaSettings) -> Vec<TopicPlan> {
    let bytes_max = settings.message_bytes_max.get();
    let topic = |name: &str, partitions, config: &[(&'static str, String)]| TopicPlan {
        name: name.to_owned(),
        partitions,
        partitions_are_fixed: name == settings.calls_topic,
        config: config.iter().cloned().chain([(NEEDED, "LogAppendTime".to_owned())]).collect(),
    };
    vec![
        topic(
            &settings.calls_topic,
            settings.calls_partitions,
            &[
                ("cleanup.policy", "delete".to_owned()),
                ("retention.ms", settings.calls_retention.get().as_millis().to_string()),
                ("retention.bytes", "-1".to_owned()),
                ("max.message.bytes", bytes_max.to_string()),
            ],
        ),
        // One partition keeps all changes of a subject in order, whatever partitioner wrote them.
        topic(&settings.directory_topic, 1, &[("cleanup.policy", "compact".to_owned())]),
        // Kept for ever: it holds the only copy of what could not be counted.
        topic(
            &settings.dead_letter_topic,
            1,
            &[
                ("cleanup.policy", "delete".to_owned()),
                ("retention.ms", "-1".to_owned()),
                ("retention.bytes", "-1".to_owned()),
                ("max.message.bytes", (bytes_max + kafka::DEAD_LETTER_EXTRA_BYTES).to_string()),
            ],
        ),
    ]
}

/// Makes a topic that is not there, and checks one that is.
///
/// # Errors
/// If it is there and wrong, or Kafka does not answer.
pub async fn make(
    settings: &KafkaSettings,
    cluster: &Cluster,
    plan: &TopicPlan,
) -> Result<Made, TopicsError> {
    let admin: AdminClient<LoggedContext> =
        AdminClient::from_config_and_context(&kafka::admin(settings), LoggedContext)?;
    let options = AdminOptions::new()
        .request_timeout(Some(settings.timeout.get()))
        .operation_timeout(Some(settings.timeout.get()));
    let replicas = TopicReplication::Fixed(settings.replication_factor);
    let new = NewTopic::new(&plan.name, i32::from(plan.partitions), replicas);
    let new = plan.config.iter().fold(new, |new, (name, value)| new.set(name, value));
    let outcome = match admin.create_topics([&new], &options).await {
        Ok(outcome) => outcome,
        Err(error) => {
            // A client of administration is not told why no answer came; one that asks is.
            let name = plan.name.clone();
            cluster.ask(move |cluster| cluster.describe(&name)).await?;
            return Err(error.into());
        }
    };
    for result in outcome {
        match result {
            Ok(_) => return Ok(Made::Created),
            Err((_, RDKafkaErrorCode::TopicAlreadyExists)) => {}
            Err((_, code)) => return Err(KafkaError::AdminOp(code).into()),
        }
    }
    check(&admin, &options, cluster, plan).await?;
    Ok(Made::Existed)
}

async fn check(
    admin: &AdminClient<LoggedContext>,
    options: &AdminOptions,
    cluster: &Cluster,
    plan: &TopicPlan,
) -> Result<(), TopicsError> {
    let name = plan.name.clone();
    let found = cluster.ask(move |cluster| cluster.describe(&name)).await?;
    let is_wrong = |partitions| plan.partitions_are_fixed && partitions != usize::from(plan.partitions);
    if let Some(found) = found.filter(|found| is_wrong(found.partitions)) {
        let (topic, wanted) = (plan.name.clone(), plan.partitions);
        return Err(TopicsError::Partitions { topic, wanted, found: found.partitions });
    }
    let described = admin.describe_configs([&ResourceSpecifier::Topic(&plan.name)], options).await?;
    for resource in described {
        let resource = resource.map_err(KafkaError::AdminOp)?;
        let found = resource.get(NEEDED).and_then(|entry| entry.value.clone()).unwrap_or_default();
        let wanted = plan.config.get(NEEDED).cloned().unwrap_or_default();
        if found != wanted {
            let topic = plan.name.clone();
            return Err(TopicsError::Config { topic, name: NEEDED, wanted, found });
        }
    }
    Ok(())
}
