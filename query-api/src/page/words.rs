//! Numbers, money, days and times as English readers expect them (CLDR `en`), and never rounded where they are exact.

mod dates;
mod numbers;

pub use dates::{Moment, day, days, days_of_one_year, days_spoken};
pub use numbers::{MINUS, count, decimal, decimal_with, fraction_digits, is_long, money, money_with, number};
