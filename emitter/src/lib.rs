//! What a copilot links: a durable queue on disk that publishes AI calls to Kafka.
