//! What a claim prints: facts of the run, and tables of figures with their ratio to a baseline.

use std::fmt::{self, Display};
use std::time::Duration;

/// The result of one claim, as a page of Markdown.
#[derive(Debug)]
pub struct Report {
    title: String,
    facts: Vec<(String, String)>,
    tables: Vec<Vec<Vec<String>>>,
    notes: Vec<String>,
}

impl Report {
    /// An empty report that begins with how and where the run was made.
    pub fn new(title: &str, engine_version: &str, seed: u64) -> Self {
        let report = Self { title: title.into(), facts: vec![], tables: vec![], notes: vec![] };
        let revision = std::env::var("BENCH_REVISION").unwrap_or_else(|_| "not told".into());
        report
            .fact("revision", revision)
            .fact("machine", crate::machine::processors())
            .fact("ClickHouse", engine_version)
            .fact("seed", seed)
    }

    /// Adds a fact of the run, such as a size.
    pub fn fact(mut self, name: &str, value: impl Display) -> Self {
        self.facts.push((name.into(), value.to_string()));
        self
    }

    /// Adds a table; the first row is its head.
    pub fn table(mut self, rows: Vec<Vec<String>>) -> Self {
        self.tables.push(rows);
        self
    }

    /// Adds a sentence on what was measured.
    pub fn note(mut self, text: &str) -> Self {
        self.notes.push(text.into());
        self
    }
}

impl Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "# {}\n", self.title)?;
        for (name, value) in &self.facts {
            writeln!(f, "- {name}: {value}")?;
        }
        for table in &self.tables {
            writeln!(f)?;
            for (index, row) in table.iter().enumerate() {
                writeln!(f, "| {} |", row.join(" | "))?;
                if index == 0 {
                    writeln!(f, "|{}", " --- |".repeat(row.len()))?;
                }
            }
        }
        for note in &self.notes {
            writeln!(f, "\n{note}")?;
        }
        Ok(())
    }
}

/// A row of a table.
#[macro_export]
macro_rules! row {
    ($($cell:expr),+ $(,)?) => { vec![$($cell.to_string()),+] };
}

/// `a / b` with two digits; `-` if there is no `b`.
pub fn ratio(a: u128, b: u128) -> String {
    match (a * 100).checked_div(b) {
        Some(hundredths) => format!("{}.{:02}", hundredths / 100, hundredths % 100),
        None => "-".into(),
    }
}

/// How many in a second, with thousands set apart.
pub fn per_second(count: u64, milliseconds: u64) -> String {
    thousands(count * 1000 / milliseconds.max(1))
}

/// A number with thousands set apart: `36,000,000`.
pub fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A duration in milliseconds with one digit: `12.3 ms`.
pub fn milliseconds(duration: Duration) -> String {
    let tenths = duration.as_micros() / 100;
    format!("{}.{} ms", tenths / 10, tenths % 10)
}

/// A duration in microseconds with one digit: `2.4 µs`.
pub fn microseconds(duration: Duration) -> String {
    let tenths = duration.as_nanos() / 100;
    format!("{}.{} µs", tenths / 10, tenths % 10)
}

/// The duration that so many of 100 stay below or reach; `sorted` must be.
pub fn percentile(sorted: &[Duration], percent: usize) -> Duration {
    let rank = (sorted.len() * percent).div_ceil(100).max(1);
    sorted.get(rank - 1).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_read_easily() {
        assert_eq!(ratio(7, 4), "1.75");
        assert_eq!(ratio(7, 0), "-");
        assert_eq!(thousands(36_000_000), "36,000,000");
        assert_eq!(thousands(999), "999");
        assert_eq!(per_second(5_000, 2_500), "2,000");
        assert_eq!(milliseconds(Duration::from_micros(1_234)), "1.2 ms");
        assert_eq!(microseconds(Duration::from_nanos(2_460)), "2.4 µs");
    }

    #[test]
    fn a_percentile_is_one_of_the_values() {
        let values: Vec<_> = (1..=100).map(Duration::from_millis).collect();
        assert_eq!(percentile(&values, 50), Duration::from_millis(50));
        assert_eq!(percentile(&values, 99), Duration::from_millis(99));
        assert_eq!(percentile(&values[..3], 99), Duration::from_millis(3));
        assert_eq!(percentile(&[], 99), Duration::ZERO);
    }
}
