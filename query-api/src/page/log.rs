//! The audit log: calls newest first, and the way to the next of them.

use super::state::State;
use super::words::{Moment, decimal_with, fraction_digits, money_with, number};
use crate::ask::{LogRow, Page};
use crate::directory::{Directory, Person};
use crate::labels::{UNKNOWN_USER, reason_label};
use crate::snapshot::Snapshot;
use proto::Amount;

/// The log as it is shown.
#[derive(Debug)]
pub struct Log {
    /// Whose clock the times are of.
    pub zone: String,
    /// Newest first.
    pub calls: Vec<CallView>,
    /// The next page, unless this is the last.
    pub more: Option<String>,
    /// The first page, unless this is it.
    pub newest: Option<String>,
}

/// A call as it is shown.
#[derive(Debug)]
pub struct CallView {
    /// The page of the call.
    pub href: String,
    /// When.
    pub when: Moment,
    /// Name, or `Unknown user`.
    pub name: String,
    /// E-mail; the id where neither name nor e-mail is known.
    pub note: String,
    /// Whether the name is not known.
    pub unknown: bool,
    /// What for.
    pub reason: String,
    /// Who answered.
    pub provider: String,
    /// With which model.
    pub model: String,
    /// Tokens read.
    pub input_tokens: String,
    /// Tokens written.
    pub output_tokens: String,
    /// Whether made with the organisation's own key.
    pub byok: bool,
    /// Credits, or provider cost of a BYOK call.
    pub amount: String,
}

/// Calls a page shows at a time.
pub const ROWS: u32 = 50;

impl Log {
    /// From the answer.
    pub fn of(page: &Page, names: &Directory, state: &State, path: &str, snapshot: &Snapshot) -> Self {
        let as_of = snapshot.as_of.to_string();
        // One of the two is zero.
        let digits_of =
            |of: fn(&LogRow) -> Amount| page.rows.iter().map(|row| fraction_digits(of(row))).max();
        let digits = [
            digits_of(|row| Amount::from(row.credits)).unwrap_or(0),
            digits_of(|row| Amount::from(row.provider_cost)).unwrap_or(0),
        ];
        // Relative, and so shorter by what fifty rows would repeat.
        let last_segment = path.rsplit('/').next().unwrap_or_default();
        let last = page.rows.last().filter(|_| page.more).map(|row| row.id.to_string());
        Self {
            zone: snapshot.as_of.zone.name().to_owned(),
            calls: page
                .rows
                .iter()
                .map(|row| CallView {
                    href: format!("{last_segment}/calls/{}", row.id),
                    ..CallView::of(row, names, snapshot, digits)
                })
                .collect(),
            more: last.map(|last| state.href("", &[("after", &last), ("as_of", &as_of)])),
            newest: state.after.is_some().then(|| state.link(path)),
        }
    }
}

/// An e-mail of more characters is cut off in the table, and whole in its tooltip.
const NOTE_CHARS: usize = 28;

/// A longer amount stands below the name on a narrow screen.
const AMOUNT_CHARS: usize = 16;

impl CallView {
    /// Whether the table cuts the note off.
    pub fn note_is_long(&self) -> bool {
        self.note.chars().count() > NOTE_CHARS
    }

    /// Whether the amount does not fit beside a name on a narrow screen.
    pub fn amount_is_long(&self) -> bool {
        self.amount.len() > AMOUNT_CHARS
    }

    /// A call, its credits and its provider cost with at least so many decimals.
    pub fn of(row: &LogRow, names: &Directory, snapshot: &Snapshot, [credits, cost]: [usize; 2]) -> Self {
        let Person { label, email, name, member_id, .. } = names.person(&row.member);
        let byok = !row.currency_code.is_empty();
        let unknown = label == UNKNOWN_USER && name.is_none();
        Self {
            href: String::new(),
            when: Moment::of(snapshot.as_of.zone, row.occurred_at_ms),
            // Where there is no name, the e-mail stands in its place.
            note: email.filter(|email| *email != label).unwrap_or(if unknown {
                member_id
            } else {
                String::new()
            }),
            name: label,
            unknown,
            reason: reason_label(&row.reason_code).to_owned(),
            provider: row.provider_name.clone(),
            model: row.model_name.clone(),
            input_tokens: number(row.input_tokens.into()),
            output_tokens: number(row.output_tokens.into()),
            byok,
            amount: if byok {
                money_with(row.provider_cost.into(), &row.currency_code, cost)
            } else {
                decimal_with(row.credits.into(), credits)
            },
        }
    }
}
