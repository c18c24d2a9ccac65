//! A loss of power takes nothing that was acknowledged: each table of the warehouse is made to sync what is inserted.
//! That the engine does so then is `deploy/local/engine/tests/it/durability.rs`'s to show.

use std::collections::BTreeSet;
use system_tests::{Room, Stack};

#[tokio::test]
async fn every_table_syncs_an_insert_before_it_is_acknowledged() {
    let room = Room::new(&Stack::shared(), "fsync").await;
    let query = room.warehouse().read(
        "SELECT name, engine, engine_full FROM system.tables WHERE database = currentDatabase() ORDER BY name",
    );
    let tables: Vec<(String, String, String)> = room.warehouse().fetch_all("testing", query).await.unwrap();
    let names: BTreeSet<&str> = tables.iter().map(|(name, ..)| name.as_str()).collect();
    for table in ["ai_calls", "touches", "batches", "sources", "usage_quarter_hourly", "rollup_progress"] {
        assert!(names.contains(table), "{table} is not among {names:?}");
    }
    for (name, engine, definition) in &tables {
        // A table of another engine may keep what it was given in memory.
        assert!(engine.ends_with("MergeTree"), "{name}: {engine}");
        for setting in ["fsync_after_insert = 1", "fsync_part_directory = 1"] {
            assert!(definition.contains(setting), "{name} lacks {setting}: {definition}");
        }
    }
}
