//! The periods of answers at random instants in random zones, most of them near a change of the clocks.

use super::ODD;
use super::wall::{self, Span, Wall};
use crate::api::Api;
use chrono::{DateTime, NaiveDate, Utc};
use proto::Position;
use query_api::as_of::AsOf;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{RngExt, SeedableRng};
use serde_json::Value;
use system_tests::{Client, Room, Stack, call, position_of};
use warehouse::calendar::{Tz, wall_clock};

const CASES: usize = 300;
const HOUR_MS: i64 = 3_600_000;
const DAY_MS: i64 = 24 * HOUR_MS;
/// 2000-04-20 to 2037-10-10: an `as_of` begins in 2000, and three months before it are looked at.
const INSTANTS_MS: std::ops::Range<i64> = 956_188_800_000..2_138_745_600_000;

/// Whether a zone's clocks jump in the middle of a quarter hour, of all that [`Wall`] looks at around an instant: at 00:01,
/// as St John's did until 2011. `Wall` knows what they show at quarter hours.
fn jumps_within_a_quarter(zone: Tz, ms: i64) -> bool {
    const QUARTER: i64 = 900;
    let offset = |seconds: i64| wall_clock(zone, seconds).and_utc().timestamp() - seconds;
    let hours =
        (wall::FROM_MS..wall::TO_MS).step_by(HOUR_MS as usize).map(|away| (ms + away) / HOUR_MS * 3_600);
    let changed = hours.filter(|hour| offset(*hour) != offset(hour + 3_600));
    let mut quarters = changed.flat_map(|hour| (hour..hour + 3_600).step_by(QUARTER as usize));
    quarters.any(|quarter| offset(quarter) != offset(quarter + QUARTER - 1))
}

/// A zone and an instant. Of three instants one is anywhere, one close to a change of the zone's clocks, and one about a
/// month after a change, when "the same time last month" comes twice or not at all.
fn case(zones: &[Tz], dice: &mut StdRng) -> (Tz, i64) {
    let odd = ODD.choose(dice).and_then(|name| name.parse::<Tz>().ok()).filter(|_| dice.random_bool(0.4));
    let zone = odd.unwrap_or_else(|| *zones.choose(dice).expect("zones"));
    let anywhere = dice.random_range(INSTANTS_MS);
    let offset = |ms: i64| wall_clock(zone, ms / 1000).and_utc().timestamp() - ms / 1000;
    let changes = (0..8_800).map(|hour| anywhere / HOUR_MS * HOUR_MS + hour * HOUR_MS);
    let changes = changes.filter(|ms| offset(*ms) != offset(*ms - HOUR_MS)).collect::<Vec<_>>();
    let near_ms = dice.random_range(-26 * HOUR_MS..26 * HOUR_MS);
    let ms = match (changes.choose(dice), dice.random_range(0..3)) {
        (None, _) | (_, 0) => anywhere,
        (Some(change), 1) => change + near_ms,
        // About the same time of day as the change.
        (Some(change), _) => change + dice.random_range(28..32) * DAY_MS + near_ms / 9,
    };
    (zone, ms)
}

fn ms(said: &Value) -> i64 {
    said.as_str().and_then(|text| text.parse::<DateTime<Utc>>().ok()).expect("an instant").timestamp_millis()
}

/// A period as an answer names it.
pub fn said(period: &Value) -> (NaiveDate, NaiveDate, Span) {
    let date = |field: &str| period[field].as_str().and_then(|text| text.parse().ok()).expect("a date");
    (date("since"), date("until"), (ms(&period["from"]), ms(&period["to"])))
}

/// Compares the three periods of the cards.
///
/// # Errors
/// What differs.
pub fn compare(wall: &Wall, summary: &Value) -> Result<(), String> {
    let month = |before| {
        let (since, until) = wall.month(before);
        (since, until, wall.days(since, until))
    };
    let (until, span) = wall.same_days();
    for (field, expected) in [
        ("this_month", month(0)),
        ("last_month", month(1)),
        ("same_days_of_last_month", (month(1).0, until, span)),
    ] {
        let said = said(&summary[field]);
        if said != expected {
            return Err(format!("{} {field}: {said:?} instead of {expected:?}", summary["as_of"]));
        }
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn months_and_the_same_days_of_the_last_are_those_of_the_engines_clocks_at_any_instant() {
    let seed =
        std::env::var("CALENDAR_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or_else(rand::random);
    println!("again: CALENDAR_SEED={seed}");
    let mut dice = StdRng::seed_from_u64(seed);
    let stack = Stack::shared();
    let room = Room::new(&stack, "periods").await;
    let _ingest = room.start("ingest", &[]).await;
    room.publish_calls([&call().build()]).await;
    room.ledger_holds(1).await;
    let api = Api::start(&stack, &room, &["acme".to_owned()]).await;
    let client = Client::new(&api.address, &api.token);
    let at = position_of(&client.json("/v1/orgs/acme/summary").await.unwrap());
    let query = room.reader().read("SELECT time_zone FROM system.time_zones");
    let known: Vec<String> = room.reader().fetch_all("asking for zones", query).await.unwrap();
    let zones: Vec<Tz> = known.iter().filter_map(|name| name.parse::<Tz>().ok()).collect();
    assert!(zones.len() > 500, "the engine knows {} zones", zones.len());

    let mut wrong = Vec::new();
    for _ in 0..CASES {
        let (zone, now_ms) = std::iter::repeat_with(|| case(&zones, &mut dice))
            .find(|(zone, ms)| !jumps_within_a_quarter(*zone, *ms))
            .expect("without end");
        let wall = Wall::of(&room, zone.name(), now_ms).await;
        let as_of = AsOf::new("acme", Position::from_u64(at), now_ms, zone);
        let summary = client.json(&format!("/v1/orgs/acme/summary?as_of={as_of}")).await.unwrap();
        wrong.extend(compare(&wall, &summary).err());
    }
    assert!(wrong.is_empty(), "{} of {CASES}:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn a_clock_that_jumps_in_the_middle_of_a_quarter_hour_is_seen() {
    // In the night of 9 March 2008 St John's went from 00:01 to 01:01; Berlin's clocks changed within this time, too.
    let ms = 1_207_708_662_230;
    assert!(jumps_within_a_quarter(Tz::America__St_Johns, ms));
    assert!(!jumps_within_a_quarter(Tz::Europe__Berlin, ms));
}
