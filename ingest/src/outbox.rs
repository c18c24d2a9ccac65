//! Delivers dead letters and rerouted messages: a batch goes on only when every one is acknowledged by all replicas.

use crate::client_log::{LoggedContext, is_connection_trouble};
use crate::forward::Forward;
use crate::kafka;
use crate::patience::{Patience, Stopped};
use crate::settings::KafkaSettings;
use rdkafka::config::FromClientConfigAndContext;
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::producer::future_producer::DeliveryFuture;
use rdkafka::producer::{FutureProducer, Producer};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// The producer with its topics.
pub struct Outbox {
    settings: KafkaSettings,
    /// Made when it is first needed, which in most workers is never; replaced when it has a fatal error or got no answer.
    producer: Mutex<Option<FutureProducer<LoggedContext>>>,
}

/// Longest wait for room in the client's queue; then the attempt counts as failed and is made again.
const QUEUE_WAIT: Duration = Duration::from_secs(10);

impl Outbox {
    /// Writes to the topics of these settings.
    pub fn new(settings: &KafkaSettings) -> Self {
        Self { settings: settings.clone(), producer: Mutex::new(None) }
    }

    /// Delivers all, in order, again and again until each is acknowledged. A message may be delivered more than once;
    /// a rerouted one is then a repeat in the ledger, and dead letters of one origin are one.
    ///
    /// # Errors
    /// Only when the process is asked to end.
    pub async fn deliver(&self, forwards: &[Forward], patience: &Patience) -> Result<(), Stopped> {
        if forwards.is_empty() {
            return Ok(());
        }
        let pending: Mutex<Vec<&Forward>> = Mutex::new(forwards.iter().collect());
        patience
            .until_done("deliver dead letters and rerouted messages", || async {
                let producer = self.sound_producer()?;
                let now = lock(&pending).clone();
                let (failed, error) = self.attempt(&producer, now).await;
                *lock(&pending) = failed;
                if error.as_ref().is_some_and(got_no_answer) {
                    // A client that was there while the broker was away may not find it again.
                    *lock(&self.producer) = None;
                }
                error.map_or(Ok(()), Err)
            })
            .await
    }

    /// The producer, if need be a new one: when no answer came, or after a fatal error, which idempotent producers have
    /// when they lost track of what the broker has.
    fn sound_producer(&self) -> KafkaResult<FutureProducer<LoggedContext>> {
        let mut current = lock(&self.producer);
        if let Some(producer) = &*current {
            match producer.client().fatal_error() {
                None => return Ok(producer.clone()),
                Some((code, text)) => {
                    tracing::warn!("the producer is made anew after a fatal error ({code}): {text}");
                }
            }
        }
        let config = kafka::producer(&self.settings);
        let producer = FutureProducer::from_config_and_context(&config, LoggedContext)?;
        *current = Some(producer.clone());
        Ok(producer)
    }

    /// Sends all at once and waits for all answers. Returns what failed, and one of the errors.
    async fn attempt<'a>(
        &self,
        producer: &FutureProducer<LoggedContext>,
        pending: Vec<&'a Forward>,
    ) -> (Vec<&'a Forward>, Option<KafkaError>) {
        let mut sent = Vec::with_capacity(pending.len());
        for forward in &pending {
            sent.push(self.enqueue(producer, forward).await);
        }
        let (mut failed, mut first_error) = (Vec::new(), None);
        for (forward, delivery) in pending.into_iter().zip(sent) {
            let outcome = match delivery {
                Ok(delivery) => match delivery.await {
                    Ok(answer) => answer.map(drop).map_err(|(error, _)| error),
                    Err(_) => Err(KafkaError::Canceled),
                },
                Err(error) => Err(error),
            };
            if let Err(error) = outcome {
                failed.push(forward);
                first_error.get_or_insert(error);
            }
        }
        (failed, first_error)
    }

    async fn enqueue(
        &self,
        producer: &FutureProducer<LoggedContext>,
        forward: &Forward,
    ) -> KafkaResult<DeliveryFuture> {
        let mut record = forward.record(&self.settings);
        let began = Instant::now();
        loop {
            match producer.send_result(record) {
                Ok(delivery) => return Ok(delivery),
                Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), returned))
                    if began.elapsed() < QUEUE_WAIT =>
                {
                    record = returned;
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
                Err((error, _)) => return Err(error),
            }
        }
    }
}

fn got_no_answer(error: &KafkaError) -> bool {
    is_connection_trouble(error) || error.rdkafka_error_code() == Some(RDKafkaErrorCode::MessageTimedOut)
}

/// What these locks guard is as valid after a panic elsewhere as before it.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
