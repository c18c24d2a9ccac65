//! Errors of the warehouse, told apart by the engine's code: bad data and bad statements are not outages.

use std::time::Duration;

/// What went wrong between us and ClickHouse.
#[derive(Debug, thiserror::Error)]
pub enum WarehouseError {
    /// ClickHouse answered with an exception, or could not be reached.
    #[error("ClickHouse, while {doing}{}", in_brackets(advice(source)))]
    Engine {
        /// What we were doing.
        doing: &'static str,
        /// What the client says.
        #[source]
        source: clickhouse::error::Error,
    },
    /// No answer in time.
    #[error("ClickHouse gave no answer within {limit:?} while {doing}")]
    Timeout {
        /// What we were doing.
        doing: &'static str,
        /// How long we waited.
        limit: Duration,
    },
}

/// What a caller can do about an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorKind {
    /// An outage or overload: the same call may succeed later.
    Transient,
    /// One INSERT touches too many partitions (code 252 in its other meaning): split the batch.
    TooManyPartitions,
    /// Wrong statement, schema, rights or password: a person must act.
    Permanent,
}

impl WarehouseError {
    /// The engine's error code, if it answered with one.
    pub fn code(&self) -> Option<i32> {
        match self {
            Self::Engine { source: clickhouse::error::Error::BadResponse(text), .. } => code_in(text),
            _ => None,
        }
    }

    /// What can be done.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Timeout { .. } => ErrorKind::Transient,
            Self::Engine { source: clickhouse::error::Error::BadResponse(text), .. } => match code_in(text) {
                Some(252) if text.contains("partitions for single INSERT block") => {
                    ErrorKind::TooManyPartitions
                }
                Some(code) if TRANSIENT_CODES.contains(&code) => ErrorKind::Transient,
                Some(_) if is_disk_full(text) => ErrorKind::Transient,
                Some(_) => ErrorKind::Permanent,
                // Not ClickHouse's own voice: a proxy, or a server that is just starting.
                None => ErrorKind::Transient,
            },
            Self::Engine {
                source: clickhouse::error::Error::Network(_) | clickhouse::error::Error::TimedOut,
                ..
            } => ErrorKind::Transient,
            Self::Engine { .. } => ErrorKind::Permanent,
        }
    }

    /// Whether the same call may succeed later.
    pub fn is_transient(&self) -> bool {
        self.kind() == ErrorKind::Transient
    }
}

/// What somebody can do about the commonest causes; it stands in the error's text, wherever that is shown.
fn advice(source: &clickhouse::error::Error) -> Option<&'static str> {
    use clickhouse::error::Error;
    match source {
        Error::Network(_) => Some("is it running, and is clickhouse.url right?"),
        Error::BadResponse(text) if is_disk_full(text) => {
            Some("its disk is full: free or add room there, the rest goes on by itself")
        }
        Error::BadResponse(text) => match code_in(text)? {
            16 | 47 | 60 | 81 => {
                Some("the schema is missing or old: run `warehouse migrate` on this database")
            }
            192..=195 | 516 => {
                Some("set clickhouse.user and clickhouse.password to those of a user that may log in")
            }
            164 | 497 => Some("grant clickhouse.user what it needs on our tables; README.md lists it"),
            _ => None,
        },
        _ => None,
    }
}

fn in_brackets(advice: Option<&str>) -> String {
    advice.map(|advice| format!(" ({advice})")).unwrap_or_default()
}

/// Timeout (159), too many queries (202), socket and network (209, 210), memory limit (241), read-only table (242),
/// too many parts (252), too few live replicas (285), unknown status of insert (319), the disk refuses (75: write,
/// 77: close, 88: truncate, 204: sync, 243: not enough space), no free connection (203), all replicas lost or stale
/// (279, 369), Keeper (999), query was cancelled by a shutdown (394), server is shutting down (236: aborted).
const TRANSIENT_CODES: [i32; 20] =
    [75, 77, 88, 159, 202, 203, 204, 209, 210, 236, 241, 242, 243, 252, 279, 285, 319, 369, 394, 999];

/// Whether the engine says that its disk is full. It has a code of its own (243) only where it asks for room before it
/// writes; where a file or folder cannot be made, the code is that of the step (76, 172, 424), or the one of all errors
/// of the C++ library (1001), and the operating system's words are what they have in common.
fn is_disk_full(text: &str) -> bool {
    code_in(text) == Some(243) || text.contains("No space left on device")
}

/// The number in `Code: 60. DB::Exception: …`.
fn code_in(text: &str) -> Option<i32> {
    let digits = text.split_once("Code: ")?.1;
    digits.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(answer: &str) -> WarehouseError {
        let source = clickhouse::error::Error::BadResponse(answer.into());
        WarehouseError::Engine { doing: "testing", source }
    }

    fn kind(answer: &str) -> ErrorKind {
        error(answer).kind()
    }

    fn told(answer: &str) -> String {
        error(answer).to_string()
    }

    #[test]
    fn an_outage_is_told_from_a_mistake_by_its_code() {
        assert_eq!(kind("Code: 60. DB::Exception: Table x does not exist"), ErrorKind::Permanent);
        assert_eq!(kind("Code: 516. DB::Exception: Authentication failed"), ErrorKind::Permanent);
        assert_eq!(kind("Code: 241. DB::Exception: memory limit exceeded"), ErrorKind::Transient);
        assert_eq!(kind("502 Bad Gateway"), ErrorKind::Transient);
    }

    #[test]
    fn a_full_disk_is_an_outage_whatever_its_code() {
        for text in [
            "Code: 243. DB::Exception: Cannot reserve 1.00 MiB, not enough space. (NOT_ENOUGH_SPACE)",
            "Code: 75. DB::Exception: Cannot write to file /a/b, errno: 28, strerror: No space left on device. \
             (CANNOT_WRITE_TO_FILE_DESCRIPTOR)",
            "Code: 76. DB::Exception: Cannot open file /a/b: , errno: 28, strerror: No space left on device. \
             (CANNOT_OPEN_FILE)",
            "Code: 1001. DB::Exception: std::__1::__fs::filesystem::filesystem_error: filesystem error: in \
             create_directory: No space left on device [/a/b]. (STD_EXCEPTION)",
        ] {
            assert_eq!(kind(text), ErrorKind::Transient, "{text}");
            assert!(told(text).contains("its disk is full"), "{text}");
        }
        // The same codes for other reasons are for a person to look at.
        let denied =
            "Code: 76. DB::Exception: Cannot open file /a/b: , errno: 13, strerror: Permission denied.";
        assert_eq!(kind(denied), ErrorKind::Permanent);
        assert_eq!(kind("Code: 1001. DB::Exception: vector. (STD_EXCEPTION)"), ErrorKind::Permanent);
    }

    #[test]
    fn a_statement_that_the_end_of_the_server_cancelled_is_an_outage() {
        assert_eq!(kind("Code: 394. DB::Exception: Query was cancelled."), ErrorKind::Transient);
    }

    #[test]
    fn the_commonest_causes_come_with_what_to_do() {
        assert!(told("Code: 516. DB::Exception: x").contains("set clickhouse.user and clickhouse.password"));
        assert!(told("Code: 81. DB::Exception: x").contains("run `warehouse migrate`"));
        assert_eq!(told("Code: 241. DB::Exception: x"), "ClickHouse, while testing");
    }

    #[test]
    fn code_252_has_two_meanings() {
        assert_eq!(kind("Code: 252. DB::Exception: Too many parts (300)."), ErrorKind::Transient);
        assert_eq!(
            kind("Code: 252. DB::Exception: Too many partitions for single INSERT block (more than 100)."),
            ErrorKind::TooManyPartitions
        );
    }
}
