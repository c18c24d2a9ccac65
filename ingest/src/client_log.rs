//! What librdkafka has to say, in our log, at the level it deserves.

use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::ConsumerContext;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// When Kafka last refused who we are, and in which words. Whoever waits for an answer is only told that none came in
/// time: librdkafka goes on trying, since a broker may learn of a user a moment later.
static REFUSED: Mutex<Option<(Instant, String)>> = Mutex::new(None);

/// How long a refusal explains why no answer comes; librdkafka tries again at least every ten seconds.
const REFUSAL_LASTS: Duration = Duration::from_secs(60);

/// The context of clients that need nothing but a log.
pub struct LoggedContext;

impl ClientContext for LoggedContext {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        log_line(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        log_error(&error, reason);
    }
}

impl ConsumerContext for LoggedContext {}

/// A line of librdkafka's own log. Its warnings and errors are those of single connections, several a second while a
/// broker is away, and it recovers from them by itself: whoever waits for the broker says so once, and in health.
pub fn log_line(level: RDKafkaLogLevel, facility: &str, message: &str) {
    if message.contains("authentication error") {
        note_refusal(message);
    }
    match level {
        RDKafkaLogLevel::Emerg | RDKafkaLogLevel::Alert | RDKafkaLogLevel::Critical => {
            tracing::error!(target: "librdkafka", "{facility}: {message}");
        }
        _ => tracing::debug!(target: "librdkafka", "{facility}: {message}"),
    }
}

/// What librdkafka reports about a client as a whole.
pub fn log_error(error: &KafkaError, reason: &str) {
    let is_refusal = error.rdkafka_error_code() == Some(RDKafkaErrorCode::Authentication);
    if is_refusal {
        // Whoever waits says what to do about it, once and at ERROR.
        note_refusal(reason);
    }
    if is_refusal || is_connection_trouble(error) {
        tracing::debug!(target: "librdkafka", "{error}: {reason}");
    } else {
        tracing::warn!(target: "librdkafka", "{error}: {reason}");
    }
}

fn note_refusal(message: &str) {
    // Before the words of the broker stand the client's thread and how often it has tried.
    let words = message.find("SASL authentication error").map_or(message, |at| &message[at..]);
    let words = words.split(" (after ").next().unwrap_or(words).to_owned();
    *REFUSED.lock().unwrap_or_else(PoisonError::into_inner) = Some((Instant::now(), words));
}

/// Why Kafka has refused us lately, if it has.
pub fn refusal() -> Option<String> {
    let refused = REFUSED.lock().unwrap_or_else(PoisonError::into_inner);
    refused.as_ref().filter(|(at, _)| at.elapsed() < REFUSAL_LASTS).map(|(_, words)| words.clone())
}

/// Whether the error says only that a broker is away.
pub fn is_connection_trouble(error: &KafkaError) -> bool {
    use RDKafkaErrorCode as Code;
    matches!(
        error.rdkafka_error_code(),
        Some(
            Code::AllBrokersDown
                | Code::BrokerTransportFailure
                | Code::Resolve
                | Code::OperationTimedOut
                | Code::TimedOutQueue
                | Code::RequestTimedOut
        )
    )
}
