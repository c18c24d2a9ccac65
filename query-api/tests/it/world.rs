//! A ledger of a test's own, written as ingest would write it, and everything that was ever written to it.

use rollup::{Step, Worker, WorkerSettings};
use service::settings::DurationSetting;
use service::shutdown::Shutdown;
use std::ops::{Deref, DerefMut};
use system_tests::{Ledger, Room, Stack, no_month_ends_meanwhile};
use warehouse::{MemberRow, OrganisationRow};

const PARTITIONS: u16 = 3;

/// A ledger, and what the directory told of it.
pub struct World {
    ledger: Ledger,
    pub members: Vec<MemberRow>,
    directory_position: u64,
}

impl Deref for World {
    type Target = Ledger;

    fn deref(&self) -> &Ledger {
        &self.ledger
    }
}

impl DerefMut for World {
    fn deref_mut(&mut self) -> &mut Ledger {
        &mut self.ledger
    }
}

impl World {
    pub async fn new(test: &str) -> Self {
        no_month_ends_meanwhile().await;
        let room = Room::new(&Stack::shared(), test).await;
        let ledger = Ledger::new(room, PARTITIONS).await;
        Self { ledger, members: Vec::new(), directory_position: 0 }
    }

    /// Tells an organisation's names and zone.
    pub async fn organisation(&mut self, org_id: &str, zone: &str) {
        self.directory_position += 1;
        let row = OrganisationRow {
            org_id: org_id.into(),
            position: self.directory_position,
            short_name: format!("{org_id}-short"),
            display_name: format!("{org_id} Ltd"),
            time_zone: zone.into(),
        };
        self.warehouse().insert_rows("naming", "organisations", &[row]).await.unwrap();
    }

    /// Tells a member's name.
    pub async fn member(&mut self, org_id: &str, member_id: &str, name: &str, removed: bool) {
        self.directory_position += 1;
        let row = MemberRow {
            org_id: org_id.into(),
            member_id: member_id.into(),
            position: self.directory_position,
            name: name.into(),
            email: format!("{member_id}@{org_id}.example"),
            removed,
        };
        self.warehouse().insert_rows("naming", "members", std::slice::from_ref(&row)).await.unwrap();
        self.members.retain(|known| (known.org_id.as_str(), known.member_id.as_str()) != (org_id, member_id));
        self.members.push(row);
    }

    /// A rollup worker of this ledger.
    pub fn worker(&self) -> Worker {
        let settings = WorkerSettings {
            index: 0,
            count: 1,
            step_interval: DurationSetting::from_millis(10),
            grace: DurationSetting::from_secs(2),
            rows_per_statement: 1_000_000,
            buckets_per_statement: 2_000,
        };
        Worker::new(self.warehouse().clone(), settings, Shutdown::new())
    }

    /// Lets a worker step until nothing is left to do.
    pub async fn settle(&self, worker: &mut Worker) {
        let mut idle = 0;
        while idle < 2 {
            // A bucket is due one look after its last touch was seen.
            idle = if worker.step().await.unwrap() == Step::Idle { idle + 1 } else { 0 };
        }
    }
}
