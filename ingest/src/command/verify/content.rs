//! What a message says, and what the ledger or the dead-letter topic has of it, in one form: equal if and only if nothing
//! was changed on the way.

use crate::classify::Refusal;
use crate::forward::origin_in;
use crate::headers::RawHeader;
use proto::topics::headers;
use proto::{Amount, CallView, Charge};
use rdkafka::Message;
use rdkafka::message::BorrowedMessage;
use std::fmt::Write;
use std::hash::{DefaultHasher, Hash, Hasher};
use warehouse::LedgerRow;

/// Every column of a ledger row but its place, which is compared by where it is looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Content<'a> {
    texts: [&'a str; 6],
    times: [i64; 2],
    event_id: [u8; 16],
    tokens: [u32; 2],
    amounts: [i128; 2],
}

const TEXTS: [&str; 6] = ["org_id", "member_id", "reason", "provider", "model", "currency"];
const TIMES: [&str; 2] = ["occurred_at", "appended_at"];
const TOKENS: [&str; 2] = ["input_tokens", "output_tokens"];
const AMOUNTS: [&str; 2] = ["credits", "provider_cost"];

impl<'a> Content<'a> {
    /// As the message says it.
    pub fn of_call(call: &'a CallView<'a>, appended_at_ms: i64) -> Self {
        let (amounts, currency) = match &call.charge {
            Charge::Credits(credits) => ([credits.0.units(), 0], ""),
            Charge::ProviderCost(cost) => ([0, cost.amount.units()], cost.currency.as_str()),
        };
        Self {
            texts: [call.org_id, call.member_id, call.reason, call.provider, call.model, currency],
            times: [call.occurred_at_ms(), appended_at_ms],
            event_id: *call.event_id.uuid().as_bytes(),
            tokens: [call.input_tokens, call.output_tokens],
            amounts,
        }
    }

    /// As the ledger has it.
    pub fn of_row(row: &LedgerRow<'a>) -> Self {
        Self {
            texts: [row.org_id, row.member_id, row.reason, row.provider, row.model, row.currency],
            times: [row.occurred_at, row.appended_at],
            event_id: row.event_id,
            tokens: [row.input_tokens, row.output_tokens],
            amounts: [row.credits.0, row.provider_cost.0],
        }
    }

    /// 64 bits that stand for it.
    pub fn digest(&self) -> u64 {
        digest(self)
    }

    /// Its columns by name, as people read them.
    pub fn columns(&self) -> Vec<(&'static str, String)> {
        let id = self.event_id.iter().fold(String::new(), |mut id, byte| {
            let _ = write!(id, "{byte:02x}");
            id
        });
        (TEXTS.into_iter().zip(self.texts.map(|text| format!("{text:?}"))))
            .chain(TIMES.into_iter().zip(self.times.map(|time| format!("{time} ms"))))
            .chain([("event_id", id)])
            .chain(TOKENS.into_iter().zip(self.tokens.map(|count| count.to_string())))
            .chain(AMOUNTS.into_iter().zip(self.amounts.map(|units| Amount::from_units(units).to_string())))
            .collect()
    }
}

/// Key, payload, headers of the producer, and what ingest adds (append time and reason) of a dead letter, each as 64 bits.
pub type Parts = [u64; 4];

/// What each of [`Parts`] is called.
pub const PARTS: [&str; 4] = ["key", "payload", "headers", "append time or reason"];

/// What the dead letter of a message must hold.
pub fn of_refused(message: &BorrowedMessage<'_>, all: &[RawHeader<'_>], refusal: &Refusal) -> Parts {
    let appended_at_ms = message.timestamp().to_millis().unwrap_or(0).to_string();
    parts(message, all, (Some(appended_at_ms.as_bytes()), Some(refusal.code().as_bytes())))
}

/// What a dead letter holds. Ours are the last of its headers; if they are not, all of them are taken for the producer's,
/// and so differ.
pub fn of_letter(message: &BorrowedMessage<'_>, all: &[RawHeader<'_>]) -> Parts {
    const OURS: [&str; 6] = [
        headers::ORIGIN_TOPIC,
        headers::ORIGIN_PARTITION,
        headers::ORIGIN_OFFSET,
        headers::ORIGIN_APPENDED_AT_MS,
        headers::REASON,
        headers::REASON_TEXT,
    ];
    let (theirs, ours) = all.split_at(all.len().saturating_sub(OURS.len()));
    let is_complete = ours.iter().map(|header| header.name).eq(OURS.map(str::as_bytes));
    if is_complete {
        parts(message, theirs, (ours[3].value, ours[4].value))
    } else {
        parts(message, all, (None, None))
    }
}

fn parts(
    message: &BorrowedMessage<'_>,
    theirs: &[RawHeader<'_>],
    told: (Option<&[u8]>, Option<&[u8]>),
) -> Parts {
    let theirs: Vec<_> = theirs.iter().map(|header| (header.name, header.value)).collect();
    [digest(message.key()), digest(message.payload()), digest(theirs), digest(told)]
}

/// Where a call that was sent on says that it was found, with the offset.
pub fn sent_from(all: &[RawHeader<'_>], topic: &str) -> Option<(u16, i64)> {
    let origin = origin_in(all, topic)?;
    let offset = crate::headers::last_value(all, headers::ORIGIN_OFFSET)?;
    Some((origin.partition, std::str::from_utf8(offset).ok()?.parse().ok()?))
}

/// The same within one run of the command, and nothing is compared beyond.
pub fn digest(what: impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    what.hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use warehouse::DecimalUnits;

    #[test]
    fn each_column_alone_makes_another_content() {
        let row = LedgerRow {
            org_id: "acme",
            occurred_at: 1,
            event_id: [7; 16],
            position: 3,
            partition: 0,
            appended_at: 2,
            member_id: "ada",
            reason: "chat",
            provider: "p",
            model: "m",
            input_tokens: 5,
            output_tokens: 6,
            credits: DecimalUnits(8),
            provider_cost: DecimalUnits(0),
            currency: "",
        };
        let changed = [
            ("org_id", LedgerRow { org_id: "acmf", ..row }),
            ("occurred_at", LedgerRow { occurred_at: 2, ..row }),
            ("event_id", LedgerRow { event_id: [8; 16], ..row }),
            ("appended_at", LedgerRow { appended_at: 3, ..row }),
            ("member_id", LedgerRow { member_id: "adb", ..row }),
            ("reason", LedgerRow { reason: "chatt", ..row }),
            ("provider", LedgerRow { provider: "", ..row }),
            ("model", LedgerRow { model: "pm", ..row }),
            ("input_tokens", LedgerRow { input_tokens: 6, ..row }),
            ("output_tokens", LedgerRow { output_tokens: 5, ..row }),
            ("credits", LedgerRow { credits: DecimalUnits(9), ..row }),
            ("provider_cost", LedgerRow { provider_cost: DecimalUnits(1), ..row }),
            ("currency", LedgerRow { currency: "EUR", ..row }),
        ];
        let right = Content::of_row(&row);
        assert_eq!(right.columns().len(), changed.len(), "every column is changed once");
        for (column, row) in changed {
            let wrong = Content::of_row(&row);
            assert_ne!(wrong.digest(), right.digest(), "{column}");
            let differing: Vec<_> = (wrong.columns().into_iter().zip(right.columns()))
                .filter(|(wrong, right)| wrong != right)
                .map(|(wrong, _)| wrong.0)
                .collect();
            assert_eq!(differing, [column]);
        }
    }
}
