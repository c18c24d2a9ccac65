//! What librdkafka has to say, in our log, at the level it deserves.

use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::ConsumerContext;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};

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
    match level {
        RDKafkaLogLevel::Emerg | RDKafkaLogLevel::Alert | RDKafkaLogLevel::Critical => {
            tracing::error!(target: "librdkafka", "{facility}: {message}");
        }
        _ => tracing::debug!(target: "librdkafka", "{facility}: {message}"),
    }
}

/// What librdkafka reports about a client as a whole.
pub fn log_error(error: &KafkaError, reason: &str) {
    if is_connection_trouble(error) {
        tracing::debug!(target: "librdkafka", "{error}: {reason}");
    } else {
        tracing::warn!(target: "librdkafka", "{error}: {reason}");
    }
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
