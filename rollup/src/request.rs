//! Buckets as the parameters of a statement.

use crate::frontier::Frontiers;
use crate::level::{Level, days_of};
use crate::organisations::Organisations;
use crate::worklist::Bucket;
use clickhouse::query::Query;

/// The buckets one statement is about, as arrays: each organisation once, and buckets by their organisation's number,
/// from 1. Sorted, so that the engine reads along its keys.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Request {
    orgs: Vec<String>,
    throughs: Vec<u64>,
    bucket_orgs: Vec<u64>,
    bucket_starts: Vec<u32>,
    bucket_ends: Vec<u32>,
    days: Option<Days>,
}

/// The days of the months that are asked for; a month by its number, from 1.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Days {
    months: Vec<u64>,
    starts: Vec<u32>,
    ends: Vec<u32>,
}

impl Request {
    /// Buckets of one level, each to be cut at the frontier of its organisation's partition.
    pub fn new(
        level: Level,
        buckets: &[Bucket],
        organisations: &Organisations,
        frontiers: &Frontiers,
    ) -> Self {
        let mut sorted: Vec<(&str, Bucket)> =
            buckets.iter().map(|bucket| (organisations.id(bucket.org), *bucket)).collect();
        sorted.sort_unstable_by_key(|(org_id, bucket)| (*org_id, bucket.interval));
        let mut request = Self::default();
        for (org_id, bucket) in &sorted {
            if request.orgs.last().is_none_or(|last| last != org_id) {
                request.orgs.push((*org_id).to_owned());
                let partition = organisations.partition(bucket.org, frontiers.count());
                request.throughs.push(frontiers.partitions[partition].at.as_u64());
            }
            request.bucket_orgs.push(request.orgs.len() as u64);
            request.bucket_starts.push(seconds(bucket.interval.starts_at));
            request.bucket_ends.push(seconds(bucket.interval.ends_at));
        }
        if level == Level::Month {
            let mut days = Days::default();
            for (index, (_, bucket)) in sorted.iter().enumerate() {
                for day in days_of(organisations.zone(bucket.org), bucket.interval) {
                    days.months.push(index as u64 + 1);
                    days.starts.push(seconds(day.starts_at));
                    days.ends.push(seconds(day.ends_at));
                }
            }
            request.days = Some(days);
        }
        request
    }

    /// Sets the parameters of a statement. One that does not use some of them does not mind.
    pub fn bind(&self, query: Query) -> Query {
        let query = query
            .param("orgs", &self.orgs)
            .param("throughs", &self.throughs)
            .param("bucket_orgs", &self.bucket_orgs)
            .param("bucket_starts", &self.bucket_starts)
            .param("bucket_ends", &self.bucket_ends);
        match &self.days {
            Some(days) => query
                .param("day_buckets", &days.months)
                .param("day_starts", &days.starts)
                .param("day_ends", &days.ends),
            None => query,
        }
    }
}

/// Rollup tables count in 32-bit seconds, to the year 2106; the ledger's window keeps calls far inside.
fn seconds(unix_seconds: i64) -> u32 {
    unix_seconds.clamp(0, i64::from(u32::MAX)) as u32
}
