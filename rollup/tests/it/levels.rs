//! Rows of all levels against the model.

use crate::world::World;
use proto::{Call, EventId};
use rand::RngExt;
use rand::rngs::StdRng;
use std::collections::BTreeMap;
use system_tests::{call, seeded};
use warehouse::calendar::Tz;

const HOUR_MS: i64 = 3_600_000;

/// Random calls around an instant: few members, models and instants, so that cells and identities meet.
pub fn random_calls(random: &mut StdRng, count: usize, until_ms: i64, span_ms: i64) -> Vec<Call> {
    let mut calls: Vec<Call> = Vec::new();
    while calls.len() < count {
        let repeats = !calls.is_empty() && random.random_bool(0.2);
        let mut builder = if repeats {
            // A repeat; or, with other content, a conflict.
            let earlier = &calls[random.random_range(0..calls.len())];
            if random.random_bool(0.5) {
                calls.push(earlier.clone());
                continue;
            }
            call().org(earlier.org_id.as_str()).id(earlier.event_id)
        } else {
            let at_ms = until_ms - random.random_range(0..span_ms);
            let org = ["acme", "globex", "initech", "umbrella"][random.random_range(0..4)];
            call().org(org).id(EventId::from_parts(at_ms, random.random()))
        };
        builder = builder
            .member(["ada", "bob", "cyd", "dörte"][random.random_range(0..4)])
            .reason(["chat", "generate_field"][random.random_range(0..2)])
            .model(
                ["openai", "anthropic"][random.random_range(0..2)],
                ["m1", "m2", "m3"][random.random_range(0..3)],
            )
            .tokens(random.random_range(0..5000), random.random_range(0..900))
            .credits(["0", "1", "0.000000000001", "12.5"][random.random_range(0..4)]);
        if random.random_bool(0.3) {
            builder = builder.byok(
                ["0.0004", "3.000000000007"][random.random_range(0..2)],
                ["EUR", "USD"][random.random_range(0..2)],
            );
        }
        calls.push(builder.build());
    }
    calls
}

#[tokio::test]
async fn passed_buckets_of_all_levels_hold_what_the_model_says() {
    let mut random = seeded("levels");
    let mut world = World::new("rollup_levels", 3).await;
    let zones: BTreeMap<String, Tz> = [
        ("acme", Tz::UTC),
        ("globex", Tz::Asia__Kathmandu),
        ("initech", Tz::Europe__Berlin),
        ("umbrella", Tz::America__Havana),
    ]
    .map(|(org_id, zone)| (org_id.to_owned(), zone))
    .into();
    for (org_id, zone) in &zones {
        world.set_zone(org_id, zone.name()).await;
    }
    // Three months that hold both changes of the clocks.
    let mut now_ms = 1_774_000_000_000;
    let mut worker = world.worker();
    for round in 0..4 {
        let span_ms = if round % 2 == 0 { 95 * 24 * HOUR_MS } else { 30 * HOUR_MS };
        let calls = random_calls(&mut random, 400, now_ms, span_ms);
        let (early, late) = calls.split_at(150);
        world.append(early, now_ms).await;
        world.append(late, now_ms + 1).await;
        // A re-delivery: the same messages at the same positions.
        let again = world.messages.len() - random.random_range(1..100);
        world.write(&world.messages[again..], now_ms + 5).await;
        world.settle(&mut worker).await;
        world.assert_complete(&zones, now_ms - 2_000).await;
        now_ms += 220 * 24 * HOUR_MS / 4;
    }
}
