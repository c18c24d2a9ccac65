//! Buckets as the parameters of a statement.

use crate::frontier::Frontiers;
use crate::organisations::Organisations;
use crate::worklist::Bucket;
use clickhouse::query::Query;
use proto::Position;
use warehouse::calendar::Interval;

/// Intervals of organisations, in the order of the tables' keys. Each organisation is named once; everything else says
/// its place among them, from 1.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Request {
    /// The organisations, sorted.
    pub orgs: Vec<String>,
    /// The position at which each is cut.
    pub throughs: Vec<Position>,
    /// The intervals, each with the place of its organisation; sorted.
    pub buckets: Vec<(u64, Interval)>,
}

impl Request {
    /// Buckets of any level, each to be cut at the frontier of its organisation's partition.
    pub fn new(buckets: &[Bucket], organisations: &Organisations, frontiers: &Frontiers) -> Self {
        let mut sorted: Vec<(&str, &Bucket)> =
            buckets.iter().map(|bucket| (organisations.id(bucket.org), bucket)).collect();
        sorted.sort_unstable_by_key(|(org_id, bucket)| (*org_id, bucket.interval));
        let mut request = Self::default();
        for (org_id, bucket) in sorted {
            if request.orgs.last().is_none_or(|last| last != org_id) {
                request.orgs.push(org_id.to_owned());
                let partition = organisations.partition(bucket.org, frontiers.count());
                request.throughs.push(frontiers.partitions[partition].at);
            }
            request.buckets.push((request.orgs.len() as u64, bucket.interval));
        }
        request
    }

    /// The same organisations with other intervals, which must be sorted.
    pub fn with_buckets(&self, buckets: impl IntoIterator<Item = (u64, Interval)>) -> Self {
        Self { buckets: buckets.into_iter().collect(), ..self.clone() }
    }

    /// The place of an organisation, from 1; `None` for one that was not asked for.
    pub fn place(&self, org_id: &str) -> Option<u64> {
        self.orgs.binary_search_by(|org| org.as_str().cmp(org_id)).ok().map(|index| index as u64 + 1)
    }

    /// The position at which the organisation at a place is cut.
    pub fn at(&self, place: u64) -> Position {
        self.throughs[place as usize - 1]
    }

    /// Sets the parameters of a statement. One that does not use some of them does not mind.
    pub fn bind(&self, query: Query) -> Query {
        let column = |of: fn(&(u64, Interval)) -> u64| -> Vec<u64> { self.buckets.iter().map(of).collect() };
        let throughs: Vec<u64> = self.throughs.iter().map(|through| through.as_u64()).collect();
        query
            .param("orgs", &self.orgs)
            .param("throughs", &throughs)
            .param("bucket_orgs", column(|(org, _)| *org))
            .param("bucket_starts", column(|(_, interval)| unix_seconds(interval.starts_at)))
            .param("bucket_ends", column(|(_, interval)| unix_seconds(interval.ends_at)))
    }
}

/// Which of sorted intervals that do not overlap holds an instant of an organisation.
pub fn containing(sorted: &[(u64, Interval)], org: u64, unix_seconds: i64) -> Option<usize> {
    let behind =
        sorted.partition_point(|(other, interval)| (*other, interval.starts_at) <= (org, unix_seconds));
    let index = behind.checked_sub(1)?;
    let (other, interval) = sorted[index];
    (other == org && unix_seconds < interval.ends_at).then_some(index)
}

/// Rollup tables count in 32-bit seconds, to the year 2106; the ledger's window keeps calls far inside.
pub fn unix_seconds(seconds: i64) -> u64 {
    seconds.clamp(0, i64::from(u32::MAX)) as u64
}
