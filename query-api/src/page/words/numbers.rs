//! Counts, credits and money.

use proto::Amount;

/// The sign, not the hyphen.
pub const MINUS: char = '\u{2212}';
const NO_BREAK_SPACE: char = '\u{a0}';

/// Amounts up to here fit beside a name on the narrowest screen, and in a card of the widest letters.
const FITTING_CHARS: usize = 14;

/// `1,204`.
pub fn number(number: u64) -> String {
    grouped(&number.to_string())
}

/// `1 call`, `1,204 calls`.
pub fn count(number_of: u64, singular: &str) -> String {
    let plural = if number_of == 1 { "" } else { "s" };
    format!("{} {singular}{plural}", number(number_of))
}

/// All digits that count: `12,480.5`.
pub fn decimal(amount: Amount) -> String {
    decimal_with(amount, 0)
}

/// All digits that count and at least some fractional ones, so that the points of a column stand under each other.
pub fn decimal_with(amount: Amount, fraction_digits_min: usize) -> String {
    let text = amount.to_string();
    let (sign, text) = match text.strip_prefix('-') {
        Some(magnitude) => (MINUS.to_string(), magnitude),
        None => (String::new(), text.as_str()),
    };
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let whole = grouped(whole);
    if fraction.is_empty() && fraction_digits_min == 0 {
        return format!("{sign}{whole}");
    }
    format!("{sign}{whole}.{fraction:0<fraction_digits_min$}")
}

/// Fractional digits that count.
pub fn fraction_digits(amount: Amount) -> usize {
    amount.to_string().split_once('.').map_or(0, |(_, fraction)| fraction.len())
}

/// All digits that count and at least those the currency is written with: `$4.18`, `$0.000418`, `CHF 3.00`.
pub fn money(amount: Amount, currency: &str) -> String {
    money_with(amount, currency, 0)
}

/// The same with at least some fractional digits, so that the points of a column stand under each other.
pub fn money_with(amount: Amount, currency: &str, fraction_digits_min: usize) -> String {
    let number = decimal_with(amount, currency_digits(currency).max(fraction_digits_min));
    match SYMBOLS.iter().find(|(code, _)| *code == currency) {
        Some((_, symbol)) => format!("{symbol}{number}"),
        None => format!("{currency}{NO_BREAK_SPACE}{number}"),
    }
}

/// CLDR's symbols for English. Any other currency is named by its code.
const SYMBOLS: [(&str, &str); 20] = [
    ("AUD", "A$"),
    ("BRL", "R$"),
    ("CAD", "CA$"),
    ("CNY", "CN¥"),
    ("EUR", "€"),
    ("GBP", "£"),
    ("HKD", "HK$"),
    ("ILS", "₪"),
    ("INR", "₹"),
    ("JPY", "¥"),
    ("KRW", "₩"),
    ("MXN", "MX$"),
    ("NZD", "NZ$"),
    ("PHP", "₱"),
    ("TWD", "NT$"),
    ("USD", "$"),
    ("VND", "₫"),
    ("XAF", "FCFA\u{a0}"),
    ("XOF", "F\u{202f}CFA\u{a0}"),
    ("XPF", "CFPF\u{a0}"),
];

/// CLDR's number of decimals where it is not two.
fn currency_digits(currency: &str) -> usize {
    const NONE: [&str; 30] = [
        "AFN", "ALL", "BIF", "CLP", "DJF", "GNF", "IQD", "IRR", "ISK", "JPY", "KMF", "KPW", "KRW", "LAK",
        "LBP", "MGA", "MMK", "PYG", "RSD", "RWF", "SLL", "SOS", "SYP", "UGX", "VND", "VUV", "XAF", "XOF",
        "XPF", "YER",
    ];
    const THREE: [&str; 6] = ["BHD", "JOD", "KWD", "LYD", "OMR", "TND"];
    match currency {
        code if NONE.contains(&code) => 0,
        code if THREE.contains(&code) => 3,
        "CLF" => 4,
        _ => 2,
    }
}

/// Digits with a comma before every third one from the right.
fn grouped(digits: &str) -> String {
    let mut grouped = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

/// Whether an amount needs smaller letters or a line of its own where there is little room, so that it is not broken.
pub fn is_long(amount: &str) -> bool {
    amount.len() > FITTING_CHARS
}

#[cfg(test)]
mod tests {
    use super::*;

    fn amount(text: &str) -> Amount {
        match text.strip_prefix('-') {
            Some(magnitude) => Amount::from_units(-Amount::parse(magnitude).unwrap().units()),
            None => Amount::parse(text).unwrap(),
        }
    }

    #[test]
    fn thousands_are_grouped() {
        for (given, shown) in [(0, "0"), (7, "7"), (999, "999"), (1_000, "1,000"), (1_234_567, "1,234,567")] {
            assert_eq!(number(given), shown);
        }
        assert_eq!(number(u64::MAX), "18,446,744,073,709,551,615");
    }

    #[test]
    fn one_is_singular() {
        assert_eq!(count(0, "call"), "0 calls");
        assert_eq!(count(1, "call"), "1 call");
        assert_eq!(count(1_204, "row"), "1,204 rows");
    }

    #[test]
    fn no_digit_is_ever_lost() {
        for (given, shown) in [
            ("0", "0"),
            ("3.5", "3.5"),
            ("12480.5", "12,480.5"),
            ("999999999999.999999999999", "999,999,999,999.999999999999"),
            ("0.000000000001", "0.000000000001"),
            ("-8523.75", "−8,523.75"),
        ] {
            assert_eq!(decimal(amount(given)), shown);
            assert_eq!(fraction_digits(amount(given)), shown.split_once('.').map_or(0, |(_, f)| f.len()));
        }
    }

    #[test]
    fn the_points_of_a_column_stand_under_each_other() {
        assert_eq!(decimal_with(amount("3"), 2), "3.00");
        assert_eq!(decimal_with(amount("3.5"), 2), "3.50");
        assert_eq!(decimal_with(amount("3.125"), 2), "3.125");
    }

    #[test]
    fn money_has_its_symbol_and_all_its_digits() {
        for (given, currency, shown) in [
            ("4.18", "USD", "$4.18"),
            ("4", "USD", "$4.00"),
            ("0.000418", "USD", "$0.000418"),
            ("1.2", "CAD", "CA$1.20"),
            ("3", "CHF", "CHF\u{a0}3.00"),
            ("1200", "JPY", "¥1,200"),
            ("1200.5", "JPY", "¥1,200.5"),
            ("1", "KWD", "KWD\u{a0}1.000"),
            ("0.00150457", "EUR", "€0.00150457"),
        ] {
            assert_eq!(money(amount(given), currency), shown);
        }
    }
}
