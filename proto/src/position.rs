//! The only clock: the place of a message in its source.

use std::fmt;

/// Largest Kafka offset a position can hold. 2^48 messages are a million a second for nine years.
pub const OFFSET_MAX: u64 = (1 << OFFSET_BITS) - 2;

const OFFSET_BITS: u32 = 48;

/// A consumer position in one partition, over all sources: `source` in the upper 16 bits, the offset of the
/// *next* message in the lower 48.
///
/// A message's own position is the consumer position right after it was read, offset + 1. So "everything up to
/// position A" is `position <= A`, an interval of a batch is `(from, to]`, and the position before the first
/// message of a source is that of its start offset. Sources are opened one after the other with growing numbers:
/// positions of one partition chain, or of one organisation, compare as integers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Position(u64);

/// Why a source and offset are no position.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("offset {0} is outside 0 to {OFFSET_MAX}")]
pub struct PositionError(pub i64);

impl Position {
    /// Before everything.
    pub const ZERO: Self = Self(0);

    /// The consumer position whose next message has `next_offset`.
    ///
    /// # Errors
    /// If the offset is negative or beyond [`OFFSET_MAX`] + 1.
    pub fn before(source: u16, next_offset: i64) -> Result<Self, PositionError> {
        match u64::try_from(next_offset) {
            Ok(offset) if offset <= OFFSET_MAX + 1 => Ok(Self(u64::from(source) << OFFSET_BITS | offset)),
            _ => Err(PositionError(next_offset)),
        }
    }

    /// The position of the message at `offset`: the consumer position right after it.
    ///
    /// # Errors
    /// If the offset is negative or beyond [`OFFSET_MAX`].
    pub fn of_message(source: u16, offset: i64) -> Result<Self, PositionError> {
        match offset.checked_add(1) {
            Some(next) if offset >= 0 => Self::before(source, next).map_err(|_| PositionError(offset)),
            _ => Err(PositionError(offset)),
        }
    }

    /// From the ledger's column.
    pub const fn from_u64(raw: u64) -> Self {
        Self(raw)
    }

    /// For the ledger's column.
    pub const fn as_u64(self) -> u64 {
        self.0
    }

    /// The source's number.
    pub const fn source(self) -> u16 {
        (self.0 >> OFFSET_BITS) as u16
    }

    /// The offset of the next message to read.
    pub const fn next_offset(self) -> i64 {
        (self.0 & ((1 << OFFSET_BITS) - 1)) as i64
    }
}

impl fmt::Display for Position {
    /// `source:next_offset`, for logs and reports.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.source(), self.next_offset())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_covered_by_the_position_after_it() {
        let message = Position::of_message(1, 41).unwrap();
        assert_eq!(message, Position::before(1, 42).unwrap());
        assert!(message > Position::before(1, 41).unwrap());
        assert_eq!((message.source(), message.next_offset()), (1, 42));
    }

    #[test]
    fn a_later_source_is_after_every_offset_of_an_earlier_one() {
        let last = Position::of_message(1, OFFSET_MAX as i64).unwrap();
        assert!(last < Position::before(2, 0).unwrap());
        assert_eq!(last.source(), 1);
    }

    #[test]
    fn offsets_outside_the_bounds_are_refused() {
        assert!(Position::of_message(1, -1).is_err());
        assert!(Position::before(1, -1).is_err());
        assert!(Position::of_message(1, OFFSET_MAX as i64 + 1).is_err());
        assert!(Position::of_message(1, i64::MAX).is_err());
    }
}
