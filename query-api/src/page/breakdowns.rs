//! By reason, by model, by member: a bar, and a table that says all of it.

use super::bar::{Segment, segments};
use super::palette::{OTHER, Palette};
use super::state::State;
use super::words::{count, decimal_with, fraction_digits, is_long, money, number};
use crate::ask::Seen;
use crate::directory::Directory;
use crate::filter::model_value;
use crate::labels::UNKNOWN_USER;
use crate::routes::breakdowns::{BreakdownsAnswer, MemberRow, RowFields};
use crate::sums::ByokCost;
use proto::Amount;

/// One breakdown as it is shown.
#[derive(Debug)]
pub struct Breakdown {
    /// For the parts' names in the page: `reason`, `model`, `member`.
    pub id: &'static str,
    /// `By reason`.
    pub title: &'static str,
    /// Head of the first column.
    pub first_column: &'static str,
    /// Head of the last column.
    pub last_column: &'static str,
    /// Whether amounts need a line of their own where there is little room.
    pub long: bool,
    /// The bar; empty when nothing cost credits.
    pub segments: Vec<Segment>,
    /// The table.
    pub rows: Vec<Row>,
    /// Further rows, behind a disclosure.
    pub further: Vec<Row>,
    /// What stands for the rest of a very long list.
    pub rest: Option<String>,
    /// The link that lists all members, or only the first.
    pub toggle: Option<Toggle>,
    /// What has segments of its own but no row, then what the bar folds into one: so that the rows add up to the whole.
    pub sums: Vec<Sum>,
}

/// A row of the table.
#[derive(Debug)]
pub struct Row {
    /// The number that ties it to its segment.
    pub tie: usize,
    /// The colour; none for a row that the bar folds away.
    pub class: &'static str,
    /// The name.
    pub name: String,
    /// What tells it from others of the same name.
    pub note: String,
    /// Whether the name is not known.
    pub unknown: bool,
    /// The whole id, where the name is not known.
    pub id: String,
    /// The page with this as its filter.
    pub href: String,
    /// Credits.
    pub credits: String,
    /// Share of all credits, or number of calls.
    pub last: String,
    /// BYOK calls of the row, apart from credits; empty when there are none.
    pub byok: String,
}

/// One row for several.
#[derive(Debug)]
pub struct Sum {
    /// `Next 2` or `Other (12)`.
    pub label: String,
    /// Its segments: the number that ties each, and its colour.
    pub segments: Vec<(usize, &'static str)>,
    /// Credits.
    pub credits: String,
    /// Share of all credits, or number of calls.
    pub last: String,
}

/// A link that shows more or less.
#[derive(Debug)]
pub struct Toggle {
    /// `Show all (37)` or `Show top 5`.
    pub label: String,
    /// Where it leads.
    pub href: String,
    /// Whether all are shown.
    pub expanded: bool,
}

/// Things with a segment of their own; the rest is folded into one.
const SEGMENTS_MAX: usize = 7;
/// Members listed at first.
const TOP_MEMBERS: usize = 5;
/// Members listed at most: a page stays a page, and the export has all.
const MEMBERS_MAX: usize = 100;
/// Reasons and models listed beyond the disclosure at most.
const FURTHER_MAX: usize = 100;
/// How much of an id tells two apart.
const SHORT_ID_CHARS: usize = 12;

struct Source<'a> {
    key: String,
    class: Option<&'static str>,
    name: String,
    note: String,
    unknown: bool,
    id: String,
    href: String,
    row: &'a RowFields,
}

/// The three side by side.
#[derive(Debug)]
pub struct Breakdowns {
    /// By reason, by model, by member.
    pub each: Vec<Breakdown>,
    /// All BYOK calls, apart from credits; empty when there are none.
    pub byok: String,
}

/// The three breakdowns.
///
/// `seen` are the organisation's models in the order in which they appeared, `names` all of its members.
pub fn views(
    answer: &BreakdownsAnswer,
    seen: &[Seen],
    names: &Directory,
    state: &State,
    path: &str,
) -> Breakdowns {
    let reasons = answer.by_reason.iter().map(|reason| Source {
        key: reason.reason.reason.clone(),
        class: Palette::known_reason(&reason.reason.reason),
        name: reason.reason.label.clone(),
        note: String::new(),
        unknown: false,
        id: String::new(),
        href: state.with(|narrow| narrow.reasons = vec![reason.reason.reason.clone()]).link(path),
        row: &reason.row,
    });
    let models = answer.by_model.iter().map(|model| Source {
        key: model.model.value.clone(),
        class: None,
        name: model.model.model.clone(),
        note: model.model.provider.clone(),
        unknown: false,
        id: String::new(),
        href: state
            .with(|narrow| narrow.models = vec![(model.model.provider.clone(), model.model.model.clone())])
            .link(path),
        row: &model.row,
    });
    let members = answer.by_member.iter().map(|member| of_member(member, state, path));
    let order = seen.iter().map(|seen| model_value(&seen.provider, &seen.model)).collect();
    let by_reason = breakdown("reason", reasons.collect(), Palette::of_reasons(), Shape::REASONS_AND_MODELS);
    let by_model = breakdown("model", models.collect(), Palette::of_order(order), Shape::REASONS_AND_MODELS);
    let palette = Palette::of_few(&names.ids());
    let mut by_member = breakdown("member", members.collect(), palette, Shape::of_members(state.all_members));
    by_member.toggle = toggle(answer.by_member.len(), state, path);
    let titled = |breakdown: Breakdown, title, first_column, last_column| Breakdown {
        title,
        first_column,
        last_column,
        ..breakdown
    };
    let each = vec![
        titled(by_reason, "By reason", "Reason", "Share"),
        titled(by_model, "By model", "Model", "Share"),
        titled(by_member, "By member", "Member", "Calls"),
    ];
    Breakdowns { each, byok: byok_line(&answer.totals.byok, |calls| count(calls, "BYOK call")) }
}

fn of_member<'a>(member: &'a MemberRow, state: &State, path: &str) -> Source<'a> {
    let person = &member.member;
    let unknown = person.label == UNKNOWN_USER && person.name.is_none();
    let short_id: String = person.member_id.chars().take(SHORT_ID_CHARS).collect();
    Source {
        key: person.member_id.clone(),
        class: None,
        name: person.label.clone(),
        note: if unknown { short_id } else { String::new() },
        unknown,
        id: if unknown { person.member_id.clone() } else { String::new() },
        href: state
            .with_all_members(false)
            .with(|narrow| narrow.members = vec![person.member_id.clone()])
            .link(path),
        row: &member.row,
    }
}

/// How a breakdown's table is cut.
#[derive(Debug, Clone, Copy)]
struct Shape {
    /// Whether the last column is calls, not share.
    calls: bool,
    /// Rows of things with a segment of their own, at most.
    listed: usize,
}

impl Shape {
    const REASONS_AND_MODELS: Self = Self { calls: false, listed: SEGMENTS_MAX };

    fn of_members(all: bool) -> Self {
        Self { calls: true, listed: if all { MEMBERS_MAX } else { TOP_MEMBERS } }
    }
}

fn breakdown(id: &'static str, sources: Vec<Source<'_>>, mut palette: Palette, shape: Shape) -> Breakdown {
    // Eight things fit the palette, but seven and the rest are easier to read than eight and the rest.
    let own = SEGMENTS_MAX.min(sources.len());
    let (shown, folded) = sources.split_at(own);
    let mut by_key: Vec<&Source<'_>> = shown.iter().filter(|source| source.class.is_none()).collect();
    by_key.sort_by_key(|source| &source.key);
    let classes: Vec<(&str, &'static str)> =
        by_key.iter().map(|source| (source.key.as_str(), palette.class_of(&source.key))).collect();
    let class_of = |source: &Source<'_>| {
        let given = classes.iter().find(|(key, _)| *key == source.key).map(|(_, class)| *class);
        source.class.or(given).unwrap_or(OTHER)
    };

    let digits = sources.iter().map(|source| fraction_digits(source.row.credits)).max().unwrap_or(0);
    let row = |tie: usize, class, source: &Source<'_>| Row {
        tie,
        class,
        name: source.name.clone(),
        note: source.note.clone(),
        unknown: source.unknown,
        id: source.id.clone(),
        href: source.href.clone(),
        credits: decimal_with(source.row.credits, digits),
        last: if shape.calls { number(source.row.calls) } else { share(source.row) },
        byok: byok_line(&source.row.byok, |calls| format!("{} BYOK", number(calls))),
    };
    // A row for a single one says who it is.
    let listed = if own == shape.listed + 1 { own } else { shape.listed.min(own) };
    let (listed, next) = shown.split_at(listed);
    let (also_listed, folded_rows) = folded.split_at(shape.listed.saturating_sub(own).min(folded.len()));
    let rows = listed.iter().enumerate().map(|(tie, source)| row(tie, class_of(source), source));
    let rows: Vec<Row> = rows.chain(also_listed.iter().map(|source| row(own, OTHER, source))).collect();
    let further = if shape.calls { &[] } else { &folded_rows[..folded_rows.len().min(FURTHER_MAX)] };
    let further: Vec<Row> = further.iter().map(|source| row(own, OTHER, source)).collect();
    let in_all = number(sources.len() as u64);
    let rest = match (also_listed.len(), further.len()) {
        (0, 0) => None,
        (0, unfolded) => (folded_rows.len() > unfolded).then(|| format!("of {in_all} · Export CSV has all")),
        _ => (!folded_rows.is_empty()).then(|| format!("{} of {in_all} · Export CSV has all", rows.len())),
    };

    let folded_credits = total(folded);
    let mut parts: Vec<(&'static str, Amount)> =
        shown.iter().map(|source| (class_of(source), source.row.credits)).collect();
    parts.push((OTHER, folded_credits));
    let whole = total(&sources);
    let sum = |label, segments, of: &[Source<'_>]| Sum {
        label,
        segments,
        credits: decimal_with(total(of), digits),
        last: if shape.calls {
            number(of.iter().map(|source| source.row.calls).sum())
        } else {
            share_of(total(of), whole)
        },
    };
    let mut sums = Vec::new();
    if !next.is_empty() {
        let segments =
            next.iter().enumerate().map(|(place, source)| (listed.len() + place, class_of(source)));
        sums.push(sum(format!("Next {}", next.len()), segments.collect(), next));
    }
    if !folded_rows.is_empty() {
        let label = format!("Other ({})", number(folded_rows.len() as u64));
        sums.push(sum(label, vec![(own, OTHER)], folded_rows));
    }
    Breakdown {
        id,
        title: "",
        first_column: "",
        last_column: "",
        long: rows.iter().any(|row| is_long(&row.credits)),
        segments: segments(&parts),
        rows,
        further,
        rest,
        toggle: None,
        sums,
    }
}

/// The link between the first members and all of them, where there are more.
fn toggle(total: usize, state: &State, path: &str) -> Option<Toggle> {
    let toggled = state.with_all_members(!state.all_members);
    // A single one more is listed, too.
    (total > TOP_MEMBERS + 1).then(|| Toggle {
        label: if state.all_members {
            format!("Show top {TOP_MEMBERS}")
        } else {
            format!("Show all ({})", number(total as u64))
        },
        href: toggled.link(path),
        expanded: state.all_members,
    })
}

fn total(sources: &[Source<'_>]) -> Amount {
    let units = sources.iter().map(|source| source.row.credits.units());
    Amount::from_units(units.fold(0, i128::saturating_add))
}

fn share(row: &RowFields) -> String {
    if row.share == "0.0" && row.credits != Amount::ZERO {
        "<0.1%".to_owned()
    } else {
        format!("{}%", row.share)
    }
}

fn share_of(part: Amount, whole: Amount) -> String {
    let share = crate::change::share(part, whole);
    if share == "0.0" && part != Amount::ZERO { "<0.1%".to_owned() } else { format!("{share}%") }
}

/// `12 BYOK calls · $4.18 · €0.20`, or nothing: costs of two currencies are never added.
fn byok_line(byok: &[ByokCost], counted: impl Fn(u64) -> String) -> String {
    if byok.is_empty() {
        return String::new();
    }
    let calls = counted(byok.iter().map(|cost| cost.calls).sum());
    let costs: Vec<String> = byok.iter().map(|cost| money(cost.cost, &cost.currency)).collect();
    format!("{calls} · {}", costs.join(" · "))
}
