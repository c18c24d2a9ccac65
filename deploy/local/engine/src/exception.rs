//! ClickHouse's errors: a code, a text that begins with it, and the HTTP status that belongs to it.

use hyper::StatusCode;

/// An error as ClickHouse's HTTP interface reports it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text}")]
pub struct Exception {
    /// The number clients decide on.
    pub code: u16,
    /// `Code: N. DB::Exception: what happened. (NAME)`, without the server's version.
    pub text: String,
}

/// The codes this server raises itself.
#[derive(Debug, Clone, Copy)]
pub enum Code {
    CannotReadAllData = 33,
    BadArguments = 36,
    NotImplemented = 48,
    SyntaxError = 62,
    UnknownFormat = 73,
    Readonly = 164,
    TooManySimultaneousQueries = 202,
    QueryWithSameIdIsAlreadyRunning = 216,
    Aborted = 236,
    IntoOutfileNotAllowed = 358,
    LimitExceeded = 290,
    AuthenticationFailed = 516,
    PocoException = 1000,
}

impl Code {
    fn name(self) -> &'static str {
        match self {
            Self::CannotReadAllData => "CANNOT_READ_ALL_DATA",
            Self::BadArguments => "BAD_ARGUMENTS",
            Self::NotImplemented => "NOT_IMPLEMENTED",
            Self::SyntaxError => "SYNTAX_ERROR",
            Self::UnknownFormat => "UNKNOWN_FORMAT",
            Self::Readonly => "READONLY",
            Self::TooManySimultaneousQueries => "TOO_MANY_SIMULTANEOUS_QUERIES",
            Self::QueryWithSameIdIsAlreadyRunning => "QUERY_WITH_SAME_ID_IS_ALREADY_RUNNING",
            Self::Aborted => "ABORTED",
            Self::IntoOutfileNotAllowed => "INTO_OUTFILE_NOT_ALLOWED",
            Self::LimitExceeded => "LIMIT_EXCEEDED",
            Self::AuthenticationFailed => "AUTHENTICATION_FAILED",
            Self::PocoException => "POCO_EXCEPTION",
        }
    }
}

/// Code of an engine error that names none (`STD_EXCEPTION`).
const UNNAMED: u16 = 1001;

impl Exception {
    /// An error of this server.
    pub fn new(code: Code, message: impl std::fmt::Display) -> Self {
        let text = format!("Code: {}. DB::Exception: {message}. ({})", code as u16, code.name());
        Self { code: code as u16, text }
    }

    /// Something ClickHouse's HTTP interface knows and this server does not.
    pub fn unsupported(what: impl std::fmt::Display) -> Self {
        Self::new(Code::NotImplemented, format_args!("{what} is not supported by the local engine"))
    }

    /// An error of the form library of the real server, which is no `DB::Exception`.
    pub fn form(message: &str) -> Self {
        let text = format!("Poco::Exception. Code: 1000, e.code() = 0, HTML Form Exception: {message}");
        Self { code: Code::PocoException as u16, text }
    }

    /// What the engine reported. Its stack trace is cut off, as the real server does.
    pub fn from_engine(report: &str) -> Self {
        let text = report.split(", Stack trace (when copying").next().unwrap_or(report);
        let text = text.split(" (version ").next().unwrap_or(text).trim_end();
        // The engine's client side wraps the error of a statement into one of its own: only the innermost is news.
        let mut text = text;
        while let Some((_, inner)) =
            text.split_once("DB::Exception: ").filter(|(_, inner)| code_of(inner).is_some())
        {
            text = inner;
        }
        match code_of(text) {
            Some(code) => Self { code, text: text.to_owned() },
            None => Self {
                code: UNNAMED,
                text: format!("Code: {UNNAMED}. DB::Exception: {text}. (STD_EXCEPTION)"),
            },
        }
    }

    /// A thread that ran a statement ended without telling its outcome.
    pub fn lost() -> Self {
        Self::from_engine("the statement's outcome was lost: see the server's log")
    }

    /// The HTTP status ClickHouse answers with, if the answer has not begun yet.
    pub fn status(&self) -> StatusCode {
        match self.code {
            194 => StatusCode::UNAUTHORIZED,
            192 | 193 | 497 | 512 | 516 => StatusCode::FORBIDDEN,
            6 | 8 | 15 | 25 | 26 | 27 | 36 | 37 | 38 | 41 | 44 | 53 | 62 | 72 | 117 | 123 | 167 | 168
            | 223 | 321 | 376 | 427 | 441 | 675 | 676 => StatusCode::BAD_REQUEST,
            46 | 47 | 50 | 56 | 60 | 63 | 73 | 78 | 81 | 115 | 152 | 336 | 511 => StatusCode::NOT_FOUND,
            48 => StatusCode::NOT_IMPLEMENTED,
            76 | 209 | 439 => StatusCode::SERVICE_UNAVAILABLE,
            159 => StatusCode::REQUEST_TIMEOUT,
            229 => StatusCode::PAYLOAD_TOO_LARGE,
            381 => StatusCode::LENGTH_REQUIRED,
            779 => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            _ => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }
}

fn code_of(text: &str) -> Option<u16> {
    let digits = text.strip_prefix("Code: ")?;
    digits.split('.').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_engine_error_keeps_its_code_and_loses_its_stack_trace() {
        let e = Exception::from_engine(
            "Code: 27. DB::Exception: Cannot parse input. (CANNOT_PARSE_INPUT_ASSERTION_FAILED), Stack trace (when copying this message, always include the lines below):\n\n0. x",
        );
        assert_eq!(e.code, 27);
        assert_eq!(
            e.text,
            "Code: 27. DB::Exception: Cannot parse input. (CANNOT_PARSE_INPUT_ASSERTION_FAILED)"
        );
        assert_eq!(e.status(), StatusCode::BAD_REQUEST);
    }

    #[test]
    fn an_error_within_an_error_is_told_once() {
        let e = Exception::from_engine(
            "Code: 164. DB::Exception: Code: 164. DB::Exception: Cannot modify 'max_threads' setting in readonly mode. (READONLY) (version 26.7.2.1). (READONLY)",
        );
        assert_eq!(e.code, 164);
        let thrice = "Code: 73. DB::Exception: Code: 73. DB::Exception: Code: 73. DB::Exception: Unknown format X. (UNKNOWN_FORMAT)";
        assert_eq!(
            Exception::from_engine(thrice).text,
            "Code: 73. DB::Exception: Unknown format X. (UNKNOWN_FORMAT)"
        );
        assert_eq!(
            e.text,
            "Code: 164. DB::Exception: Cannot modify 'max_threads' setting in readonly mode. (READONLY)"
        );
    }

    #[test]
    fn an_error_without_a_code_gets_the_one_for_such_errors() {
        assert_eq!(Exception::from_engine("No active streaming query").code, 1001);
    }
}
