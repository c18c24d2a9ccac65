//! Messages that told again of a call are counted in the worker's metrics, each once.

use crate::world::World;
use proto::{Call, EventId};
use system_tests::{Process, call, eventually, http_get};

const NOW_MS: i64 = 1_774_000_000_000;

/// Repeats and conflicts, as the worker's metrics have them.
async fn counted(worker: &Process) -> [u64; 2] {
    let url = format!("http://{}/metrics", worker.ops_address().await);
    let text = http_get(url).await.unwrap().text().await.unwrap();
    ["repeat", "conflict"].map(|kind| {
        let name = format!("rollup_told_again_total{{kind=\"{kind}\"}} ");
        // The series are there from the start.
        let value = text.lines().find_map(|line| line.strip_prefix(&name)).unwrap();
        value.parse().unwrap()
    })
}

async fn counts(worker: &Process, wanted: [u64; 2]) {
    eventually(&format!("{wanted:?} repeats and conflicts"), async || {
        let found = counted(worker).await;
        if found == wanted { Ok(()) } else { Err(format!("{found:?}")) }
    })
    .await;
}

#[tokio::test]
async fn repeats_and_conflicts_are_counted_once_each_by_the_worker_that_computes_their_quarter_hour() {
    let mut world = World::new("rollup_told_again", 2).await;
    let at = |org: &str, id: u8, credits: &str| -> Call {
        call().org(org).id(EventId::from_parts(NOW_MS, [id; 10])).credits(credits).build()
    };
    // Of the first call of Acme a repeat and two conflicts, which agree with each other; of Globex's one a repeat.
    let first = [at("acme", 1, "1"), at("acme", 2, "1"), at("globex", 1, "3")];
    let again = [at("acme", 1, "1"), at("acme", 1, "2"), at("acme", 1, "2"), at("globex", 1, "3")];
    world.append(&first, NOW_MS).await;
    world.append(&again, NOW_MS + 1_000).await;
    // Written twice as a worker does that was killed before its batch row: the same messages.
    world.write(&world.messages.clone(), NOW_MS + 1_000).await;
    // An hour later, so that the quarter hour has passed.
    world.append(&[call().org("acme").at_ms(NOW_MS + 3_600_000).build()], NOW_MS + 3_600_000).await;
    world.append(&[call().org("globex").at_ms(NOW_MS + 3_600_000).build()], NOW_MS + 3_600_000).await;
    let mut worker = world.room.start("rollup", &[("WORKER_STEP_INTERVAL", "50ms")]).await;
    counts(&worker, [2, 2]).await;

    // The quarter hour is computed anew: only what is new in it counts.
    let late = [at("acme", 3, "5"), at("acme", 2, "1"), at("acme", 3, "6")];
    world.append(&late, NOW_MS + 3_600_500).await;
    counts(&worker, [3, 3]).await;
    assert!(worker.stop().success());
}
