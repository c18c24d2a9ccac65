//! The export's file: columns, cells that no spreadsheet takes for a formula, and its name.

use crate::ask::LogRow;
use crate::directory::Directory;
use crate::labels::reason_label;
use crate::period::Period;
use chrono::DateTime;
use proto::Amount;

/// The columns, in order. The member's id keeps people apart who share a name, and those who left, who have none.
pub const COLUMNS: [&str; 14] = [
    "time (UTC)",
    "name",
    "email",
    "reason",
    "provider",
    "model",
    "input tokens",
    "output tokens",
    "credits",
    "byok",
    "provider cost",
    "currency",
    "event id",
    "member id",
];

/// The line with the names of the columns.
///
/// # Errors
/// None: memory takes every write.
pub fn head() -> Result<Vec<u8>, csv::Error> {
    let mut writer = writer();
    writer.write_record(COLUMNS)?;
    finished(writer)
}

/// The lines of some calls.
///
/// # Errors
/// None: memory takes every write.
pub fn lines(rows: &[LogRow], names: &Directory) -> Result<Vec<u8>, csv::Error> {
    let mut writer = writer();
    for row in rows {
        let person = names.person(&row.member);
        let byok = !row.currency_code.is_empty();
        let amount = |wanted: bool, amount: Amount| if wanted { amount.to_string() } else { String::new() };
        let cells: [&str; COLUMNS.len()] = [
            &time(row.occurred_at_ms),
            &cell(&person.label),
            &cell(person.email.as_deref().unwrap_or_default()),
            &cell(reason_label(&row.reason_code)),
            &cell(&row.provider_name),
            &cell(&row.model_name),
            &row.input_tokens.to_string(),
            &row.output_tokens.to_string(),
            &amount(!byok, row.credits.into()),
            if byok { "yes" } else { "no" },
            &amount(byok, row.provider_cost.into()),
            &row.currency_code,
            &row.id.to_string(),
            &cell(&row.member),
        ];
        writer.write_record(cells)?;
    }
    finished(writer)
}

/// `intervy-usage_<org>_<from>_<to>.csv`, both days inclusive.
pub fn file_name(short_name: &str, period: &Period) -> String {
    format!("intervy-usage_{short_name}_{}_{}.csv", period.since, period.until)
}

/// A text as a cell that every spreadsheet shows as text. A cell that begins with a character that could begin a
/// formula gets an apostrophe before it; so does one that begins with apostrophes and then such a character, so that
/// the way back is exact: where such a character follows leading apostrophes, take one of them away.
fn cell(text: &str) -> String {
    let behind_apostrophes = text.trim_start_matches('\'').chars().next();
    if behind_apostrophes.is_some_and(|first| FORMULA_STARTS.contains(&first)) {
        format!("'{text}")
    } else {
        text.to_owned()
    }
}

/// What spreadsheets take for the beginning of a formula, or skip before one (OWASP, "CSV Injection"), with the
/// full-width forms that some of them read alike.
const FORMULA_STARTS: [char; 11] = ['=', '+', '-', '@', '\t', '\r', '\n', '＝', '＋', '－', '＠'];

/// `2026-11-14 12:04:59.123`: what spreadsheets read as a time. The zone stands in the column's name.
fn time(unix_ms: i64) -> String {
    DateTime::from_timestamp_millis(unix_ms).unwrap_or_default().format("%Y-%m-%d %H:%M:%S%.3f").to_string()
}

/// RFC 4180: commas, quotes where they are needed, lines that end with CR LF.
fn writer() -> csv::Writer<Vec<u8>> {
    csv::WriterBuilder::new().terminator(csv::Terminator::CRLF).from_writer(Vec::new())
}

fn finished(writer: csv::Writer<Vec<u8>>) -> Result<Vec<u8>, csv::Error> {
    writer.into_inner().map_err(|error| csv::Error::from(error.into_error()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// What the README tells people to do to get the original text back.
    fn undone(cell: &str) -> &str {
        let behind = cell.trim_start_matches('\'').chars().next();
        match cell.strip_prefix('\'') {
            Some(rest) if behind.is_some_and(|first| FORMULA_STARTS.contains(&first)) => rest,
            _ => cell,
        }
    }

    #[test]
    fn nothing_begins_a_formula() {
        for text in
            ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "＝1", "＋1", "－1", "＠1", "'=1"]
        {
            assert_eq!(cell(text), format!("'{text}"));
        }
        for text in ["", "Ada", "a=1", "'t Hooft", " =1", "1"] {
            assert_eq!(cell(text), text);
        }
    }

    proptest! {
        #[test]
        fn a_cell_can_be_undone_and_survives_a_reader_of_csv(text in "['=+@\\-\"\n\r\t, a-zé＝]{0,8}") {
            let cell = cell(&text);
            prop_assert_eq!(undone(&cell), text.as_str());
            let mut writer = writer();
            writer.write_record([cell.as_str(), "x"]).unwrap();
            let bytes = finished(writer).unwrap();
            let mut reader = csv::ReaderBuilder::new().has_headers(false).from_reader(bytes.as_slice());
            let record = reader.records().next().unwrap().unwrap();
            prop_assert_eq!(record.get(0), Some(cell.as_str()));
        }
    }

    #[test]
    fn times_are_those_of_utc_to_the_millisecond() {
        assert_eq!(time(1_794_657_899_123), "2026-11-14 12:04:59.123");
    }
}
