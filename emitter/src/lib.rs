//! What a copilot links: a durable queue on disk that publishes AI calls to Kafka.
//!
//! ```no_run
//! # fn example(call: &proto::Call) -> Result<(), Box<dyn std::error::Error>> {
//! use emitter::{Emitter, EmitterSettings};
//! use std::time::Duration;
//!
//! let emitter = Emitter::start(EmitterSettings::new("kafka-1:9092,kafka-2:9092", "/var/lib/copilot/calls"))?;
//! if let Err(error) = emitter.emit(call) {
//!     tracing::error!(%error, "a call will be missing in the audit log");
//! }
//! println!("{:?}", emitter.counters());
//! println!("{} calls are left for the next start", emitter.shutdown(Duration::from_secs(10)).unsent);
//! # Ok(())
//! # }
//! ```
//!
//! # Guarantees
//! * `emit()` returned `Ok`: the call is published at least once, with its own event id, also when the process is
//!   killed at any instruction, Kafka is away for days, or the disk becomes full. It counts once: ingest keeps the
//!   first message of an event id.
//! * `emit()` returned an error: the call is not published, and the caller knows.
//! * Calls of one organisation that one thread emits reach Kafka in that order.
//! * After a power loss, calls of the last seconds that Kafka had not acknowledged may be missing: those of the last
//!   [`EmitterSettings::sync_interval`] (and the duration of one sync), or about 30 seconds where none is set.
//! * Memory is bounded: three segments, and at most 8 MiB on the way to Kafka.

mod clock;
mod counters;
mod emitter;
mod error;
mod publisher;
mod queue;
mod settings;
mod trouble;

pub use counters::Counters;
pub use emitter::{Emitter, ShutdownReport};
pub use error::{EmitError, StartError};
pub use settings::EmitterSettings;
pub use trouble::Trouble;
