//! Days and months against an independent implementation: the engine's own, with a time zone database of its own.

mod periods;
mod wall;
mod zone_change;

use chrono::NaiveDate;
use system_tests::{Room, Stack};
use warehouse::calendar::{self, Tz};

/// Zones with something odd about them: off the hour, half-hour summer time, changes at midnight, skipped dates,
/// offsets that were changed for good, summer time that stops for Ramadan.
const ODD: [&str; 14] = [
    "Asia/Kathmandu",
    "Australia/Lord_Howe",
    "Pacific/Chatham",
    "America/Sao_Paulo",
    "America/Havana",
    "Pacific/Apia",
    "Pacific/Kwajalein",
    "Africa/Casablanca",
    "Asia/Pyongyang",
    "America/Caracas",
    "Asia/Gaza",
    "Antarctica/Troll",
    "Europe/Dublin",
    "America/Scoresbysund",
];

/// Compares the start of every day and month whose date the engine shows at some quarter hour of these years.
async fn compare(room: &Room, zone: Tz, years: std::ops::Range<i32>) -> Result<usize, String> {
    let edge = |year| NaiveDate::from_ymd_opt(year, 1, 1).unwrap().and_time(Default::default()).and_utc();
    let (from, to) = (edge(years.start).timestamp(), edge(years.end).timestamp());
    // The first quarter hour at which a wall clock shows each date. A zone must be a constant.
    let sql = format!(
        "SELECT toString(toDate(toDateTime({from} + number * 900, 'UTC'), '{zone}')) AS date, \
         toInt64(min({from} + number * 900)) FROM numbers({}) GROUP BY date ORDER BY date",
        (to - from) / 900
    );
    let query = room.reader().read(&sql);
    let shown: Vec<(String, i64)> =
        room.reader().fetch_all("asking for days", query).await.map_err(|error| error.to_string())?;
    // The first date may have begun before.
    for (date, starts_at) in &shown[1..] {
        let date: NaiveDate = date.parse().unwrap();
        let day = calendar::day(zone, date);
        if day.starts_at != *starts_at {
            return Err(format!("{zone} {date}: begins at {}, the engine says {starts_at}", day.starts_at));
        }
        if calendar::date_of(zone, starts_at * 1000) != date {
            return Err(format!("{zone} {date}: its first instant is of another date"));
        }
        if date == calendar::first_of_month(date) && calendar::month(zone, date).starts_at != *starts_at {
            return Err(format!("{zone} {date}: its month begins at another instant"));
        }
    }
    // Between two dates that are shown lies at most a skipped one, which must be empty.
    for pair in shown.windows(2) {
        let [before, after] = [&pair[0].0, &pair[1].0].map(|date| date.parse::<NaiveDate>().unwrap());
        let skipped = before.iter_days().skip(1).take_while(|date| *date < after);
        for date in skipped {
            let day = calendar::day(zone, date);
            if day.starts_at != day.ends_at {
                return Err(format!("{zone} {date}: is never shown, but has a length"));
            }
        }
    }
    Ok(shown.len())
}

#[tokio::test(flavor = "multi_thread")]
async fn days_and_months_of_every_zone_begin_where_the_engine_says() {
    let room = Room::new(&Stack::shared(), "calendar").await;
    let query = room.reader().read("SELECT time_zone FROM system.time_zones");
    let known: Vec<String> = room.reader().fetch_all("asking for zones", query).await.unwrap();
    let (mut days, mut zones, mut wrong) = (0, 0, Vec::new());
    for zone in
        chrono_tz::TZ_VARIANTS.into_iter().filter(|zone| known.iter().any(|known| known == zone.name()))
    {
        match compare(&room, zone, 2025..2028).await {
            Ok(count) => (days, zones) = (days + count, zones + 1),
            Err(error) => wrong.push(error),
        }
    }
    for zone in ODD.map(|name| name.parse::<Tz>().unwrap()) {
        match compare(&room, zone, 1974..2038).await {
            Ok(count) => days += count,
            Err(error) => wrong.push(error),
        }
    }
    println!("{days} days of {zones} zones");
    assert!(zones > 500, "the engine knows {} zones", known.len());
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
