//! An organisation that moves to another zone: from then on its months and days are others, in every answer at once, and
//! what was answered before stays.

use super::periods::{compare, said};
use super::wall::{Span, Wall};
use crate::api::Api;
use chrono::NaiveDate;
use proto::{Amount, Call, Charge};
use serde_json::{Value, json};
use std::time::Duration;
use system_tests::{Client, Room, Stack, call, eventually, eventually_for};
use tokio::task::block_in_place;

const ORG: &str = "acme";
/// Off the hour, and on the other side of the world.
const ZONES: [&str; 4] = ["Europe/Berlin", "Asia/Kathmandu", "Pacific/Chatham", "America/St_Johns"];
/// For more than three months, at ever other minutes of the hour: day edges of every zone have calls near them.
const STEP_MS: i64 = 97 * 60_000;
const CALLS: i64 = 1_400;
/// For a busy machine.
const PATIENCE: Duration = Duration::from_secs(300);

/// Calls and credits inside.
fn sums(calls: &[Call], (from_ms, to_ms): Span) -> (u64, String) {
    let inside = calls.iter().filter(|call| (from_ms..to_ms).contains(&call.occurred_at_ms()));
    let units = |call: &Call| match &call.charge {
        Charge::Credits(credits) => credits.0.units(),
        Charge::ProviderCost(_) => 0,
    };
    let (count, sum) = inside.fold((0, 0), |(count, sum), call| (count + 1, sum + units(call)));
    (count, Amount::from_units(sum).to_string())
}

fn said_sums(said: &Value) -> (u64, String) {
    (said["calls"].as_u64().expect("a number"), said["credits"].as_str().expect("an amount").to_owned())
}

/// One who asks, and knows the calls.
struct Asked {
    client: Client,
    room: Room,
    calls: Vec<Call>,
}

impl Asked {
    async fn json(&self, resource: &str) -> Value {
        self.client.json(&format!("/v1/orgs/{ORG}/{resource}")).await.expect("an answer")
    }

    /// Compares all answers of one snapshot with the clock on the wall of a zone.
    async fn is_right(&self, zone: &str, as_of: &str) {
        let now_ms = as_of.split('.').nth(1).and_then(|text| text.parse().ok()).expect("a present");
        let wall = Wall::of(&self.room, zone, now_ms).await;
        let summary = self.json(&format!("summary?as_of={as_of}")).await;
        compare(&wall, &summary).unwrap();
        assert_eq!(summary["time_zone"], zone);
        for field in ["this_month", "last_month", "same_days_of_last_month"] {
            let (_, _, span) = said(&summary[field]);
            assert_eq!(summary[field]["credits"], sums(&self.calls, span).1, "{field} at {as_of}");
        }
        let today = wall.today();
        let last_30 = (today - chrono::Days::new(29), today);
        for (range, (since, until)) in
            [("this_month", wall.month(0)), ("last_month", wall.month(1)), ("last_30_days", last_30)]
        {
            let span = wall.days(since, until);
            let breakdowns = self.json(&format!("breakdowns?range={range}&as_of={as_of}")).await;
            assert_eq!(said(&breakdowns["period"]), (since, until, span), "{range} at {as_of}");
            assert_eq!(said_sums(&breakdowns["totals"]), sums(&self.calls, span), "{range} at {as_of}");
            let usage = self.json(&format!("usage?range={range}&by=day&as_of={as_of}")).await;
            let points = usage["points"].as_array().expect("points");
            let days: Vec<NaiveDate> = since.iter_days().take_while(|day| *day <= until).collect();
            assert_eq!(points.len(), days.len(), "{range} at {as_of}");
            for (day, point) in days.into_iter().zip(points) {
                let span = wall.days(day, day);
                assert_eq!(said(point), (day, day, span), "{range} at {as_of}");
                assert_eq!(said_sums(point), sums(&self.calls, span), "{day} at {as_of}");
            }
        }
    }

    /// Tells the directory of a zone, and returns the first snapshot in it.
    async fn moves_to(&self, zone: &str) -> String {
        let names = json!({ "short_name": ORG, "display_name": ORG, "time_zone": zone });
        let file = tempfile::Builder::new().suffix(".jsonl").tempfile().unwrap();
        std::fs::write(file.path(), json!({ "org_id": ORG, "organisation": names }).to_string()).unwrap();
        let (path, topic) = (file.path().to_str().unwrap(), self.room.topic("directory"));
        let mut emit = self.room.spawn("emit", &["directory", path, "--topic", &topic], &[]);
        assert!(block_in_place(|| emit.wait()).success(), "{}", emit.log().join("\n"));
        eventually("an answer in the new zone", async || {
            let said = self.json("summary").await;
            let is_new = said["time_zone"] == zone;
            if is_new { Ok(said["as_of"].as_str().unwrap().to_owned()) } else { Err(said["as_of"].clone()) }
        })
        .await
    }

    /// Waits until the worker has computed the days of a zone.
    async fn days_are_computed(&self, zone: &str) {
        eventually_for(PATIENCE, "days of the new zone", async || {
            let query = self.room.warehouse().read("SELECT time_zone FROM rollup_zones FINAL");
            let zones: Vec<String> = self.room.warehouse().fetch_all("looking", query).await.unwrap();
            if zones == [zone] { Ok(()) } else { Err(format!("{zones:?}")) }
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_organisation_that_moves_to_another_zone_has_its_days_at_once_and_keeps_what_was_answered() {
    let stack = Stack::shared();
    let room = Room::new(&stack, "moves").await;
    let _ingest = room.start("ingest", &[]).await;
    let _rollup = room.start("rollup", &[("WORKER_STEP_INTERVAL", "200ms")]).await;
    let api = Api::start(&stack, &room, &[ORG.to_owned()]).await;
    let now_ms = service::clock::now_ms();
    let credits = |n: i64| format!("{}.{n:012}", n % 3);
    let one = |n: i64| call().org(ORG).at_ms(now_ms - n * STEP_MS - 60_000).credits(&credits(n)).build();
    let calls: Vec<Call> = (0..CALLS).map(one).collect();
    room.publish_calls(&calls).await;
    room.ledger_holds(CALLS as u64).await;
    let client = Client::new(&api.address, &api.token);
    let asked = Asked { client, room, calls };

    let mut pinned: Vec<(&str, String)> = Vec::new();
    for zone in ZONES {
        let as_of = asked.moves_to(zone).await;
        // First with the rollups of the former zone, if it was computed in time, then with its own.
        asked.is_right(zone, &as_of).await;
        asked.days_are_computed(zone).await;
        asked.is_right(zone, &as_of).await;
        pinned.push((zone, as_of));
        for (zone, as_of) in &pinned {
            asked.is_right(zone, as_of).await;
        }
    }
}
