//! The contract in motion: Kafka messages, their checked domain types, and the rules that tell a call from a dead letter.
