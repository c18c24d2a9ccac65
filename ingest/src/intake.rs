//! One message on its way into the batch.

use crate::batch::{Batch, Run};
use crate::classify::{Fate, Incoming, Refusal, classify_call, classify_directory_change};
use crate::cluster::appended_at_ms;
use crate::forward::{Forward, message_bytes, origin_in};
use crate::headers::headers_of;
use crate::topic::Kind;
use proto::Position;
use rdkafka::Message;
use rdkafka::message::BorrowedMessage;

/// Gives a message its end, and counts it in `run`.
pub fn take(
    batch: &mut Batch,
    run: &mut Run,
    message: &BorrowedMessage<'_>,
    position: Position,
    partitions: u16,
) {
    let appended_at_ms = appended_at_ms(message);
    run.appended_at_ms = run.appended_at_ms.max(appended_at_ms.unwrap_or(0));
    let refusal = match run.partition.kind {
        Kind::Calls => take_call(batch, run, message, position, partitions, appended_at_ms),
        Kind::Directory => take_directory_change(batch, run, message, position),
    };
    if let Err(refusal) = refusal {
        let bytes = message_bytes(message, &headers_of(message));
        batch.add_forward(Forward::dead_letter(message, run.partition, bytes, &refusal));
        batch.count_refusal(&refusal);
        run.dead_letters += 1;
    }
}

fn take_call(
    batch: &mut Batch,
    run: &mut Run,
    message: &BorrowedMessage<'_>,
    position: Position,
    partitions: u16,
    appended_at_ms: Option<i64>,
) -> Result<(), Refusal> {
    let headers = headers_of(message);
    let bytes = message_bytes(message, &headers);
    let incoming = Incoming {
        payload: message.payload(),
        bytes,
        appended_at_ms,
        partition: run.partition.number,
        origin: origin_in(&headers, message.topic()),
    };
    match classify_call(incoming, partitions) {
        Fate::Ledger { call, appended_at_ms } => {
            batch.add_call(&call, position, run.partition.number, appended_at_ms);
            run.rows += 1;
        }
        Fate::Reroute { to } => {
            batch.add_forward(Forward::reroute(message, run.partition, bytes, to));
            run.rerouted += 1;
        }
        Fate::DeadLetter(refusal) => return Err(refusal),
    }
    Ok(())
}

fn take_directory_change(
    batch: &mut Batch,
    run: &mut Run,
    message: &BorrowedMessage<'_>,
    position: Position,
) -> Result<(), Refusal> {
    batch.add_directory_change(classify_directory_change(message.payload())?, position);
    run.rows += 1;
    Ok(())
}
