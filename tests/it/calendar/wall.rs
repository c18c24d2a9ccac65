//! What an organisation's clock on the wall shows, as the engine knows it, looked at quarter hour by quarter hour: no
//! rule of time zones is written down here, and none is taken from the library that the services use.

use chrono::{DateTime, Days, Months, NaiveDate};
use system_tests::Room;

const QUARTER_MS: i64 = 900_000;
const MINUTE_MS: i64 = 60_000;
const DAY_MS: i64 = 1_440 * MINUTE_MS;
/// What is looked at, from the present: the months around it.
pub const FROM_MS: i64 = -100 * DAY_MS;
pub const TO_MS: i64 = 40 * DAY_MS;

/// `[from, to)` in Unix milliseconds.
pub type Span = (i64, i64);

/// A clock around a present.
pub struct Wall {
    now_ms: i64,
    from_ms: i64,
    /// What it shows as each quarter hour begins, in milliseconds since 1970 on that wall. Within one it never jumps.
    shows_ms: Vec<i64>,
}

impl Wall {
    /// Asks the engine.
    pub async fn of(room: &Room, zone: &str, now_ms: i64) -> Self {
        let from_ms = (now_ms + FROM_MS).div_euclid(QUARTER_MS) * QUARTER_MS;
        let quarters = (TO_MS - FROM_MS) / QUARTER_MS;
        // What it shows is taken as text: the engine's own offset of a zone that crossed the date line is a day wrong. A
        // zone must be a constant.
        let sql = format!(
            "SELECT groupArray(toInt64(toUnixTimestamp(toString(toDateTime({} + number * 900, '{zone}')), 'UTC'))) \
             FROM (SELECT number FROM numbers({quarters}) ORDER BY number)",
            from_ms / 1000
        );
        let query = room.reader().read(&sql);
        let shows: Vec<i64> = room.reader().fetch_one("asking for a clock", query).await.expect("an answer");
        let shows_ms = shows.into_iter().map(|seconds| seconds * 1000).collect();
        Self { now_ms, from_ms, shows_ms }
    }

    /// The first instant at which it shows this or more.
    fn first(&self, wall_ms: i64) -> i64 {
        let number = self.shows_ms.iter().position(|shows_ms| shows_ms + QUARTER_MS > wall_ms);
        let number = number.expect("an instant within what was looked at");
        let waits_ms = (wall_ms - self.shows_ms[number]).max(0);
        self.from_ms + number as i64 * QUARTER_MS + waits_ms
    }

    /// What it shows at the present.
    fn now(&self) -> i64 {
        let number = (self.now_ms - self.from_ms) / QUARTER_MS;
        self.shows_ms[number as usize] + self.now_ms.rem_euclid(QUARTER_MS)
    }

    /// When a day begins.
    pub fn begins(&self, day: NaiveDate) -> i64 {
        self.first(midnight_ms(day))
    }

    /// The present day: the last one that has begun.
    pub fn today(&self) -> NaiveDate {
        let shown = DateTime::from_timestamp_millis(self.now()).expect("an instant").date_naive();
        // A clock that was set back over midnight shows yesterday once more.
        let tomorrow = shown + Days::new(1);
        if self.begins(tomorrow) <= self.now_ms { tomorrow } else { shown }
    }

    /// Days, both inclusive.
    pub fn days(&self, since: NaiveDate, until: NaiveDate) -> Span {
        (self.begins(since), self.begins(until + Days::new(1)))
    }

    /// First and last day of the month so many months before the present one.
    pub fn month(&self, before: u32) -> (NaiveDate, NaiveDate) {
        let today = self.today();
        let day_of_month = today.format("%-d").to_string().parse::<u64>().expect("a number");
        let first = today - Days::new(day_of_month - 1) - Months::new(before);
        (first, first + Months::new(1) - Days::new(1))
    }

    /// The same days of last month: up to the day of the same number, at the minute that the wall shows. All of it, where it
    /// has no such day.
    pub fn same_days(&self) -> (NaiveDate, Span) {
        let today = self.today();
        let (first, last) = self.month(1);
        // Counted day by day, as with a finger on a calendar.
        let day_of_month = self.month(0).0.iter_days().take_while(|day| *day <= today).count();
        let Some(until) = first.iter_days().take_while(|day| *day <= last).nth(day_of_month - 1) else {
            return (last, self.days(first, last));
        };
        let (begins, ends) = self.days(until, until);
        let time_of_day_ms = self.now().rem_euclid(DAY_MS) / MINUTE_MS * MINUTE_MS;
        let same_time = self.first(midnight_ms(until) + time_of_day_ms);
        (until, (self.begins(first), same_time.clamp(begins, ends)))
    }
}

fn midnight_ms(day: NaiveDate) -> i64 {
    day.and_time(chrono::NaiveTime::MIN).and_utc().timestamp_millis()
}
