//! The fresh snapshots that answers name while calls pour in: what later questions are pinned to, how old each was, and
//! whether what it said about itself was true.

use super::stream::ORGS;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use serde_json::Value;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use system_tests::{Client, position_of};

/// What an answer said about itself.
#[derive(Clone, Debug)]
pub struct Fresh {
    pub org: &'static str,
    pub as_of: String,
    pub position: u64,
    /// Everything the broker appended before this instant is counted, in Unix milliseconds.
    pub complete_through_ms: i64,
    /// How long that was ago when the snapshot was taken.
    age_ms: i64,
    heard: Instant,
}

/// All that were heard of.
#[derive(Clone, Default)]
pub struct Snapshots(Arc<Mutex<Vec<Fresh>>>);

/// "A moment ago".
const RECENT: Duration = Duration::from_secs(5);

impl Snapshots {
    /// Asks one organisation after the other without end.
    pub async fn collect(self, client: Client) {
        for (org, _) in ORGS.iter().cycle() {
            let said = client.json(&format!("/v1/orgs/{org}/summary")).await.expect("an answer");
            self.lock().push(Fresh::of(org, &said));
            tokio::time::sleep(Duration::from_millis(60)).await;
        }
    }

    /// One of an organisation: as often as not of a moment ago, else of any time. None before there is one.
    pub fn any_of(&self, org: &str, is_recent: bool, dice: &mut StdRng) -> Option<String> {
        let all = self.lock();
        let theirs = all.iter().filter(|fresh| fresh.org == org);
        let recent = theirs.clone().filter(|fresh| fresh.heard.elapsed() < RECENT);
        let chosen: Vec<&Fresh> = if is_recent { recent.collect() } else { theirs.collect() };
        chosen.choose(dice).map(|fresh| fresh.as_of.clone())
    }

    /// All that were heard so far.
    pub fn all(&self) -> Vec<Fresh> {
        self.lock().clone()
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Fresh>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Fresh {
    fn of(org: &'static str, said: &Value) -> Self {
        let as_of = said["as_of"].as_str().expect("an answer has an as_of").to_owned();
        let present_ms: i64 = as_of.split('.').nth(1).and_then(|text| text.parse().ok()).expect("a present");
        let through = said["complete_through"].as_str().expect("something was received");
        let through = through.parse::<chrono::DateTime<chrono::Utc>>().expect("an instant");
        let complete_through_ms = through.timestamp_millis();
        Self {
            org,
            position: position_of(said),
            as_of,
            complete_through_ms,
            age_ms: present_ms - complete_through_ms,
            heard: Instant::now(),
        }
    }

    /// The age that so many in a hundred do not exceed, in milliseconds.
    pub fn age_ms(all: &[Self], percent: usize) -> u64 {
        let mut ages: Vec<i64> = all.iter().map(|fresh| fresh.age_ms).collect();
        ages.sort_unstable();
        let at = (ages.len() * percent).div_ceil(100).saturating_sub(1);
        ages.get(at).map_or(0, |age_ms| u64::try_from(*age_ms).unwrap_or(0))
    }
}
