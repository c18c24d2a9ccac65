//! Somebody who asks all the while, and remembers what was said: every answer must be true at its own `as_of`.

use crate::flow::ORGS;
use crate::truth::{Sums, Truth, date_of, zone_of};
use anyhow::Context;
use chrono::{DateTime, Days, Utc};
use rand::seq::IndexedRandom;
use serde_json::{Value, json};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// An HTTP client of the API with a token for all organisations.
#[derive(Clone)]
pub struct Api {
    client: reqwest::Client,
    address: String,
    token: String,
}

/// What was asked and answered.
struct Answer {
    org: &'static str,
    said: Value,
}

/// Remembers answers until they are judged.
#[derive(Clone, Default)]
pub struct Witness {
    heard: Arc<Mutex<Vec<Answer>>>,
}

impl Api {
    /// A client of the API at this address.
    pub fn new(address: &str, token: String) -> Self {
        let client = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(60));
        let client = client.build().expect("a client");
        Self { client, address: format!("http://{address}"), token }
    }

    /// The JSON of an answer.
    ///
    /// # Errors
    /// If there is none, or it is a problem.
    pub async fn json(&self, path: &str) -> anyhow::Result<Value> {
        let request = self.client.get(format!("{}{path}", self.address)).bearer_auth(&self.token);
        let answer = request.send().await?;
        let (status, text) = (answer.status(), answer.text().await?);
        anyhow::ensure!(status.is_success(), "{path}: {status} {text}");
        serde_json::from_str(&text).with_context(|| text)
    }
}

impl Witness {
    /// Asks for random organisations and periods without end.
    pub async fn ask_on(self, api: Api) {
        loop {
            let (org, zone) = ORGS.choose(&mut rand::rng()).copied().unwrap_or(ORGS[0]);
            let zone = zone.parse().unwrap_or_default();
            let today = date_of(zone, service::clock::now_ms());
            let since = today - Days::new(*[0u64, 1, 7, 45, 200].choose(&mut rand::rng()).unwrap_or(&1));
            let path = format!("/v1/orgs/{org}/usage?by=month&range=custom&since={since}&until={today}");
            // A process that was killed says nothing; whatever is said must be true.
            if let Ok(said) = api.json(&path).await {
                self.lock().push(Answer { org, said });
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// Judges what was said so far, and forgets it. Returns how many answers that was.
    ///
    /// # Panics
    /// If an answer was wrong.
    pub fn judge(&self, truth: &Truth) -> usize {
        let heard = std::mem::take(&mut *self.lock());
        for Answer { org, said } in &heard {
            // The zone may not have been known yet; whatever days it meant, it says when they began and ended.
            let span = ["from", "to"].map(|edge| instant_ms(&said["period"][edge]));
            let sums = truth.sums(org, (span[0], span[1]), position_of(said));
            assert_eq!(totals(&said["totals"]), sums.json(), "{org}: {said}");
        }
        heard.len()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Answer>> {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The position at which an answer was cut.
pub fn position_of(said: &Value) -> u64 {
    let as_of = said["as_of"].as_str().expect("an answer has an as_of");
    as_of.split('.').next().and_then(|text| text.parse().ok()).expect("a position")
}

fn instant_ms(text: &Value) -> i64 {
    let text = text.as_str().expect("an instant");
    text.parse::<DateTime<Utc>>().expect("an instant").timestamp_millis()
}

/// The part of sums that every answer carries.
pub fn totals(said: &Value) -> Value {
    json!({ "calls": said["calls"], "credits": said["credits"], "byok": said["byok"] })
}

/// An `as_of` at this position, of now.
pub fn as_of(org: &str, at: u64) -> String {
    let zone = zone_of(org).name().replace('/', "~").replace('+', "!");
    format!("{at}.{}.{zone}", service::clock::now_ms())
}

/// Sums as the API says them, of a list of rows with a name each.
pub fn named(rows: &Value, name: impl Fn(&Value) -> String) -> Value {
    let rows = rows.as_array().map(Vec::as_slice).unwrap_or_default();
    let said = rows.iter().filter(|row| row["calls"] != 0).map(|row| (name(row), totals(row)));
    said.collect::<serde_json::Map<_, _>>().into()
}

/// The same of sums of ours.
pub fn expected(sums: &std::collections::BTreeMap<String, Sums>) -> Value {
    sums.iter().map(|(name, sums)| (name.clone(), sums.json())).collect::<serde_json::Map<_, _>>().into()
}
