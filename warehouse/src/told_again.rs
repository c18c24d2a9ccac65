//! Calls that several messages told of: evidence that never changes a number, listed for those who look for its cause.

use crate::client::Warehouse;
use crate::error::WarehouseError;
use crate::rows::DecimalUnits;
use clickhouse::Row;
use proto::{Amount, Position};
use serde::{Deserialize, Serialize};
use std::fmt;

/// Which calls to list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// Of this organisation only; empty for all.
    pub org_id: String,
    /// Happened at or after, in Unix milliseconds.
    pub since_ms: i64,
    /// Happened before, in Unix milliseconds.
    pub until_ms: i64,
    /// Only calls of which one message said something else.
    pub conflicts_only: bool,
    /// At most so many calls.
    pub limit: u32,
}

/// One message of such a call.
#[derive(Debug, Clone, PartialEq, Eq, Row, Serialize, Deserialize)]
pub struct ToldRow {
    /// The organisation.
    pub org: String,
    /// The call's id.
    pub id: String,
    /// The message's position.
    pub position: u64,
    /// The message's partition.
    pub partition: u16,
    /// Who, what for, who answered, with which model, and in which currency, which is empty for a call charged in credits.
    pub texts: Vec<String>,
    /// Tokens read.
    pub input_tokens: u32,
    /// Tokens written.
    pub output_tokens: u32,
    /// 0 for a BYOK call.
    pub credits: DecimalUnits,
    /// 0 for a call charged in credits.
    pub provider_cost: DecimalUnits,
}

impl ToldRow {
    /// Whether it says the same of the same call.
    pub fn repeats(&self, first: &Self) -> bool {
        let content = |row: &Self| {
            let texts = (row.org.clone(), row.id.clone(), row.texts.clone());
            (texts, row.input_tokens, row.output_tokens, row.credits, row.provider_cost)
        };
        content(self) == content(first)
    }
}

impl fmt::Display for ToldRow {
    /// Where it stands and what it says.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let position = Position::from_u64(self.position);
        let (source, offset) = (position.source(), position.next_offset() - 1);
        let (texts, currency) = match self.texts.split_last() {
            Some((currency, texts)) => (texts.join(" "), currency.as_str()),
            None => Default::default(),
        };
        write!(
            f,
            "source {source}, partition {}, offset {offset}: {texts} · {} tokens in, {} out · ",
            self.partition, self.input_tokens, self.output_tokens
        )?;
        match currency {
            "" => write!(f, "{} credits", Amount::from(self.credits)),
            currency => write!(f, "BYOK, cost {} {currency}", Amount::from(self.provider_cost)),
        }
    }
}

impl Warehouse {
    /// Whether any message of an organisation was ever counted.
    ///
    /// # Errors
    /// Engine, network and time-out.
    pub async fn has_calls(&self, org_id: &str) -> Result<bool, WarehouseError> {
        let sql = "SELECT count() FROM (SELECT 1 FROM ai_calls WHERE org_id = {org:String} LIMIT 1)";
        let query = self.read(sql).param("org", org_id);
        Ok(self.fetch_one::<u64>("looking for calls of an organisation", query).await? > 0)
    }

    /// Messages of calls that several told of, in key order: the first message of a call, then the later ones.
    ///
    /// # Errors
    /// Engine, network and time-out.
    pub async fn told_again(&self, wanted: &Wanted) -> Result<Vec<ToldRow>, WarehouseError> {
        const WHERE: &str = "({org:String} = '' OR org_id = {org:String}) \
             AND occurred_at >= fromUnixTimestamp64Milli({since:Int64}, 'UTC') \
             AND occurred_at < fromUnixTimestamp64Milli({until:Int64}, 'UTC')";
        let sql = format!(
            "SELECT toString(org_id) AS org, toString(event_id) AS id, position, partition, \
             [toString(member_id), toString(reason), toString(provider), toString(model), toString(currency)] AS texts, \
             input_tokens, output_tokens, credits, provider_cost FROM ai_calls WHERE {WHERE} \
             AND (org_id, occurred_at, event_id) IN (SELECT org_id, occurred_at, event_id FROM ai_calls WHERE {WHERE} \
             GROUP BY org_id, occurred_at, event_id HAVING min(position) != max(position) AND (NOT {{conflicts:Bool}} \
             OR uniqExact(member_id, reason, provider, model, currency, input_tokens, output_tokens, credits, \
             provider_cost) > 1) ORDER BY org_id, occurred_at, event_id LIMIT {{limit:UInt32}}) \
             ORDER BY org_id, occurred_at, event_id, position LIMIT 1 BY org_id, occurred_at, event_id, position"
        );
        let query = self
            .read(&sql)
            .param("org", &wanted.org_id)
            .param("since", wanted.since_ms)
            .param("until", wanted.until_ms)
            .param("conflicts", wanted.conflicts_only)
            .param("limit", wanted.limit);
        self.fetch_all("listing calls that were told of again", query).await
    }
}
