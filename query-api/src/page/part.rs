//! Parts of a page that are read by themselves: when one of them fails, the others are still shown, and it is told as
//! an error in its place, never as zero.

use crate::envelope::RequestId;
use crate::problem::Problem;
use crate::reader::AskError;

/// A part of a page, or why it could not be read.
pub type Part<T> = Result<T, Problem>;

/// Keeps a problem in its place. That an older snapshot is the better answer concerns the whole page.
///
/// # Errors
/// [`AskError::TooMuchLedger`].
pub fn of<T>(answer: Result<T, AskError>) -> Result<Part<T>, AskError> {
    match answer {
        Ok(answer) => Ok(Ok(answer)),
        Err(AskError::Problem(problem)) => Ok(Err(problem)),
        Err(too_much @ AskError::TooMuchLedger(_)) => Err(too_much),
    }
}

/// What stands in the place of a part that could not be read.
#[derive(Debug)]
pub struct Failed {
    /// Which part: `the breakdowns`.
    pub what: &'static str,
    /// The id of the request, by which the log knows why.
    pub reference: String,
}

/// Logs why a part is missing and says so in its place.
pub fn failed(RequestId(request_id): &RequestId, what: &'static str) -> impl FnOnce(Problem) -> Failed {
    move |problem| {
        let inside = problem.inside().unwrap_or_else(|| problem.detail());
        tracing::warn!(request_id, code = problem.kind().code(), "a page is shown without {what}: {inside}");
        Failed { what, reference: request_id.clone() }
    }
}
