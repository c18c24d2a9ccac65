//! The emitter and its command against a real Kafka, which `deploy/local/stack` starts on free ports.

mod calls;
mod command;
mod kafka;
mod killed;
mod publishing;
