//! Plumbing of all services: settings, telemetry, health, shutdown, retry. Knows no Kafka topic, no table, no organisation.
