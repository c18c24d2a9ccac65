//! The directory: what organisations and members are called, and which zone decides an organisation's days.

use crate::identifier::{IdentifierError, MemberId, OrgId};
use crate::wire;
use chrono_tz::Tz;
use prost::Message;

/// Longest name, e-mail or display name in bytes: no real one is longer, and a page must be able to show it.
const NAME_BYTES_MAX: usize = 512;
const SHORT_NAME_BYTES_MAX: usize = 64;

/// The whole present state of one organisation or one member.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DirectoryChange {
    /// An organisation appeared or changed.
    Organisation(OrganisationState),
    /// A member appeared, changed or left.
    Member(MemberState),
}

/// What is known of an organisation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrganisationState {
    /// Which one.
    pub org_id: OrgId,
    /// Stands for it in file names: lower-case letters, digits, hyphens; 1 to 64 of them.
    pub short_name: String,
    /// What people call it; up to 512 bytes.
    pub display_name: String,
    /// Decides its days and months.
    pub time_zone: Tz,
}

/// What is known of a member.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemberState {
    /// Of which organisation.
    pub org_id: OrgId,
    /// Which one.
    pub member_id: MemberId,
    /// Up to 512 bytes.
    pub name: String,
    /// Up to 512 bytes.
    pub email: String,
    /// The member has left: calls stay, the name is no longer shown.
    pub removed: bool,
}

/// Why a message is no directory change.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DirectoryError {
    /// Not a protobuf message of this shape.
    #[error("the message is no DirectoryChange: {0}")]
    Undecodable(String),
    /// Neither organisation nor member.
    #[error("`subject` is missing; one of `organisation` and `member` is required")]
    NoSubject,
    /// An identifier is out of bounds.
    #[error("`{field}` {error}")]
    Identifier {
        /// The field's name in the `.proto` file.
        field: &'static str,
        /// What is wrong with it.
        error: IdentifierError,
    },
    /// A name is too long or holds a control character.
    #[error(
        "`{field}` has {bytes} bytes or holds a control character; up to {NAME_BYTES_MAX} printable bytes are allowed"
    )]
    Name {
        /// The field's name in the `.proto` file.
        field: &'static str,
        /// Its length.
        bytes: usize,
    },
    /// Not fit for a file name.
    #[error(
        "`short_name` is `{0}`; 1 to {SHORT_NAME_BYTES_MAX} lower-case letters, digits and hyphens are allowed"
    )]
    ShortName(String),
    /// Not in the IANA database.
    #[error("`time_zone` is `{0}`; an IANA name such as `Europe/Berlin` is required")]
    TimeZone(String),
}

impl DirectoryError {
    /// A stable code for headers, metrics and filters.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Undecodable(_) => "undecodable",
            Self::NoSubject => "subject_missing",
            Self::Identifier { .. } => "identifier_out_of_bounds",
            Self::Name { .. } => "name_out_of_bounds",
            Self::ShortName(_) => "short_name_out_of_bounds",
            Self::TimeZone(_) => "time_zone_unknown",
        }
    }
}

impl DirectoryChange {
    /// The Kafka key: `org_id` for an organisation, `org_id`, a zero byte and `member_id` for a member. No
    /// identifier holds a zero byte, so no two subjects share a key.
    pub fn key(&self) -> Vec<u8> {
        match self {
            Self::Organisation(organisation) => organisation.org_id.as_str().into(),
            Self::Member(member) => [member.org_id.as_str(), member.member_id.as_str()].join("\0").into(),
        }
    }

    /// The message's bytes.
    pub fn encode(&self) -> Vec<u8> {
        let (org_id, subject) = match self {
            Self::Organisation(organisation) => (
                &organisation.org_id,
                wire::directory_change::Subject::Organisation(wire::Organisation {
                    short_name: organisation.short_name.clone(),
                    display_name: organisation.display_name.clone(),
                    time_zone: organisation.time_zone.name().into(),
                }),
            ),
            Self::Member(member) => (
                &member.org_id,
                wire::directory_change::Subject::Member(wire::Member {
                    member_id: member.member_id.to_string(),
                    name: member.name.clone(),
                    email: member.email.clone(),
                    removed: member.removed,
                }),
            ),
        };
        wire::DirectoryChange { org_id: org_id.to_string(), subject: Some(subject) }.encode_to_vec()
    }
}

/// Reads and checks one message of the directory topic.
///
/// # Errors
/// The first thing that is wrong.
pub fn decode_directory_change(message: &[u8]) -> Result<DirectoryChange, DirectoryError> {
    let change = wire::DirectoryChange::decode(message)
        .map_err(|error| DirectoryError::Undecodable(error.to_string()))?;
    let of = |field| move |error| DirectoryError::Identifier { field, error };
    let org_id = OrgId::new(&change.org_id).map_err(of("org_id"))?;
    match change.subject.ok_or(DirectoryError::NoSubject)? {
        wire::directory_change::Subject::Organisation(organisation) => {
            Ok(DirectoryChange::Organisation(OrganisationState {
                org_id,
                short_name: checked_short_name(organisation.short_name)?,
                display_name: checked_name("display_name", organisation.display_name)?,
                time_zone: checked_zone(organisation.time_zone)?,
            }))
        }
        wire::directory_change::Subject::Member(member) => Ok(DirectoryChange::Member(MemberState {
            org_id,
            member_id: MemberId::new(&member.member_id).map_err(of("member_id"))?,
            name: checked_name("name", member.name)?,
            email: checked_name("email", member.email)?,
            removed: member.removed,
        })),
    }
}

fn checked_name(field: &'static str, name: String) -> Result<String, DirectoryError> {
    if name.len() > NAME_BYTES_MAX || name.chars().any(char::is_control) {
        return Err(DirectoryError::Name { field, bytes: name.len() });
    }
    Ok(name)
}

fn checked_short_name(name: String) -> Result<String, DirectoryError> {
    let fits = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    if (1..=SHORT_NAME_BYTES_MAX).contains(&name.len()) && name.bytes().all(fits) {
        Ok(name)
    } else {
        Err(DirectoryError::ShortName(name))
    }
}

fn checked_zone(name: String) -> Result<Tz, DirectoryError> {
    if name.is_empty() {
        return Ok(Tz::UTC);
    }
    name.parse().map_err(|_| DirectoryError::TimeZone(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn organisation(short_name: &str, time_zone: &str) -> Vec<u8> {
        wire::DirectoryChange {
            org_id: "acme".into(),
            subject: Some(wire::directory_change::Subject::Organisation(wire::Organisation {
                short_name: short_name.into(),
                display_name: "Acme GmbH".into(),
                time_zone: time_zone.into(),
            })),
        }
        .encode_to_vec()
    }

    #[test]
    fn an_organisation_without_a_zone_lives_in_utc() {
        let Ok(DirectoryChange::Organisation(state)) = decode_directory_change(&organisation("acme", ""))
        else {
            panic!("an organisation was expected");
        };
        assert_eq!(state.time_zone, Tz::UTC);
    }

    #[test]
    fn a_zone_or_short_name_nobody_knows_is_refused_by_name() {
        for (short_name, zone, code) in [
            ("acme", "Europe/Atlantis", "time_zone_unknown"),
            ("Acme", "UTC", "short_name_out_of_bounds"),
            ("", "UTC", "short_name_out_of_bounds"),
            ("a/b", "UTC", "short_name_out_of_bounds"),
        ] {
            let error = decode_directory_change(&organisation(short_name, zone)).unwrap_err();
            assert_eq!(error.code(), code, "{error}");
        }
        assert_eq!(decode_directory_change(b"").unwrap_err().code(), "identifier_out_of_bounds");
        assert_eq!(decode_directory_change(b"\xff").unwrap_err().code(), "undecodable");
    }

    /// Bytes of every released version stay readable for ever: files are only added to `golden/`.
    #[test]
    fn stored_bytes_of_v1_are_read_the_same() {
        for stored in [
            include_bytes!("../golden/v1/organisation.bin").as_slice(),
            include_bytes!("../golden/v1/member.bin"),
            include_bytes!("../golden/v1/member_removed.bin"),
        ] {
            assert_eq!(decode_directory_change(stored).unwrap().encode(), stored);
        }
    }

    #[test]
    fn no_two_subjects_share_a_key() {
        let organisation = decode_directory_change(include_bytes!("../golden/v1/organisation.bin")).unwrap();
        let member = decode_directory_change(include_bytes!("../golden/v1/member.bin")).unwrap();
        assert_eq!(organisation.key(), b"acme");
        assert_eq!(member.key(), b"acme\0ada");
    }
}
