//! Everything that links to one snapshot answer, as bytes.

use super::load::ORGS;
use serde_json::Value;
use std::collections::BTreeMap;
use system_tests::Client;
use tokio::task::JoinSet;

/// Resources that take an `as_of`, beside the pages of the log.
const RESOURCES: [&str; 10] = [
    "summary?",
    "breakdowns?range=this_month&",
    "breakdowns?range=last_30_days&byok=none&reason=chat&",
    "breakdowns?range=last_month&member=m-1&member=m-2&",
    "usage?range=last_30_days&by=day&",
    "usage?range=last_month&by=month&",
    "filters?range=last_month&limit=1000&",
    "anomalies?range=last_30_days&",
    "export.csv?range=last_30_days&",
    "export.csv?range=last_month&byok=only&",
];

/// Snapshots of all organisations, taken together.
pub struct Snapshots(Vec<(&'static str, String)>);

impl Snapshots {
    /// What is known now.
    pub async fn take(client: &Client) -> Self {
        let mut taken = Vec::new();
        for (org, _) in ORGS {
            let said = client.json(&format!("/v1/orgs/{org}/summary")).await.expect("an answer");
            taken.push((org, said["as_of"].as_str().expect("an as_of").to_owned()));
        }
        Self(taken)
    }

    /// Where an organisation's was cut.
    pub fn position(&self, org: &str) -> u64 {
        self.as_of(org).split('.').next().and_then(|text| text.parse().ok()).expect("a position")
    }

    fn as_of(&self, org: &str) -> &str {
        &self.0.iter().find(|(of, _)| *of == org).expect("an organisation").1
    }

    /// The path of a resource, whose parameters end with `?` or `&`, at the organisation's snapshot.
    pub fn path(&self, org: &str, resource: &str) -> String {
        format!("/v1/orgs/{org}/{resource}as_of={}", self.as_of(org))
    }

    /// Every answer by its path; of all organisations at the same time.
    pub async fn answers(&self, client: &Client) -> BTreeMap<String, String> {
        let mut asking = JoinSet::new();
        for (org, _) in &self.0 {
            let paths = RESOURCES.map(|resource| self.path(org, resource));
            let log = self.path(org, "calls?range=last_30_days&limit=200&");
            asking.spawn(all_of(client.clone(), paths, log));
        }
        asking.join_all().await.into_iter().flatten().collect()
    }
}

async fn all_of(client: Client, paths: [String; RESOURCES.len()], log: String) -> Vec<(String, String)> {
    let mut answers = Vec::new();
    for path in paths {
        let text = client.text(&path).await.expect("an answer");
        answers.push((path, without_completeness(&text)));
    }
    let mut path = log.clone();
    loop {
        let text = client.text(&path).await.expect("a page of the log");
        let page: Value = serde_json::from_str(&text).expect("JSON");
        answers.push((path, without_completeness(&text)));
        let Some(next) = page["next"].as_str() else { return answers };
        path = format!("{log}&after={next}");
    }
}

/// What is said about the snapshot follows from how the messages were batched; what is in it may not.
fn without_completeness(text: &str) -> String {
    const FIELD: &str = "\"complete_through\":";
    let Some((before, rest)) = text.split_once(FIELD) else { return text.to_owned() };
    let (_, after) = rest.split_once(',').expect("more fields");
    format!("{before}{FIELD}-,{after}")
}

/// Compares byte by byte.
///
/// # Panics
/// At the first answer that differs.
pub fn equal(when: &str, before: &BTreeMap<String, String>, after: &BTreeMap<String, String>) {
    for (path, before) in before {
        let after = after.get(path).unwrap_or_else(|| panic!("{when}: {path} is not asked any more"));
        let differs = before.bytes().zip(after.bytes()).position(|(before, after)| before != after);
        let at = differs.unwrap_or(before.len().min(after.len()));
        let around = |text: &str| {
            let bytes = &text.as_bytes()[at.saturating_sub(200)..(at + 200).min(text.len())];
            String::from_utf8_lossy(bytes).into_owned()
        };
        assert!(before == after, "{when}: {path}\n was {}\nnow {}", around(before), around(after));
    }
    assert_eq!(before.len(), after.len(), "{when}");
}
