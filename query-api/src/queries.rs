//! The statements, each in a file of its own under `queries/`. Here they are put together from their parts; values only
//! ever travel as bound parameters.

use std::sync::LazyLock;

/// A question that rollup rows and the ledger can both answer, with rows of the same shape.
#[derive(Debug)]
pub struct Question {
    /// What we are doing, for errors and logs; each question has its own.
    pub doing: &'static str,
    /// Asks one rollup level.
    pub of_level: String,
    /// Asks the ledger; empty for a question that only rollup levels are asked.
    pub of_ledger: String,
    /// Asks the ledger for the calls whose first message came after a position.
    pub of_ledger_after: String,
}

/// What an organisation is called.
pub const ORGANISATION: &str = include_str!("../queries/organisation.sql");
/// What several organisations are called.
pub const ORGANISATION_NAMES: &str = include_str!("../queries/organisation_names.sql");
/// In which order models appeared.
pub const MODELS: &str = include_str!("../queries/models.sql");
/// Whether there was ever a call.
pub const HAD_CALLS: &str = include_str!("../queries/had_calls.sql");
/// Which stretches of time were touched.
pub const TOUCHES: &str = include_str!("../queries/touches.sql");
/// How far a partition is in the ledger.
pub const FRONTIER: &str = include_str!("../queries/frontier.sql");
/// Every batch of a partition.
pub const BATCHES: &str = include_str!("../queries/batches.sql");
/// How far the rollup worker is with an organisation's quarter hours.
pub const WORKED: &str = include_str!("../queries/worked.sql");
/// Names of members.
pub const MEMBERS: &str = include_str!("../queries/members.sql");

macro_rules! query {
    ($name:literal) => {
        include_str!(concat!("../queries/", $name, ".sql"))
    };
}

/// Credits and active members of the cards.
pub static CARDS: LazyLock<Question> =
    LazyLock::new(|| question("reading the cards", query!("cards_of_level"), query!("cards_of_ledger")));
/// Sums by reason, model and member.
pub static BREAKDOWNS: LazyLock<Question> =
    LazyLock::new(|| both("reading the breakdowns", query!("breakdowns")));
/// Sums over time.
pub static SERIES: LazyLock<Question> =
    LazyLock::new(|| both("reading the usage over time", query!("series")));
/// Options of the filters.
pub static OPTIONS: LazyLock<Question> =
    LazyLock::new(|| both("reading the filter options", query!("options")));
/// Matching calls of each bucket.
pub static MATCHES: LazyLock<Question> =
    LazyLock::new(|| of_levels_alone("finding the matching calls", query!("matches")));
/// All calls of each bucket.
pub static ALL_MATCHES: LazyLock<Question> =
    LazyLock::new(|| of_levels_alone("finding the calls", query!("all_matches")));
/// A page of the log.
pub static PAGE: LazyLock<String> = LazyLock::new(|| expanded(query!("page"), ""));
/// Every row of one call.
pub const CALL: &str = query!("call");
/// Calls that several messages told of.
pub const ANOMALIES: &str = query!("anomalies");
/// How far back a page of anomalies may look.
pub const ANOMALIES_FLOOR: &str = query!("anomalies_floor");
/// How many rows of the ledger a question would read.
pub static ESTIMATE: LazyLock<String> = LazyLock::new(|| expanded(query!("estimate"), ""));

fn both(doing: &'static str, tail: &str) -> Question {
    question(doing, tail, tail)
}

fn of_levels_alone(doing: &'static str, tail: &str) -> Question {
    Question { of_ledger: String::new(), of_ledger_after: String::new(), ..both(doing, tail) }
}

fn question(doing: &'static str, of_level: &str, of_ledger: &str) -> Question {
    let level = expanded(of_level, query!("cells_of_level"));
    let ledger = expanded(of_ledger, query!("cells_of_ledger"));
    Question {
        doing,
        of_level: without_comments(query!("of_level")) + &level,
        of_ledger: first_writes(false) + &ledger,
        of_ledger_after: first_writes(true) + &ledger,
    }
}

/// The calls of pieces; with `after`, those whose first write came after a position.
fn first_writes(after: bool) -> String {
    let (name, told_after, first_after) = if after {
        ("lowest", query!("told_after"), query!("first_after"))
    } else {
        ("first_writes", "", "")
    };
    without_comments(query!("of_ledger"))
        .replace("{{first_writes}}", name)
        .replace("{{told_after}}", &without_comments(told_after))
        + &without_comments(first_after)
}

fn expanded(statement: &str, cells: &str) -> String {
    without_comments(statement)
        .replace("{{cells}}", &without_comments(cells))
        .replace("{{filter}}", &without_comments(query!("filter")))
}

/// Comments are for the reader of the files; the engine's log and its time are better without.
fn without_comments(statement: &str) -> String {
    let lines = statement.lines().filter(|line| !line.trim_start().starts_with("--"));
    lines.flat_map(|line| [line, "\n"]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_left_to_expand_and_no_comment_is_sent() {
        for question in [&*CARDS, &*BREAKDOWNS, &*SERIES, &*OPTIONS, &*MATCHES, &*ALL_MATCHES] {
            for statement in [&question.of_level, &question.of_ledger, &question.of_ledger_after] {
                assert!(!statement.contains("{{") && !statement.contains("--"), "{statement}");
            }
        }
        assert!(!PAGE.contains("{{"), "{}", *PAGE);
    }
}
