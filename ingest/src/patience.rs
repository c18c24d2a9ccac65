//! Waiting without end, and saying what a person must do when waiting alone will not help.

use crate::client_log::{is_connection_trouble, refusal};
use crate::settings::RetrySettings;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use service::error::chain;
use service::health::Component;
use service::retry::{Retry, RetryError, Verdict};
use service::shutdown::Shutdown;
use std::error::Error;
use std::sync::{Mutex, PoisonError};
use warehouse::{ErrorKind, WarehouseError};

/// An error that knows whether somebody must act before the same attempt can succeed.
pub trait Advice: Error + 'static {
    /// What to do, unless the error's own text says it.
    fn advice(&self) -> Option<String>;

    /// Whether waiting alone cannot help.
    fn needs_person(&self) -> bool {
        self.advice().is_some()
    }
}

impl Advice for WarehouseError {
    fn advice(&self) -> Option<String> {
        None
    }

    fn needs_person(&self) -> bool {
        self.kind() == ErrorKind::Permanent
    }
}

/// What to do where Kafka does not know us.
const SIGN_IN: &str =
    "set kafka.sasl_password and the sasl options in kafka.properties to those of a known user";

impl Advice for KafkaError {
    fn advice(&self) -> Option<String> {
        use RDKafkaErrorCode as Code;
        let advice = match self.rdkafka_error_code()? {
            Code::UnknownTopic | Code::UnknownTopicOrPartition | Code::UnknownPartition => {
                "create the topics with `ingest topics`, or correct kafka.*_topic"
            }
            Code::TopicAuthorizationFailed
            | Code::GroupAuthorizationFailed
            | Code::ClusterAuthorizationFailed => {
                "allow this client to read and describe the topics, to write to calls and dead letters, and to use \
                 the group"
            }
            Code::SaslAuthenticationFailed | Code::Authentication => SIGN_IN,
            Code::SSL => "correct the ssl options in kafka.properties",
            Code::MessageSizeTooLarge => "raise max.message.bytes of the dead-letter topic",
            Code::InvalidReplicationFactor => {
                "set kafka.replication_factor to at most the number of brokers, or to -1"
            }
            // No answer, because the broker does not even listen to a client that it does not know.
            _ if is_connection_trouble(self) => {
                return refusal().map(|words| format!("{SIGN_IN} ({words})"));
            }
            _ => return None,
        };
        Some(advice.to_owned())
    }
}

/// The process ends while the attempt still fails. Nothing is lost: what was not finished begins again at the frontier.
#[derive(Debug, thiserror::Error)]
#[error("the process was asked to end before it could {0}")]
pub struct Stopped(pub &'static str);

/// How one part of the service waits.
#[derive(Clone, Debug)]
pub struct Patience {
    component: Component,
    shutdown: Shutdown,
    delays: RetrySettings,
}

/// An error with what to do about it, as it stands in log and health.
#[derive(Debug, thiserror::Error)]
enum Trouble<E: Error + 'static> {
    #[error("{advice}")]
    NeedsPerson { advice: String, source: E },
    #[error(transparent)]
    Passing(E),
}

impl Patience {
    /// Waits in the name of `component`.
    pub fn new(component: Component, shutdown: &Shutdown, delays: &RetrySettings) -> Self {
        Self { component, shutdown: shutdown.clone(), delays: delays.clone() }
    }

    /// Tries until it is done. `name` is an infinitive such as "insert a batch". Even errors that need a person are
    /// waited for, because going on without would lose messages and ending would only be restarted; they are logged
    /// at ERROR, once until they change.
    ///
    /// # Errors
    /// Only when the process is asked to end.
    pub async fn until_done<T, E, F>(
        &self,
        name: &'static str,
        mut attempt: impl FnMut() -> F,
    ) -> Result<T, Stopped>
    where
        E: Advice,
        F: Future<Output = Result<T, E>>,
    {
        let told = Mutex::new(None);
        let retry = Retry::new(name, &self.component, &self.shutdown, self.delays.backoff());
        let outcome = retry.run(
            |_| Verdict::Retry,
            || {
                let attempt = attempt();
                async { attempt.await.map_err(|error| Trouble::of(error, name, &told)) }
            },
        );
        outcome.await.map_err(|error| match error {
            RetryError::Shutdown { name, .. } | RetryError::Permanent { name, .. } => Stopped(name),
        })
    }
}

impl<E: Advice> Trouble<E> {
    /// Tells a person what to do, if somebody must act and it was not the last thing told.
    fn of(error: E, name: &str, told: &Mutex<Option<String>>) -> Self {
        let advice = error.advice();
        let trouble = match &advice {
            Some(advice) => format!("{advice}: {}", chain(&error)),
            None => chain(&error),
        };
        let mut told = told.lock().unwrap_or_else(PoisonError::into_inner);
        if !error.needs_person() {
            *told = None;
        } else if told.as_ref() != Some(&trouble) {
            tracing::error!("cannot {name}: {trouble}");
            *told = Some(trouble);
        }
        match advice {
            Some(advice) => Self::NeedsPerson { advice, source: error },
            None => Self::Passing(error),
        }
    }
}
