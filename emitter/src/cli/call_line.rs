//! A line of input becomes a call.

use super::row::{Cell, LineError, Row};
use chrono::DateTime;
use proto::{
    Amount, Call, Charge, Credits, Currency, EventId, IdentifierError, MemberId, Model, OrgId, Provider,
    ProviderCost, Reason, TOKENS_MAX,
};

/// Every field of a call, in the order of the documentation.
pub const FIELDS: [&str; 12] = [
    "event_id",
    "occurred_at",
    "org_id",
    "member_id",
    "reason",
    "provider",
    "model",
    "input_tokens",
    "output_tokens",
    "credits",
    "provider_cost",
    "currency",
];

/// A call as a line tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallLine {
    /// The call. Its id has the right time; the rest of it means nothing unless `has_event_id`.
    pub call: Call,
    /// Whether the line names its event id.
    pub has_event_id: bool,
}

/// Reads and checks a call.
///
/// # Errors
/// The first field that is wrong, and what is allowed there.
pub fn call_line(row: &Row) -> Result<CallLine, LineError> {
    row.check_names(&FIELDS)?;
    let occurred_at_ms = instant(row.text("occurred_at")?)?;
    let event_id = match row.optional_text("event_id")? {
        None => None,
        Some(text) => Some(event_id(text, occurred_at_ms)?),
    };
    let call = Call {
        event_id: event_id.unwrap_or_else(|| EventId::from_parts(occurred_at_ms, [0; 10])),
        org_id: identifier(row, "org_id", OrgId::new)?,
        member_id: identifier(row, "member_id", MemberId::new)?,
        reason: identifier(row, "reason", Reason::new)?,
        provider: identifier(row, "provider", Provider::new)?,
        model: identifier(row, "model", Model::new)?,
        input_tokens: tokens(row, "input_tokens")?,
        output_tokens: tokens(row, "output_tokens")?,
        charge: charge(row)?,
    };
    Ok(CallLine { call, has_event_id: event_id.is_some() })
}

fn instant(text: &str) -> Result<i64, LineError> {
    let wrong = |problem: &str| {
        let example = "write it like `2026-11-24T09:30:00.123Z`";
        LineError::field("occurred_at", format_args!("is `{text}`, {problem}; {example}"))
    };
    let instant =
        DateTime::parse_from_rfc3339(text).map_err(|_| wrong("which is no RFC 3339 time with a zone"))?;
    if instant.timestamp_subsec_nanos() % 1_000_000 != 0 {
        return Err(wrong("which is finer than milliseconds"));
    }
    let unix_ms = instant.timestamp_millis();
    if (0..1 << 48).contains(&unix_ms) { Ok(unix_ms) } else { Err(wrong("which is before 1970")) }
}

fn event_id(text: &str, occurred_at_ms: i64) -> Result<EventId, LineError> {
    let uuid = uuid::Uuid::parse_str(text).ok();
    let id = uuid.and_then(|uuid| EventId::from_uuid(uuid).ok());
    let id = id.ok_or_else(|| {
        let hint = "leave it out, and it is derived from the call";
        LineError::field("event_id", format_args!("is `{text}`, which is no UUIDv7; {hint}"))
    })?;
    if id.unix_ms() == occurred_at_ms {
        return Ok(id);
    }
    let inside =
        DateTime::from_timestamp_millis(id.unix_ms()).map(|time| time.to_rfc3339()).unwrap_or_default();
    Err(LineError::field(
        "event_id",
        format_args!("has the time {inside} inside; it must equal `occurred_at`"),
    ))
}

fn identifier<T>(
    row: &Row,
    name: &str,
    check: impl FnOnce(&str) -> Result<T, IdentifierError>,
) -> Result<T, LineError> {
    check(row.text(name)?).map_err(|error| LineError::field(name, error))
}

fn tokens(row: &Row, name: &str) -> Result<u32, LineError> {
    let tokens = row.whole(name)?;
    match u32::try_from(tokens) {
        Ok(fits) if tokens <= TOKENS_MAX => Ok(fits),
        _ => Err(LineError::field(name, format_args!("is {tokens}; 0 to {TOKENS_MAX} are allowed"))),
    }
}

fn charge(row: &Row) -> Result<Charge, LineError> {
    let credits = amount(row, "credits")?;
    let cost = amount(row, "provider_cost")?;
    let currency = row.optional_text("currency")?;
    match (credits, cost, currency) {
        (Some(credits), None, None) => Ok(Charge::Credits(Credits(credits))),
        (None, Some(amount), Some(currency)) => {
            let currency = Currency::new(currency)
                .map_err(|error| LineError::field("currency", format_args!("is `{currency}`: it {error}")))?;
            Ok(Charge::ProviderCost(ProviderCost { amount, currency }))
        }
        (None, Some(_), None) => Err(LineError::field("currency", "is missing beside `provider_cost`")),
        (None, None, _) => Err(LineError(
            "`credits` is missing; one of `credits` and `provider_cost` is required".to_owned(),
        )),
        (Some(_), Some(_), _) => {
            Err(LineError("`credits` and `provider_cost` are both there; only one is allowed".to_owned()))
        }
        (Some(_), None, Some(_)) => Err(LineError::field("currency", "is there without `provider_cost`")),
    }
}

fn amount(row: &Row, name: &str) -> Result<Option<Amount>, LineError> {
    match row.get(name) {
        None => Ok(None),
        Some(Cell::Text(text)) => Amount::parse(text)
            .map(Some)
            .map_err(|error| LineError::field(name, format_args!("is `{text}`: it {error}"))),
        Some(Cell::Whole(_) | Cell::Number) => Err(LineError::field(
            name,
            "is a JSON number, which may have been rounded already; write it in quotes, like \"0.25\"",
        )),
        Some(_) => Err(LineError::field(name, "is not text; write it in quotes, like \"0.25\"")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const VALID: &str = r#"{"occurred_at":"2026-11-24T10:30:00.123+01:00","org_id":"acme","member_id":"ada",
        "reason":"chat","provider":"openai","model":"gpt-6-sol","input_tokens":100,"output_tokens":20,"credits":"0.25"}"#;

    fn read(json: &str) -> Result<CallLine, LineError> {
        call_line(&Row::from_json(json).unwrap())
    }

    /// The valid line with one thing replaced.
    fn with(old: &str, new: &str) -> Result<CallLine, LineError> {
        assert!(VALID.contains(old), "{old}");
        read(&VALID.replace(old, new))
    }

    #[test]
    fn a_valid_line_is_a_call() {
        let line = read(VALID).unwrap();
        assert_eq!(line.call.occurred_at_ms(), 1_795_512_600_123);
        assert_eq!(line.call.charge, Charge::Credits(Credits(Amount::parse("0.25").unwrap())));
        assert!(!line.has_event_id);
        proto::decode_call(&line.call.encode()).unwrap();
    }

    #[test]
    fn an_event_id_must_tell_the_time_of_the_call() {
        let id = EventId::from_parts(1_795_512_600_123, [7; 10]);
        let line = with("{\"occ", &format!("{{\"event_id\":\"{id}\",\"occ")).unwrap();
        assert!(line.has_event_id);
        assert_eq!(line.call.event_id, id);
        let other = EventId::from_parts(1_795_512_600_124, [7; 10]);
        let error = with("{\"occ", &format!("{{\"event_id\":\"{other}\",\"occ")).unwrap_err().to_string();
        assert_eq!(
            error,
            "`event_id` has the time 2026-11-24T09:30:00.124+00:00 inside; it must equal `occurred_at`"
        );
    }

    #[test]
    fn every_error_names_its_field_and_what_is_allowed() {
        for (old, new, expected) in [
            ("\"org_id\":\"acme\",", "", "`org_id` is missing"),
            ("acme", "", "`org_id` is empty; 1 to 128 bytes are allowed"),
            ("\"chat\"", "5", "`reason` is not text; write it in quotes"),
            ("100", "-1", "`input_tokens` is not a whole number of 0 or more"),
            ("100", "4000000001", "`input_tokens` is 4000000001; 0 to 4000000000 are allowed"),
            ("\"0.25\"", "0.25", "`credits` is a JSON number, which may have been rounded already"),
            ("\"0.25\"", "3", "`credits` is a JSON number"),
            ("0.25", "0.0000000000001", "`credits` is `0.0000000000001`: it has 13 fractional digits"),
            ("0.25", "-1", "`credits` is `-1`: it is not a plain decimal number"),
            (
                "\"credits\":\"0.25\"",
                "\"provider_cost\":\"1\"",
                "`currency` is missing beside `provider_cost`",
            ),
            (
                "\"credits\":\"0.25\"",
                "\"provider_cost\":\"1\",\"currency\":\"usd\"",
                "`currency` is `usd`: it is not",
            ),
            ("\"0.25\"", "\"0.25\",\"currency\":\"USD\"", "`currency` is there without `provider_cost`"),
            ("\"0.25\"", "\"0.25\",\"provider_cost\":\"1\",\"currency\":\"USD\"", "only one is allowed"),
            (",\"credits\":\"0.25\"", "", "one of `credits` and `provider_cost` is required"),
            (
                "+01:00",
                "",
                "`occurred_at` is `2026-11-24T10:30:00.123`, which is no RFC 3339 time with a zone",
            ),
            (".123", ".1234", "finer than milliseconds"),
            ("2026-", "1926-", "before 1970"),
            ("\"reason\"", "\"raeson\"", "`raeson` is no field; allowed are event_id, occurred_at"),
        ] {
            let error = with(old, new).unwrap_err().to_string();
            assert!(error.contains(expected), "{new}: {error}");
        }
        let v4 = "{\"event_id\":\"9b2c4f1e-5d3a-4c8b-9e7f-0a1b2c3d4e5f\",\"occ";
        assert!(with("{\"occ", v4).unwrap_err().to_string().contains("no UUIDv7"));
    }
}
