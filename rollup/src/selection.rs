//! What a command is about: some organisations, some days, or everything.

use anyhow::bail;
use chrono::{Days, NaiveDate, NaiveTime};
use warehouse::calendar::Interval;

/// The selection that `rebuild` and `verify` share.
#[derive(Clone, Debug, Default, PartialEq, Eq, clap::Args)]
pub struct Selection {
    /// Only this organisation; can be given several times
    #[arg(long = "org", value_name = "ORG")]
    pub orgs: Vec<String>,
    /// Only from the start of this day (UTC) on
    #[arg(long, value_name = "DATE")]
    pub since: Option<NaiveDate>,
    /// Only up to the end of this day (UTC)
    #[arg(long, value_name = "DATE")]
    pub until: Option<NaiveDate>,
}

impl Selection {
    /// Whether nothing is left out.
    pub fn is_everything(&self) -> bool {
        *self == Self::default()
    }

    /// Refuses what can only select nothing: a clean report about nothing would look like a proof. `counts` has the
    /// organisations that have calls.
    ///
    /// # Errors
    /// An organisation without calls, or days that end before they begin.
    pub fn refuse_nothing(&self, counts: &[(String, u64)]) -> anyhow::Result<()> {
        if let (Some(since), Some(until)) = (self.since, self.until)
            && until < since
        {
            bail!("--since {since} is after --until {until}: no day is selected");
        }
        if let Some(unknown) = self.orgs.iter().find(|org| !counts.iter().any(|(org_id, _)| org_id == *org)) {
            bail!("organisation `{unknown}` has no calls; check its spelling");
        }
        Ok(())
    }

    /// The time selected, `[from, to)` in Unix seconds.
    pub fn span(&self) -> (i64, i64) {
        let start = |date: NaiveDate| date.and_time(NaiveTime::MIN).and_utc().timestamp();
        let since = self.since.map_or(0, start);
        let until = self.until.map_or(i64::from(u32::MAX), |date| start(date + Days::new(1)));
        (since, until)
    }

    /// Whether an interval lies wholly inside.
    pub fn holds(&self, interval: Interval) -> bool {
        let (since, until) = self.span();
        since <= interval.starts_at && interval.ends_at <= until
    }

    /// Whether an interval has any time inside.
    pub fn meets(&self, interval: Interval) -> bool {
        let (since, until) = self.span();
        since < interval.ends_at && interval.starts_at < until
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_can_only_select_nothing_is_refused() {
        let counts = [("acme".to_owned(), 1)];
        let one_day = Selection {
            orgs: vec!["acme".into()],
            since: "2026-03-01".parse().ok(),
            until: "2026-03-01".parse().ok(),
        };
        assert!(one_day.refuse_nothing(&counts).is_ok());
        let backwards = Selection { until: "2026-02-28".parse().ok(), ..one_day.clone() };
        let error = backwards.refuse_nothing(&counts).unwrap_err();
        assert_eq!(error.to_string(), "--since 2026-03-01 is after --until 2026-02-28: no day is selected");
        let error = one_day.refuse_nothing(&[]).unwrap_err();
        assert_eq!(error.to_string(), "organisation `acme` has no calls; check its spelling");
    }

    #[test]
    fn both_days_belong_to_the_selection() {
        let selection = Selection {
            since: "2026-03-01".parse().ok(),
            until: "2026-03-02".parse().ok(),
            ..Selection::default()
        };
        let day = 86_400;
        let start = selection.span().0;
        assert_eq!(selection.span(), (start, start + 2 * day));
        let holds = |starts_at, ends_at| selection.holds(Interval { starts_at, ends_at });
        let meets = |starts_at, ends_at| selection.meets(Interval { starts_at, ends_at });
        assert!(
            holds(start, start + 2 * day)
                && !holds(start - 1, start + 5)
                && !holds(start, start + 2 * day + 1)
        );
        assert!(
            meets(start - 1, start + 1)
                && !meets(start - 1, start)
                && !meets(start + 2 * day, start + 3 * day)
        );
    }
}
