//! The chips: what narrows the page, each with a way to take it off.

use super::{Ingredients, byok_label};
use crate::directory::Person;
use crate::filter::Byok;
use crate::labels::reason_label;
use crate::page::state::Days;
use crate::page::words::days;
use crate::period::Range;

/// An active filter.
#[derive(Debug)]
pub struct Chip {
    /// `Member`, `Reason`, `Model`, `Period`; empty where the value says it.
    pub kind: &'static str,
    /// Which.
    pub value: String,
    /// What tells it from others of the same name.
    pub note: String,
    /// The page without it.
    pub href: String,
}

/// The kind of the period's chip.
pub(super) const PERIOD: &str = "Period";

/// The chips of all active filters, the period first.
pub(super) fn chips(from: &Ingredients<'_>) -> Vec<Chip> {
    let Ingredients { state, path, .. } = *from;
    let mut chips = Vec::new();
    let period = match state.days {
        Days::Chosen(Range::LastMonth) => Some("Last month".to_owned()),
        Days::Chosen(Range::Last30Days) => Some("Last 30 days".to_owned()),
        Days::Chosen(Range::Custom { since, until }) => Some(days(since, until)),
        Days::Chosen(Range::ThisMonth) | Days::Unfinished { .. } => None,
    };
    chips.extend(period.map(|value| Chip {
        kind: PERIOD,
        value,
        note: String::new(),
        href: state.with_days(Days::Chosen(Range::ThisMonth)).link(path),
    }));
    chips.extend(state.narrow.members.iter().map(|member| {
        let Person { label, email, name, .. } = from.names.person(member);
        Chip {
            kind: "Member",
            value: label,
            // A name says who; without one, the id does.
            note: if name.is_none() && email.is_none() { member.clone() } else { String::new() },
            href: state.with(|narrow| narrow.members.retain(|kept| kept != member)).link(path),
        }
    }));
    chips.extend(state.narrow.reasons.iter().map(|reason| Chip {
        kind: "Reason",
        value: reason_label(reason).to_owned(),
        note: String::new(),
        href: state.with(|narrow| narrow.reasons.retain(|kept| kept != reason)).link(path),
    }));
    chips.extend(state.narrow.models.iter().map(|model| Chip {
        kind: "Model",
        value: model.1.clone(),
        note: model.0.clone(),
        href: state.with(|narrow| narrow.models.retain(|kept| kept != model)).link(path),
    }));
    chips.extend((state.narrow.byok != Byok::Any).then(|| Chip {
        kind: "",
        value: byok_label(state.narrow.byok).to_owned(),
        note: String::new(),
        href: state.with(|narrow| narrow.byok = Byok::Any).link(path),
    }));
    chips
}
