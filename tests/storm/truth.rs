//! What is true: computed in the plainest way from what the topic holds, with nothing that the services use to get
//! there.

use crate::flow::{Flow, ORGS, Poison};
use chrono::NaiveDate;
use chrono_tz::Tz;
use proto::topics::headers;
use proto::wire::AiCall;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::hash::{Hash, Hasher};
use system_tests::{AppendTimes, FirstWrites, Letter, PARTITIONS, Sums, Told, Winner, date_of};

/// The number of the only source of calls.
const SOURCE: u64 = 1;

/// Everything that follows from the topic.
#[derive(Default)]
pub struct Truth {
    /// The calls that count.
    pub calls: FirstWrites,
    /// Where each poisonous message lies, by partition and offset.
    pub poison: BTreeMap<(i32, i64), Poison>,
    /// Where each misrouted call lies.
    pub misrouted: BTreeSet<(i32, i64)>,
    /// Where those lie that were sent on.
    pub sent_on: BTreeSet<(i32, i64)>,
    /// Messages in the partition of their organisation: what must be ledger rows, by partition.
    pub rows: BTreeMap<i32, u64>,
    /// Later messages of calls, by organisation and place: each a repeat or a conflict.
    pub later: BTreeMap<String, BTreeMap<(i32, i64), Told>>,
    /// How many messages in the partition of their organisation say the same, by [`imprint`].
    pub told: HashMap<u64, u64>,
    /// When the broker took each message.
    pub appended: AppendTimes,
    /// Every key of a poisonous message.
    pub poison_keys: HashSet<String>,
}

impl Truth {
    /// Takes note of the next message of the calls topic.
    ///
    /// # Panics
    /// If it is none that the copilots or ingest can have published.
    pub fn note(&mut self, flow: &Flow, letter: Letter) {
        let place = (letter.partition, letter.offset);
        self.appended.note(&letter);
        if let Some(poison) = flow.poison_of_key(&letter.key) {
            assert_eq!(letter.payload, poison.payload, "the payload of {}", letter.key);
            self.poison_keys.insert(letter.key);
            self.poison.insert(place, poison);
            return;
        }
        let payload = letter.payload.expect("a call has a payload");
        let call = <AiCall as prost::Message>::decode(payload.as_slice()).expect("a call is one");
        if let Some(partition) = letter.headers.get(headers::ORIGIN_PARTITION) {
            let offset = &letter.headers[headers::ORIGIN_OFFSET];
            self.sent_on.insert((partition.parse().expect("a number"), offset.parse().expect("a number")));
        }
        let home = proto::partition_of(call.org_id.as_bytes(), PARTITIONS) as i32;
        if letter.partition != home {
            self.misrouted.insert(place);
            return;
        }
        *self.rows.entry(home).or_default() += 1;
        *self.told.entry(imprint(&payload)).or_default() += 1;
        let org = call.org_id.clone();
        let told = self.calls.note(call, SOURCE << 48 | (letter.offset as u64 + 1));
        if told != Told::First {
            self.later.entry(org).or_default().insert(place, told);
        }
    }

    /// Makes questions cheap; after the last note.
    pub fn settle(&mut self) {
        self.calls.settle();
    }

    /// Calls that count of an organisation, in the order of their time.
    pub fn winners(&self, org: &str) -> &[Winner] {
        self.calls.of(org)
    }

    /// Sums of an organisation's calls in `[from_ms, to_ms)` as they are known at a position.
    pub fn sums(&self, org: &str, (from_ms, to_ms): (i64, i64), at: u64) -> Sums {
        let mut sums = Sums::default();
        self.inside(org, (from_ms, to_ms), at).for_each(|winner| sums.add(&winner.call));
        sums
    }

    /// An organisation's calls in `[from_ms, to_ms)` as they are known at a position, in the order of their time.
    pub fn inside(
        &self,
        org: &str,
        (from_ms, to_ms): (i64, i64),
        at: u64,
    ) -> impl Iterator<Item = &Winner> + use<'_> {
        let winners = self.winners(org);
        let first = winners.partition_point(|winner| winner.at_ms < from_ms);
        let inside = winners[first..].iter().take_while(move |winner| winner.at_ms < to_ms);
        inside.filter(move |winner| winner.position <= at)
    }

    /// An organisation's calls from one day to another, both inclusive, as they are known at a position.
    pub fn of_days(&self, org: &str, days: (NaiveDate, NaiveDate), at: u64) -> impl Iterator<Item = &Winner> {
        let zone = zone_of(org);
        self.winners(org).iter().filter(move |winner| {
            winner.position <= at && (days.0..=days.1).contains(&date_of(zone, winner.at_ms))
        })
    }
}

/// What tells a message's bytes from those of every other one.
pub fn imprint(payload: &[u8]) -> u64 {
    let mut hasher = std::hash::DefaultHasher::new();
    payload.hash(&mut hasher);
    hasher.finish()
}

/// The zone of an organisation.
pub fn zone_of(org: &str) -> Tz {
    let zone = ORGS.iter().find(|(id, _)| *id == org).map_or("UTC", |(_, zone)| zone);
    zone.parse().expect("an IANA zone")
}
