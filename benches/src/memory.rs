//! Claim: each service needs at most 256 MiB under full load. Measured during the other claims.

use crate::report::ratio;
use crate::row;

/// What a service may need, in KiB.
const LIMIT_KIB: u64 = 256 * 1024;

/// Most memory of each service, and its part of the limit.
pub fn table<'a>(peaks: impl IntoIterator<Item = &'a (String, u64)>) -> Vec<Vec<String>> {
    let mut rows = vec![row!["service", "most memory", "of 256 MiB"]];
    rows.extend(peaks.into_iter().map(|(name, kib)| {
        row![name, format!("{} MiB", kib / 1024), ratio(u128::from(*kib), u128::from(LIMIT_KIB))]
    }));
    rows
}
