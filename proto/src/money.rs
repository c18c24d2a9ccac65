//! Credits and money: exact decimals from the wire to the file, never a float.

use crate::identifier::Currency;
use std::fmt;

/// Fractional digits an amount can hold. More is refused, never cut.
pub const AMOUNT_FRACTION_DIGITS: usize = 12;

/// Integer digits an amount of one call can have: below 10^12, so that 10^14 calls sum up inside the 38 digits
/// of the ledger's `Decimal(38, 12)`, which would wrap silently beyond.
pub const AMOUNT_INTEGER_DIGITS_MAX: usize = 12;

const UNIT: i128 = 10i128.pow(AMOUNT_FRACTION_DIGITS as u32);

/// A decimal number with 12 fractional digits, counted in units of 10^−12. One call's amount is never negative;
/// differences and sums may be anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Amount(i128);

/// Why a text is no amount of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AmountError {
    /// Not `digits` or `digits.digits`.
    #[error("is not a plain decimal number such as `12.5`; no sign, exponent, space or separator is allowed")]
    NotDecimal,
    /// More than [`AMOUNT_INTEGER_DIGITS_MAX`] integer digits.
    #[error("has {0} integer digits; at most {AMOUNT_INTEGER_DIGITS_MAX} are allowed")]
    TooLarge(usize),
    /// More than [`AMOUNT_FRACTION_DIGITS`] fractional digits.
    #[error("has {0} fractional digits; at most {AMOUNT_FRACTION_DIGITS} are allowed, and none is cut")]
    TooFine(usize),
}

impl Amount {
    /// Nothing.
    pub const ZERO: Self = Self(0);

    /// From units of 10^−12, as the ledger stores them.
    pub const fn from_units(units: i128) -> Self {
        Self(units)
    }

    /// In units of 10^−12.
    pub const fn units(self) -> i128 {
        self.0
    }

    /// Reads the amount of one call: digits, at most one point with digits on both sides.
    ///
    /// # Errors
    /// Any other form, or more digits than the bounds allow (leading and trailing zeros count).
    pub fn parse(text: &str) -> Result<Self, AmountError> {
        let (integer, fraction) = match text.split_once('.') {
            Some((_, "")) => return Err(AmountError::NotDecimal),
            Some(parts) => parts,
            None => (text, ""),
        };
        let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
        if integer.is_empty() || !digits(integer) || !digits(fraction) {
            return Err(AmountError::NotDecimal);
        }
        if integer.len() > AMOUNT_INTEGER_DIGITS_MAX {
            return Err(AmountError::TooLarge(integer.len()));
        }
        if fraction.len() > AMOUNT_FRACTION_DIGITS {
            return Err(AmountError::TooFine(fraction.len()));
        }
        // Each part has at most 12 digits, so both fit 64 bits and the product fits 128.
        let value = |part: &str| part.bytes().fold(0u64, |sum, byte| sum * 10 + u64::from(byte - b'0'));
        let scale = 10u64.pow((AMOUNT_FRACTION_DIGITS - fraction.len()) as u32);
        Ok(Self(i128::from(value(integer)) * UNIT + i128::from(value(fraction) * scale)))
    }

    /// The sum, or `None` when it does not fit 128 bits.
    pub fn checked_add(self, other: Self) -> Option<Self> {
        self.0.checked_add(other.0).map(Self)
    }

    /// The difference, or `None` when it does not fit 128 bits.
    pub fn checked_sub(self, other: Self) -> Option<Self> {
        self.0.checked_sub(other.0).map(Self)
    }
}

impl fmt::Display for Amount {
    /// All digits that count and no more: `12.5`, `0.000418`, `3`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let magnitude = self.0.unsigned_abs();
        let (integer, fraction) = (magnitude / UNIT as u128, magnitude % UNIT as u128);
        let sign = if self.0 < 0 { "-" } else { "" };
        if fraction == 0 {
            return write!(f, "{sign}{integer}");
        }
        let fraction = format!("{fraction:0width$}", width = AMOUNT_FRACTION_DIGITS);
        write!(f, "{sign}{integer}.{}", fraction.trim_end_matches('0'))
    }
}

impl std::str::FromStr for Amount {
    type Err = AmountError;

    fn from_str(text: &str) -> Result<Self, AmountError> {
        Self::parse(text)
    }
}

/// What a call took from the organisation's balance. Not money, and never added to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Credits(pub Amount);

impl fmt::Display for Credits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// What a provider charged the organisation itself for a BYOK call. Costs of two currencies are never added.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ProviderCost {
    /// How much, in units of the currency (not cents).
    pub amount: Amount,
    /// In which currency.
    pub currency: Currency,
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn plain_decimals_are_read_exactly() {
        for (text, units) in [
            ("0", 0),
            ("1", UNIT),
            ("007", 7 * UNIT),
            ("12.5", 12 * UNIT + UNIT / 2),
            ("0.000000000001", 1),
            ("999999999999.999999999999", 10i128.pow(24) - 1),
        ] {
            assert_eq!(Amount::parse(text), Ok(Amount(units)), "{text}");
        }
    }

    #[test]
    fn anything_else_is_refused_by_name() {
        for text in
            ["", ".", "1.", ".5", "-1", "+1", "1e3", "1E-7", " 1", "1 ", "1,5", "1.2.3", "NaN", "inf", "٣"]
        {
            assert_eq!(Amount::parse(text), Err(AmountError::NotDecimal), "{text:?}");
        }
        assert_eq!(Amount::parse("0.0000000000001"), Err(AmountError::TooFine(13)));
        assert_eq!(Amount::parse("0.1000000000000"), Err(AmountError::TooFine(13)));
        assert_eq!(Amount::parse("1000000000000"), Err(AmountError::TooLarge(13)));
    }

    #[test]
    fn an_amount_is_shown_with_the_digits_that_count() {
        for (units, text) in
            [(0, "0"), (UNIT, "1"), (-UNIT / 2, "-0.5"), (1, "0.000000000001"), (418_000_000, "0.000418")]
        {
            assert_eq!(Amount(units).to_string(), text);
        }
    }

    proptest! {
        #[test]
        fn what_is_shown_is_read_back_the_same(units in 0..10i128.pow(24)) {
            prop_assert_eq!(Amount::parse(&Amount(units).to_string()), Ok(Amount(units)));
        }
    }
}
