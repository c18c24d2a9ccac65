//! The emitter and its command against a real Kafka, which `deploy/local/stack` starts on free ports.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod calls;
mod command;
mod full_disk;
mod kafka;
mod killed;
mod publishing;
