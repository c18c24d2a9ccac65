//! Errors as one line of text.

use std::error::Error;

/// The error and all its causes on one line: `what we were doing: what failed: why`.
///
/// Pass `err.as_ref()` for an `anyhow::Error`. Line breaks inside a cause become spaces, because a log line is one line.
/// A cause whose text its parent already ends with is not printed twice: foreign errors often repeat their source.
pub fn chain(error: &(dyn Error + 'static)) -> String {
    let mut line = one_line(&error.to_string());
    let mut cause = error.source();
    while let Some(error) = cause {
        let text = one_line(&error.to_string());
        if !text.is_empty() && !line.ends_with(&text) {
            line.push_str(": ");
            line.push_str(&text);
        }
        cause = error.source();
    }
    line
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use anyhow::{Context, anyhow};

    #[test]
    fn all_causes_stand_on_one_line() {
        let error =
            Err::<(), _>(anyhow!("connection refused")).context("cannot insert 3 rows").context("batch 7");
        let error = error.expect_err("it is an error");
        assert_eq!(chain(error.as_ref()), "batch 7: cannot insert 3 rows: connection refused");
    }

    #[test]
    fn line_breaks_become_spaces() {
        assert_eq!(chain(anyhow!("first\n  second\r\n").as_ref()), "first second");
    }

    #[test]
    fn a_cause_that_its_parent_repeats_is_printed_once() {
        let error =
            Err::<(), _>(anyhow!("timed out")).context("insert failed: timed out").expect_err("an error");
        assert_eq!(chain(error.as_ref()), "insert failed: timed out");
    }
}
