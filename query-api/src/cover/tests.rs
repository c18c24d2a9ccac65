use super::*;
use chrono::DateTime;
use proptest::prelude::*;

fn ms(instant: &str) -> i64 {
    instant.parse::<DateTime<chrono::Utc>>().unwrap().timestamp_millis()
}

fn cut(zone: Tz, now: &str, from: &str, to: &str) -> Cover {
    let mut cover = Cover::default();
    let span = Span { from_ms: ms(from), to_ms: ms(to) };
    Cutter { zone, now_ms: ms(now) }.add(&mut cover, span, 7, Level::Month);
    cover
}

/// Every part of a cover, in order of time.
fn spans(cover: &Cover) -> Vec<Span> {
    let buckets = [&cover.months, &cover.days, &cover.quarters];
    let mut spans: Vec<Span> = buckets.into_iter().flatten().map(|bucket| bucket.interval.into()).collect();
    spans.extend(cover.pieces.iter().map(|piece| piece.span));
    spans.sort();
    spans
}

#[test]
fn a_passed_month_is_one_bucket() {
    let cover = cut(Tz::UTC, "2026-11-14T12:00:00Z", "2026-10-01T00:00:00Z", "2026-11-01T00:00:00Z");
    assert_eq!(
        (cover.months.len(), cover.days.len(), cover.quarters.len(), cover.pieces.len()),
        (1, 0, 0, 0)
    );
    assert_eq!(cover.months[0].slot, 7);
}

#[test]
fn the_running_month_is_days_and_the_running_day_quarter_hours_and_the_running_quarter_hour_the_ledger() {
    let cover = cut(Tz::UTC, "2026-11-14T12:05:00Z", "2026-11-01T00:00:00Z", "2026-12-01T00:00:00Z");
    // 13 days have passed and 16 are to come; of today 95 quarter hours have passed or are to come.
    assert_eq!(
        (cover.months.len(), cover.days.len(), cover.quarters.len(), cover.pieces.len()),
        (0, 29, 95, 1)
    );
    let running = Span { from_ms: ms("2026-11-14T12:00:00Z"), to_ms: ms("2026-11-14T12:15:00Z") };
    assert_eq!(cover.pieces, [Piece { span: running, slot: 7 }]);
}

#[test]
fn a_quarter_hour_that_has_only_just_ended_is_still_taken_from_the_ledger() {
    let cover = cut(Tz::UTC, "2026-11-14T12:15:05Z", "2026-11-14T00:00:00Z", "2026-11-15T00:00:00Z");
    assert_eq!(cover.pieces.len(), 2);
}

#[test]
fn ragged_edges_are_pieces_of_the_ledger() {
    let cover = cut(Tz::UTC, "2026-11-14T12:05:00Z", "2026-10-01T00:00:00Z", "2026-10-14T12:05:00.250Z");
    assert_eq!((cover.months.len(), cover.days.len(), cover.quarters.len()), (0, 13, 48));
    let edge = Span { from_ms: ms("2026-10-14T12:00:00Z"), to_ms: ms("2026-10-14T12:05:00.250Z") };
    assert_eq!(cover.pieces, [Piece { span: edge, slot: 7 }]);
}

proptest! {
    /// In every zone: the parts of a cover join to exactly the span, and so do the parts of each bucket.
    #[test]
    fn a_cover_is_its_span_without_gap_or_overlap(
        zone in 0..chrono_tz::TZ_VARIANTS.len(),
        from_ms in 946_684_800_000i64..1_900_000_000_000,
        length in 0i64..10_000_000_000,
        now_after in -20_000_000_000i64..20_000_000_000,
        coarsest in 0usize..3,
    ) {
        let zone = chrono_tz::TZ_VARIANTS[zone];
        let span = Span { from_ms, to_ms: from_ms + length };
        let cutter = Cutter { zone, now_ms: from_ms + now_after };
        let mut cover = Cover::default();
        cutter.add(&mut cover, span, 0, Level::ALL[coarsest]);
        joined(&spans(&cover), span)?;
        for level in Level::ALL {
            for bucket in cover.buckets(level) {
                prop_assert!(level <= Level::ALL[coarsest]);
                let mut below = Cover::default();
                cutter.split(&mut below, level, *bucket);
                joined(&spans(&below), bucket.interval.into())?;
            }
        }
    }
}

fn joined(parts: &[Span], whole: Span) -> Result<(), TestCaseError> {
    let mut reached = whole.from_ms;
    for part in parts {
        prop_assert_eq!(part.from_ms, reached);
        prop_assert!(!part.is_empty());
        reached = part.to_ms;
    }
    prop_assert_eq!(reached, whole.to_ms);
    Ok(())
}
