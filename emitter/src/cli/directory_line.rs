//! A line of input becomes a message of the directory, or of the calls that Kafka had refused.

use super::direct::Message;
use super::row::{Cell, LineError, Row};
use proto::{decode_call, decode_directory_change, wire};

/// Reads and checks the state of an organisation or a member.
///
/// # Errors
/// The first field that is wrong, and what is allowed there.
pub fn directory_line(row: &Row) -> Result<Message, LineError> {
    row.check_names(&["org_id", "organisation", "member"])?;
    let part = |name: &str| match row.get(name) {
        None => Ok(None),
        Some(Cell::Object(part)) => Ok(Some(part)),
        Some(_) => Err(LineError::field(name, "is no object")),
    };
    let text =
        |part: &Row, name: &str| part.optional_text(name).map(|text| text.unwrap_or_default().to_owned());
    let subject = match (part("organisation")?, part("member")?) {
        (Some(organisation), None) => {
            organisation.check_names(&["short_name", "display_name", "time_zone"])?;
            wire::directory_change::Subject::Organisation(wire::Organisation {
                short_name: organisation.text("short_name")?.to_owned(),
                display_name: organisation.text("display_name")?.to_owned(),
                time_zone: text(organisation, "time_zone")?,
            })
        }
        (None, Some(member)) => {
            member.check_names(&["member_id", "name", "email", "removed"])?;
            wire::directory_change::Subject::Member(wire::Member {
                member_id: member.text("member_id")?.to_owned(),
                name: text(member, "name")?,
                email: text(member, "email")?,
                removed: member.flag("removed")?,
            })
        }
        _ => return Err(LineError("needs exactly one of `organisation` and `member`".to_owned())),
    };
    let change = wire::DirectoryChange { org_id: row.text("org_id")?.to_owned(), subject: Some(subject) };
    // The contract's own checks, so that ingest and this command cannot differ.
    let change = decode_directory_change(&prost::Message::encode_to_vec(&change))
        .map_err(|error| LineError(error.to_string()))?;
    Ok(Message { key: change.key(), value: change.encode() })
}

/// Reads a message that Kafka had refused.
///
/// # Errors
/// The field that is wrong, or why the message is no call.
pub fn refused_line(row: &Row) -> Result<Message, LineError> {
    row.check_names(&["refused_at_ms", "reason", "key", "value_hex"])?;
    let digits = row.text("value_hex")?;
    let byte = |at: usize| digits.get(at..at + 2).and_then(|pair| u8::from_str_radix(pair, 16).ok());
    let bytes = (0..digits.len()).step_by(2).map(byte).collect::<Option<Vec<u8>>>();
    let value =
        bytes.ok_or_else(|| LineError::field("value_hex", "is not made of pairs of hexadecimal digits"))?;
    let call = decode_call(&value)
        .map_err(|error| LineError::field("value_hex", format_args!("is no call: {error}")))?;
    if row.text("key")? != call.org_id {
        return Err(LineError::field("key", format_args!("must be the call's `org_id`, {}", call.org_id)));
    }
    Ok(Message { key: call.org_id.into(), value })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> Result<Message, LineError> {
        directory_line(&Row::from_json(json).unwrap())
    }

    #[test]
    fn organisations_and_members_become_messages_with_their_keys() {
        let organisation = read(
            r#"{"org_id":"acme","organisation":{"short_name":"acme","display_name":"Acme GmbH","time_zone":"Europe/Berlin"}}"#,
        );
        assert_eq!(organisation.unwrap().key, b"acme");
        let member =
            read(r#"{"org_id":"acme","member":{"member_id":"ada","name":"Ada","email":"a@x.io"}}"#).unwrap();
        assert_eq!(member.key, b"acme\0ada");
        let removed = read(r#"{"org_id":"acme","member":{"member_id":"ada","removed":true}}"#).unwrap();
        let change = decode_directory_change(&removed.value).unwrap();
        assert!(matches!(change, proto::DirectoryChange::Member(member) if member.removed));
    }

    #[test]
    fn errors_name_the_field() {
        for (json, expected) in [
            (r#"{"org_id":"acme"}"#, "exactly one of `organisation` and `member`"),
            (r#"{"org_id":"acme","member":"ada"}"#, "`member` is no object"),
            (r#"{"org_id":"acme","member":{"name":"Ada"}}"#, "`member_id` is missing"),
            (r#"{"member":{"member_id":"ada"}}"#, "`org_id` is missing"),
            (
                r#"{"org_id":"acme","member":{"member_id":"ada","removed":"yes"}}"#,
                "`removed` is neither true nor false",
            ),
            (r#"{"org_id":"acme","member":{"member_id":"ada","nmae":"x"}}"#, "`nmae` is no field"),
            (
                r#"{"org_id":"acme","organisation":{"short_name":"Acme","display_name":"A"}}"#,
                "`short_name` is `Acme`",
            ),
            (
                r#"{"org_id":"acme","organisation":{"short_name":"acme","display_name":"A","time_zone":"Mars"}}"#,
                "`time_zone` is `Mars`",
            ),
        ] {
            let error = read(json).unwrap_err().to_string();
            assert!(error.contains(expected), "{json}: {error}");
        }
    }

    #[test]
    fn refused_messages_are_calls_with_their_own_key() {
        let read =
            |json: &str| refused_line(&Row::from_json(json).unwrap()).map_err(|error| error.to_string());
        assert!(read(r#"{"key":"acme","value_hex":"0a0"}"#).unwrap_err().contains("pairs"));
        assert!(read(r#"{"key":"acme","value_hex":"0aff"}"#).unwrap_err().contains("is no call"));
    }
}
