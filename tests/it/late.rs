//! Calls that come late, and ingest that stands: a closed month changes within a moment whether or not a rollup worker
//! runs, and an answer never says that it is complete through an instant before all of that is counted.

use crate::api::Api;
use chrono::{DateTime, Utc};
use serde_json::Value;
use std::time::{Duration, Instant};
use system_tests::{
    Client, PARTITIONS, Process, Room, Stack, Topic, call, date_of, eventually, eventually_for,
    no_month_ends_meanwhile, position_of,
};
use tokio::task::block_in_place;
use warehouse::calendar::{self, Tz};

const ORG: &str = "acme";
const ZONE: Tz = Tz::Europe__Berlin;
/// Calls of last month and of this one before anything is late.
const CALLS: u64 = 40;
/// Late calls with a worker, and without.
const LATE: u64 = 3;
/// A call counts within a second, which is judged where `LATE_MS` asks for it; a test that everybody runs allows a busy
/// machine more.
const PATIENCE: Duration = Duration::from_secs(20);

/// How far an answer goes.
#[derive(Debug, PartialEq, Eq)]
struct Mark {
    calls: u64,
    position: u64,
    /// Everything the broker took before this instant is counted.
    through_ms: i64,
}

/// The system with one organisation.
struct System {
    room: Room,
    _api: Api,
    client: Client,
}

impl System {
    /// Without a rollup worker.
    async fn start(test: &str, settings: &[(&str, &str)]) -> (Self, Process) {
        let stack = Stack::shared();
        let room = Room::new(&stack, test).await;
        let ingest = room.start("ingest", &[]).await;
        room.tell_directory(&[(ORG, ZONE.name())], &[]).await;
        let api = Api::with(&stack, &room, &[ORG.to_owned()], settings).await;
        let client = Client::new(&api.address, &api.token);
        (Self { room, _api: api, client }, ingest)
    }

    async fn json(&self, resource: &str) -> Value {
        self.client.json(&format!("/v1/orgs/{ORG}/{resource}")).await.expect("an answer")
    }

    /// Publishes a call of last month by a member of its own, of so many credits. Returns how long after its
    /// acknowledgement last month's totals had it, in every answer of one snapshot.
    async fn is_late(&self, at_ms: i64, credits: u64, before: u64) -> Duration {
        let member = format!("late-{credits}");
        let late = call().org(ORG).member(&member).at_ms(at_ms).credits(&credits.to_string()).build();
        self.room.publish_calls([&late]).await;
        let acknowledged = Instant::now();
        let said = eventually_for(PATIENCE, "a late call to be counted", async || {
            let said = self.json("breakdowns?range=last_month").await;
            let calls = said["totals"]["calls"].as_u64().unwrap();
            assert!(calls == before || calls == before + 1, "{said}");
            if calls > before { Ok(said) } else { Err(said) }
        })
        .await;
        let took = acknowledged.elapsed();
        let as_of = said["as_of"].as_str().unwrap();
        let by_member = said["by_member"].as_array().unwrap();
        let theirs = by_member.iter().find(|row| row["member_id"] == member).expect("the late member");
        assert_eq!(theirs["credits"], credits.to_string());
        let cards = self.json(&format!("summary?as_of={as_of}")).await;
        assert_eq!(cards["last_month"]["credits"], said["totals"]["credits"]);
        let log = self.json(&format!("calls?range=last_month&member={member}&as_of={as_of}")).await;
        assert_eq!(log["calls"][0]["event_id"], late.event_id.to_string());
        took
    }

    /// Waits until a month's row has so many calls.
    async fn month_is_computed(&self, calls: u64) {
        eventually("last month's row", async || {
            let query = self.room.warehouse().read("SELECT sum(calls) FROM usage_monthly FINAL");
            let found: u64 = self.room.warehouse().fetch_one("looking", query).await.unwrap();
            if found == calls { Ok(()) } else { Err(format!("{found} calls")) }
        })
        .await;
    }

    /// The banner of a page, if it has one, as people read it.
    async fn banner(&self, page: &str) -> Option<String> {
        let html = self.client.text(&format!("/orgs/{ORG}/settings/{page}")).await.expect("a page");
        let said = html.split("class=\"banner\"").nth(1)?.split("<span>").nth(1)?;
        said.split("</span>").next().map(str::to_owned)
    }

    /// Waits until no page has a banner.
    async fn no_banner(&self) {
        eventually("pages without a banner", async || {
            match (self.banner("audit").await, self.banner("usage").await) {
                (None, None) => Ok(()),
                banners => Err(format!("{banners:?}")),
            }
        })
        .await;
    }

    /// Publishes calls of now; returns when the broker took them.
    async fn publish(&self, count: usize) {
        let calls: Vec<_> = (0..count).map(|_| call().org(ORG).build()).collect();
        self.room.publish_calls(&calls).await;
    }

    /// What the totals of a fresh snapshot say.
    async fn mark(&self) -> Mark {
        let said = self.json("breakdowns?range=last_30_days").await;
        let through = said["complete_through"].as_str().map(|text| text.parse::<DateTime<Utc>>().unwrap());
        Mark {
            calls: said["totals"]["calls"].as_u64().unwrap(),
            position: position_of(&said),
            through_ms: through.map_or(0, |instant| instant.timestamp_millis()),
        }
    }

    /// When the broker took each call.
    fn appended_ms(&self) -> Vec<i64> {
        let mut appended_ms = Vec::new();
        let mut topic = Topic::new(self.room.brokers(), self.room.topic("calls"), PARTITIONS);
        topic.read_on(|letter| appended_ms.push(letter.appended_at_ms)).expect("the calls can be read");
        appended_ms
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_late_call_is_in_its_closed_months_totals_with_and_without_a_rollup_worker() {
    no_month_ends_meanwhile().await;
    let (system, _ingest) = System::start("late", &[]).await;
    let mut rollup = system.room.start("rollup", &[("WORKER_STEP_INTERVAL", "100ms")]).await;
    let now_ms = service::clock::now_ms();
    let first = calendar::first_of_previous_month(date_of(ZONE, now_ms));
    let month = calendar::month(ZONE, first);
    let (from_ms, span_ms) = (month.starts_at * 1000, (month.ends_at - month.starts_at) * 1000);
    let at_ms = |n: u64, of: u64| from_ms + span_ms * n as i64 / of as i64;
    let mut calls: Vec<_> =
        (0..CALLS).map(|n| call().org(ORG).at_ms(at_ms(n, CALLS)).credits("0.25").build()).collect();
    calls.extend((0..CALLS).map(|n| call().org(ORG).at_ms(now_ms - n as i64).build()));
    system.room.publish_calls(&calls).await;
    system.month_is_computed(CALLS).await;

    let mut visible = [Duration::ZERO; 2];
    let mut counted = CALLS;
    for (runs, visible) in [true, false].into_iter().zip(&mut visible) {
        if !runs {
            rollup.kill();
        }
        for _ in 0..LATE {
            // In quarter hours without any other call.
            let took = system.is_late(at_ms(counted, 97) + 1, counted, counted).await;
            *visible = took.max(*visible);
            counted += 1;
            if runs {
                // So that the next one meets a row that was true until then.
                system.month_is_computed(counted).await;
            }
        }
    }
    println!(
        "a late call was in its month at most {} ms after its acknowledgement, {} ms without a rollup worker",
        visible[0].as_millis(),
        visible[1].as_millis()
    );
    if let Some(limit) = std::env::var("LATE_MS").ok().and_then(|text| text.parse().ok()) {
        assert!(visible.iter().all(|took| *took <= Duration::from_millis(limit)), "{visible:?}");
    }
    let query = system.room.warehouse().read("SELECT sum(calls) FROM usage_monthly FINAL");
    let computed: u64 = system.room.warehouse().fetch_one("looking", query).await.unwrap();
    assert_eq!(computed, CALLS + LATE, "a killed worker computes nothing");
}

#[tokio::test(flavor = "multi_thread")]
async fn while_ingest_stands_the_mark_stands_and_the_pages_say_so() {
    let (system, mut ingest) = System::start("mark", &[("PAGES_BEHIND_AFTER", "2s")]).await;
    system.publish(5).await;
    eventually("five calls", async || {
        let mark = system.mark().await;
        if mark.calls == 5 { Ok(()) } else { Err(format!("{mark:?}")) }
    })
    .await;
    system.no_banner().await;

    assert!(ingest.stop().success(), "{:?}", ingest.log());
    let stood = system.mark().await;
    system.publish(7).await;
    for page in ["audit", "usage"] {
        let banner = eventually("a banner", async || {
            assert_eq!(system.mark().await, stood, "nobody can know more");
            system.banner(page).await.ok_or("none")
        })
        .await;
        let time = calendar::wall_clock(ZONE, stood.through_ms / 1000).format("%H:%M:%S");
        // In an hour that comes twice its offset stands there, too.
        let banner = banner.replace(" +01:00", "").replace(" +02:00", "");
        let rest = banner.strip_prefix(&format!("Data is complete through {time}, ")).expect(&banner);
        let (age, rest) = rest.split_once(" seconds behind").expect(&banner);
        assert_eq!(rest, ". Newer calls are not in these numbers yet.");
        let age_ms = service::clock::now_ms() - stood.through_ms;
        assert!((2..=age_ms / 1000).contains(&age.parse().unwrap()), "{banner}, and it is {age_ms} ms");
    }
    assert_eq!(system.mark().await, stood);

    let appended_ms = block_in_place(|| system.appended_ms());
    let _ingest = system.room.start("ingest", &[]).await;
    eventually("all to be counted", async || {
        let mark = system.mark().await;
        let promised = appended_ms.iter().filter(|appended_ms| **appended_ms < mark.through_ms).count();
        assert!(promised as u64 <= mark.calls, "{mark:?} leaves some of {appended_ms:?} out");
        if mark.calls == 12 && promised == 12 { Ok(()) } else { Err(format!("{mark:?}")) }
    })
    .await;
    system.no_banner().await;
}
