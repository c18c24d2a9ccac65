//! Somebody who asks all the while, and remembers what was said: every answer must be true at its own `as_of`.

use crate::flow::ORGS;
use crate::truth::{Truth, zone_of};
use chrono::{DateTime, Days, Utc};
use proto::Position;
use query_api::as_of::AsOf;
use rand::seq::IndexedRandom;
use serde_json::Value;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use system_tests::{Client, date_of, position_of, said_sums};

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

impl Witness {
    /// Asks for random organisations and periods without end.
    pub async fn ask_on(self, api: Client) {
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
        let behind = truth.appended.earliest_behind();
        for Answer { org, said } in &heard {
            // The zone may not have been known yet; whatever days it meant, it says when they began and ended.
            let span = ["from", "to"].map(|edge| instant_ms(&said["period"][edge]));
            let sums = truth.sums(org, (span[0], span[1]), position_of(said));
            assert_eq!(said_sums(&said["totals"]), sums.json(), "{org}: {said}");
            // Nothing is said of what Kafka took before, as long as nothing is known of it.
            if said["complete_through"].is_string() {
                behind.nothing_is_left_out(org, position_of(said), instant_ms(&said["complete_through"]));
            }
        }
        heard.len()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Answer>> {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn instant_ms(text: &Value) -> i64 {
    let text = text.as_str().expect("an instant");
    text.parse::<DateTime<Utc>>().expect("an instant").timestamp_millis()
}

/// An `as_of` at this position, of now.
pub fn as_of(org: &str, at: u64) -> String {
    AsOf::new(org, Position::from_u64(at), service::clock::now_ms(), zone_of(org)).to_string()
}
