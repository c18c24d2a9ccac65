//! What stands around every page: title, tabs, organisation switcher, theme, and how complete the numbers are.

use super::assets::{ICON, SCRIPT, STYLE};
use super::state::State;
use super::theme::Theme;
use super::words::{Moment, count};
use crate::app::App;
use crate::auth::{Claims, Viewer};
use crate::problem::{Problem, ProblemKind};
use crate::queries;
use crate::snapshot::Snapshot;
use clickhouse::Row;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;
use std::collections::HashMap;
use std::time::Duration;
use warehouse::Warehouse;

/// The pages under Settings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tab {
    /// Every call.
    Audit,
    /// Totals and charts.
    Usage,
}

/// A link to the same page of an organisation.
#[derive(Debug, Clone)]
pub struct Choice {
    /// Its name.
    pub name: String,
    /// Where to.
    pub href: String,
    /// Whether it is the one shown.
    pub current: bool,
}

/// The frame of a page. Templates that extend `base.html` have one in their field `frame`.
#[derive(Debug, Clone)]
pub struct Frame {
    /// The document's title.
    pub title: String,
    /// The tabs; none on a page about a problem that belongs to no organisation.
    pub tabs: Vec<Choice>,
    /// The organisation's name; empty where none is shown.
    pub organisation: String,
    /// The organisations of the token, if there is a choice.
    pub switcher: Vec<Choice>,
    /// Whether the reader signed in here and can sign out here.
    pub sign_out: bool,
    /// Light or dark.
    pub theme: Theme,
    /// Path and query of this page, percent-encoded, for the way back to it.
    pub back: String,
    /// The style sheet.
    pub style: String,
    /// The script.
    pub script: String,
    /// The icon.
    pub icon: String,
}

/// Whose days, and through when everything is counted.
#[derive(Debug)]
pub struct Completeness {
    /// `Europe/Berlin`.
    pub zone: String,
    /// Absent before the first call.
    pub through: Option<Moment>,
    /// Whether `through` lies on another day than today, so that its date must be said.
    pub on_another_day: bool,
    /// `25 minutes`, where the numbers are that far behind and the page is not one of an older snapshot.
    pub behind: Option<String>,
    /// The page at the newest snapshot, from its beginning.
    pub newest: String,
}

/// All of a path segment or a query value that is no letter or digit, but for what is safe in both.
const UNSAFE: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

#[derive(Row, Deserialize)]
struct NameRow {
    org_id: String,
    display_name: String,
}

impl Tab {
    const ALL: [Self; 2] = [Self::Audit, Self::Usage];

    /// What people call it.
    pub fn label(self) -> &'static str {
        match self {
            Self::Audit => "Audit",
            Self::Usage => "Usage",
        }
    }

    /// Its path for an organisation.
    pub fn path(self, org_id: &str) -> String {
        let name = match self {
            Self::Audit => "audit",
            Self::Usage => "usage",
        };
        format!("/orgs/{}/settings/{name}", encoded(org_id))
    }
}

impl Frame {
    /// The frame of a page of an organisation. `title` goes before the organisation's name.
    ///
    /// # Errors
    /// ClickHouse's, while reading the names of the other organisations of the token.
    pub async fn of(
        app: &App,
        viewer: &Viewer,
        organisation: &str,
        tab: Tab,
        title: &str,
        theme: Theme,
        here: &str,
    ) -> Result<Self, Problem> {
        let names = if has_others(&viewer.org_ids, &viewer.org_id) {
            names(&app.warehouse, &viewer.org_ids).await?
        } else {
            HashMap::new()
        };
        let switcher = switcher(&names, &viewer.org_ids, &viewer.org_id, tab);
        let title = format!("{title} – {organisation}");
        Ok(Self {
            tabs: tabs(&viewer.org_id, Some(tab)),
            organisation: organisation.to_owned(),
            switcher,
            sign_out: app.sign_in.is_some(),
            ..Self::bare(&title, theme, here)
        })
    }

    /// The same, whose tabs lead to the same calls.
    pub fn with_filter(mut self, state: &State) -> Self {
        for tab in &mut self.tabs {
            tab.href = state.for_api().href(&tab.href, &[]);
        }
        self
    }

    /// The frame of a page about a problem with `org_id`, for somebody with these claims: the ways on that they may go. Says
    /// nothing of an organisation that they may not see.
    pub async fn of_problem(
        app: &App,
        claims: &Claims,
        org_id: &str,
        kind: ProblemKind,
        theme: Theme,
        here: &str,
    ) -> Self {
        let org_ids = claims.allowed();
        let named = match kind {
            // What cannot answer is not asked again.
            ProblemKind::Unavailable | ProblemKind::TooManyRequests => HashMap::new(),
            _ if org_ids.is_empty() => HashMap::new(),
            _ => names(&app.warehouse, &org_ids).await.unwrap_or_default(),
        };
        let seen = org_ids.iter().any(|allowed| allowed == org_id);
        let current = Tab::ALL.into_iter().find(|tab| here.starts_with(&tab.path(org_id)));
        let organisation = if seen { name_of(&named, org_id) } else { "" };
        Self {
            tabs: if seen { tabs(org_id, current) } else { Vec::new() },
            organisation: organisation.to_owned(),
            switcher: switcher(&named, &org_ids, org_id, current.unwrap_or(Tab::Audit)),
            sign_out: app.sign_in.is_some(),
            ..Self::bare("", theme, here)
        }
    }

    /// The frame of a page that belongs to no organisation.
    pub fn bare(title: &str, theme: Theme, here: &str) -> Self {
        Self {
            title: title.to_owned(),
            tabs: Vec::new(),
            organisation: String::new(),
            switcher: Vec::new(),
            sign_out: false,
            theme,
            back: encoded(here),
            style: STYLE.path(),
            script: SCRIPT.path(),
            icon: ICON.path(),
        }
    }
}

fn tabs(org_id: &str, current: Option<Tab>) -> Vec<Choice> {
    let choice = |tab: Tab| Choice {
        name: tab.label().to_owned(),
        href: tab.path(org_id),
        current: Some(tab) == current,
    };
    Tab::ALL.map(choice).into()
}

fn has_others(org_ids: &[String], current: &str) -> bool {
    org_ids.iter().any(|org_id| org_id != current)
}

/// The organisations to choose from; none where there is no choice.
fn switcher(names: &HashMap<String, String>, org_ids: &[String], current: &str, tab: Tab) -> Vec<Choice> {
    if !has_others(org_ids, current) {
        return Vec::new();
    }
    let choices = org_ids.iter().map(|org_id| Choice {
        name: name_of(names, org_id).to_owned(),
        href: tab.path(org_id),
        current: org_id == current,
    });
    let mut choices: Vec<Choice> = choices.collect();
    choices.sort_by_cached_key(|choice| choice.name.to_lowercase());
    choices
}

/// An organisation that the directory does not know is called by its id.
fn name_of<'a>(names: &'a HashMap<String, String>, org_id: &'a str) -> &'a str {
    names.get(org_id).map_or(org_id, String::as_str)
}

async fn names(warehouse: &Warehouse, org_ids: &[String]) -> Result<HashMap<String, String>, Problem> {
    let query = warehouse.read(queries::ORGANISATION_NAMES).param("org_ids", org_ids);
    let rows: Vec<NameRow> = warehouse.fetch_all("reading the organisations' names", query).await?;
    Ok(rows.into_iter().map(|row| (row.org_id, row.display_name)).collect())
}

impl Completeness {
    /// What a snapshot knows. It is behind when it is older than `behind_after`, unless somebody asked for it. `newest` is
    /// the address of the same page without a snapshot.
    pub fn of(snapshot: &Snapshot, behind_after: Duration, newest: String) -> Self {
        let zone = snapshot.as_of.zone;
        let now = Moment::of(zone, snapshot.as_of.now_ms);
        let through = snapshot.complete_through_ms.map(|unix_ms| Moment::of(zone, unix_ms));
        let age = snapshot.age().unwrap_or_default();
        let late = age > behind_after && !snapshot.pinned;
        Self {
            zone: zone.name().to_owned(),
            on_another_day: through.as_ref().is_some_and(|through| through.date != now.date),
            through,
            behind: (late || snapshot.behind).then(|| ago(age.as_secs())),
            newest,
        }
    }
}

/// `40 seconds`, `25 minutes`, `3 hours`, `2 days`.
fn ago(seconds: u64) -> String {
    match seconds {
        0..120 => count(seconds, "second"),
        120..7_200 => count(seconds / 60, "minute"),
        7_200..172_800 => count(seconds / 3_600, "hour"),
        _ => count(seconds / 86_400, "day"),
    }
}

/// A text as a path segment or a query value.
pub fn encoded(text: &str) -> String {
    utf8_percent_encode(text, UNSAFE).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_age_is_told_in_one_unit() {
        for (seconds, told) in [
            (61, "61 seconds"),
            (120, "2 minutes"),
            (1_510, "25 minutes"),
            (7_200, "2 hours"),
            (200_000, "2 days"),
        ] {
            assert_eq!(ago(seconds), told);
        }
    }

    #[test]
    fn any_organisation_has_a_path() {
        assert_eq!(Tab::Audit.path("org-acme"), "/orgs/org-acme/settings/audit");
        assert_eq!(Tab::Usage.path("a/b?c"), "/orgs/a%2Fb%3Fc/settings/usage");
    }
}
