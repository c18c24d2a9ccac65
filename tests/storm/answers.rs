//! What the API says of an organisation at the end of its partition: sums, rows, repeats and conflicts.

use crate::judge::equal;
use crate::truth::{Truth, zone_of};
use crate::witness::as_of;
use chrono::{Days, NaiveDate};
use chrono_tz::Tz;
use serde_json::Value;
use std::collections::BTreeMap;
use system_tests::{
    Client, Sums, Told, Winner, date_of, eventually, position_of, row, said_by_name, said_sums,
};

/// The most rows of a page.
const PAGE: usize = 200;

/// Whom to ask of which organisation, at which snapshot.
pub struct Answers<'a> {
    api: &'a Client,
    truth: &'a Truth,
    org: &'a str,
    at: u64,
    /// All days on which calls happened.
    days: (NaiveDate, NaiveDate),
    /// The snapshot and the days as parameters.
    query: String,
}

impl<'a> Answers<'a> {
    /// At a position.
    pub fn of(api: &'a Client, truth: &'a Truth, org: &'a str, at: u64) -> Self {
        let today = date_of(zone_of(org), service::clock::now_ms());
        let days = (today - Days::new(250), today + Days::new(2));
        let query = format!("range=custom&since={}&until={}&as_of={}", days.0, days.1, as_of(org, at));
        Self { api, truth, org, at, days, query }
    }

    /// Days, months and breakdowns.
    pub async fn judge_sums(&self) {
        let said = self.ask("usage?by=day").await;
        let found = said_by_name(&said["points"], |point| text(&point["since"]));
        self.judge_groups("days", found, |winner, zone| date_of(zone, winner.at_ms).to_string());
        let said = self.ask("usage?by=month").await;
        let found = said_by_name(&said["points"], |point| text(&point["since"])[..7].to_owned());
        self.judge_groups("months", found, |winner, zone| {
            date_of(zone, winner.at_ms).to_string()[..7].to_owned()
        });
        let said = self.ask("breakdowns?").await;
        let mut totals = Sums::default();
        self.winners().for_each(|winner| totals.add(&winner.call));
        assert_eq!(said_sums(&said["totals"]), totals.json(), "totals of {}", self.org);
        let found = said_by_name(&said["by_member"], |row| text(&row["member_id"]));
        self.judge_groups("members", found, |winner, _| winner.call.member_id.clone());
        let found = said_by_name(&said["by_reason"], |row| text(&row["reason"]));
        self.judge_groups("reasons", found, |winner, _| winner.call.reason.clone());
        let found = said_by_name(&said["by_model"], |row| text(&row["value"]));
        let model = |winner: &Winner, _| format!("{}/{}", winner.call.provider, winner.call.model);
        self.judge_groups("models", found, model);
    }

    /// The file: every call once, as its first message told of it. Returns how many.
    pub async fn judge_file(&self) -> usize {
        let path = self.path("export.csv?");
        let file = eventually("a file", async || self.api.text(&path).await).await;
        self.judge_rows("the file", row::of_csv(&file))
    }

    /// All pages of the log: every call once, as its first message told of it. Returns how many.
    pub async fn judge_log(&self) -> usize {
        let rows = self.pages("calls?", "calls").await;
        self.judge_rows("the log", rows.iter().map(row::of_log).collect())
    }

    /// Repeats and conflicts, each by its place.
    pub async fn judge_later(&self) {
        let mut found: BTreeMap<(i32, i64), Told> = BTreeMap::new();
        let place = |message: &Value| {
            let number = |name: &str| message[name].as_i64().expect("a number");
            (number("partition") as i32, number("offset"))
        };
        for call in self.pages("anomalies?", "anomalies").await {
            let all = |name: &str| call[name].as_array().cloned().unwrap_or_default();
            found.extend(all("repeats").iter().map(|message| (place(message), Told::Repeat)));
            found.extend(all("conflicts").iter().map(|told| (place(&told["message"]), Told::Conflict)));
        }
        let what = format!("anomalies of {}", self.org);
        equal(&what, Some(&found), self.truth.later.get(self.org));
    }

    fn winners(&self) -> impl Iterator<Item = &Winner> {
        self.truth.of_days(self.org, self.days, self.at)
    }

    fn judge_groups(&self, what: &str, found: Value, name: fn(&Winner, Tz) -> String) {
        let zone = zone_of(self.org);
        let wanted = Sums::by(self.winners(), |winner| name(winner, zone));
        assert_eq!(found, Sums::json_by_name(&wanted), "{what} of {}", self.org);
    }

    /// Newest first; which of the same millisecond comes first is the ledger's business.
    fn judge_rows(&self, what: &str, mut found: Vec<String>) -> usize {
        let is_sorted = found.is_sorted_by(|newer, older| row::time(newer) >= row::time(older));
        assert!(is_sorted, "{what} of {} is not in the order of time", self.org);
        found.sort_unstable();
        let mut wanted: Vec<String> = self.winners().map(row::of_winner).collect();
        wanted.sort_unstable();
        let differs = found.iter().zip(&wanted).find(|(found, wanted)| found != wanted);
        assert_eq!(differs, None, "{what} of {}", self.org);
        assert_eq!(found.len(), wanted.len(), "rows in {what} of {}", self.org);
        found.len()
    }

    fn path(&self, what: &str) -> String {
        format!("/v1/orgs/{}/{what}&{}", self.org, self.query)
    }

    async fn ask(&self, what: &str) -> Value {
        let path = self.path(what);
        // It may have been killed a moment ago.
        let said = eventually("an answer", async || self.api.json(&path).await).await;
        assert_eq!(position_of(&said), self.at, "{}", self.org);
        said
    }

    /// The rows of all pages.
    async fn pages(&self, what: &str, list: &str) -> Vec<Value> {
        let (mut rows, mut after) = (Vec::new(), String::new());
        loop {
            let mut page = self.ask(&format!("{what}limit={PAGE}{after}")).await;
            let Value::Array(more) = page[list].take() else { panic!("no {list} in {page}") };
            rows.extend(more);
            let Some(next) = page["next"].as_str() else { return rows };
            after = format!("&after={next}");
        }
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}
