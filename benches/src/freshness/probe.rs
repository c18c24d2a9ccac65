//! Probes: a call by a member nobody has seen yet, looked for until the answer shows them.

use crate::generator::World;
use anyhow::{Context, Result};
use prost::Message as _;
use proto::wire::{AiCall, ai_call::Charge};
use proto::{EventId, partition_of};
use rdkafka::ClientConfig;
use rdkafka::producer::{FutureProducer, FutureRecord};
use service::clock;
use std::time::{Duration, Instant};

/// A probe that is not seen by then is an error of the run, not a slow one.
const LOST_AFTER: Duration = Duration::from_secs(120);

/// Publishes probes.
pub struct Prober {
    producer: FutureProducer,
    topic: String,
    partitions: u32,
}

/// What looking for probes gave.
#[derive(Debug, Default)]
pub struct Seen {
    /// From the moment a call was handed to the Kafka client until an answer that shows it was read to its end.
    pub visible: Vec<Duration>,
    /// How long the answers took.
    pub answers: Vec<Duration>,
    /// Answers that said they left calls out.
    pub behind: u64,
}

impl Seen {
    /// Adds what another prober saw, in order of time taken.
    pub fn add(&mut self, other: Self) {
        self.visible.extend(other.visible);
        self.answers.extend(other.answers);
        self.behind += other.behind;
        self.visible.sort_unstable();
        self.answers.sort_unstable();
    }
}

impl Prober {
    /// Connects.
    ///
    /// # Errors
    /// If the client cannot be made.
    pub fn new(brokers: &str, topic: &str, partitions: u32) -> Result<Self> {
        let producer = ClientConfig::new()
            .set("bootstrap.servers", brokers)
            .set("acks", "all")
            .set("enable.idempotence", "true")
            .set("linger.ms", "5")
            .create()
            .context("making the Kafka producer")?;
        Ok(Self { producer, topic: topic.into(), partitions })
    }

    /// One probe of an organisation: publishes a call by `member` and asks until the answer names them.
    ///
    /// # Errors
    /// If the call cannot be published, the question fails, or the call is not seen within two minutes.
    pub async fn probe(
        &self,
        world: &World,
        organisation: usize,
        member: &str,
        seen: &mut Seen,
        ask: &impl AsyncFn(&str, &str) -> Result<String>,
    ) -> Result<()> {
        let org_id = &world.organisations[organisation].id;
        let now_ms = clock::now_ms();
        let call = AiCall {
            event_id: EventId::from_parts(now_ms, rand::random()).uuid().as_bytes().to_vec(),
            occurred_at_ms: now_ms,
            org_id: org_id.clone(),
            member_id: member.to_owned(),
            reason: "chat".into(),
            provider: "openai".into(),
            model: "gpt-6-sol".into(),
            input_tokens: 1,
            output_tokens: 1,
            charge: Some(Charge::Credits("1".into())),
        };
        let payload = call.encode_to_vec();
        let partition = partition_of(org_id.as_bytes(), self.partitions) as i32;
        let record = FutureRecord::to(&self.topic).partition(partition).key(org_id).payload(&payload);
        let published = Instant::now();
        let delivery = self.producer.send_result(record).map_err(|(error, _)| error)?;
        while published.elapsed() < LOST_AFTER {
            let asked = Instant::now();
            let answer = ask(org_id, member).await?;
            seen.answers.push(asked.elapsed());
            seen.behind += u64::from(answer.contains("\"behind\":true"));
            if answer.contains(member) {
                seen.visible.push(published.elapsed());
                delivery.await.context("the delivery was given up")?.map_err(|(error, _)| error)?;
                return Ok(());
            }
        }
        anyhow::bail!("the call of {member} in {org_id} is not visible after {} s", LOST_AFTER.as_secs())
    }
}
