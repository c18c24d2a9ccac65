//! How one record lies in a segment: pure functions from values to words and back.
//!
//! ```text
//! offset  bytes  field           (all numbers little-endian; a record starts at a multiple of 8)
//! 0       8      claim           low half: length of the body in bytes; high half: crc32(sequence, offset, length)
//! 8       8      seal            low half: crc32(claim, padded body); high half: the constant "SEAL"
//! 16      8      accepted_at_ms  Unix milliseconds at which the record was accepted   ┐
//! 24      2      key length      in bytes                                             │ body
//! 26      k      key                                                                  │
//! 26+k    v      value                                                                ┘
//!         0..7   zeros           up to the next multiple of 8
//! ```
//!
//! The claim takes the place and the seal says that the body is whole. A claim without a seal is a record whose
//! writer died before it was accepted. The claim's own checksum binds it to its place, so that the way to the next
//! record is known even where a body is damaged, and no bytes of a body can pass for a record.

/// Bytes before the body: claim and seal.
pub(super) const FRAME_BYTES: usize = 16;
/// Bytes of a body before the key: acceptance time and key length.
pub(super) const BODY_HEADER_BYTES: usize = 10;
/// Records start at multiples of this, so that claim and seal can be written atomically.
pub(super) const ALIGNMENT: usize = 8;
/// Longest key: a Kafka key of ours is an organisation id.
pub(super) const KEY_BYTES_MAX: usize = u16::MAX as usize;

const END_LENGTH: u32 = u32::MAX;
const SEAL_MARK: u64 = 0x4c41_4553_0000_0000;
const PADDING: [u8; ALIGNMENT] = [0; ALIGNMENT];

/// One message on its way to Kafka.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Record<'a> {
    /// When it was accepted, in Unix milliseconds.
    pub accepted_at_ms: i64,
    /// The Kafka key; up to 65,535 bytes.
    pub key: &'a [u8],
    /// The Kafka payload.
    pub value: &'a [u8],
}

impl<'a> Record<'a> {
    /// Length of the body without padding.
    pub fn body_bytes(&self) -> usize {
        BODY_HEADER_BYTES + self.key.len() + self.value.len()
    }

    /// Room that the record takes in a segment.
    pub fn size(&self) -> usize {
        size_of_body(self.body_bytes())
    }

    /// The parts of the padded body, in order.
    pub fn parts(&self) -> ([u8; BODY_HEADER_BYTES], &'a [u8], &'a [u8], &'static [u8]) {
        let mut header = [0; BODY_HEADER_BYTES];
        header[..8].copy_from_slice(&self.accepted_at_ms.to_le_bytes());
        header[8..].copy_from_slice(&(self.key.len() as u16).to_le_bytes());
        let padding = self.size() - FRAME_BYTES - self.body_bytes();
        (header, self.key, self.value, &PADDING[..padding])
    }

    /// Reads a body without its padding; `None` when its key is longer than the body.
    pub fn from_body(body: &'a [u8]) -> Option<Self> {
        let (time, rest) = body.split_first_chunk::<8>()?;
        let (key_length, rest) = rest.split_first_chunk::<2>()?;
        let (key, value) = rest.split_at_checked(usize::from(u16::from_le_bytes(*key_length)))?;
        Some(Self { accepted_at_ms: i64::from_le_bytes(*time), key, value })
    }
}

/// Room that a body of this length takes in a segment, frame and padding included.
pub(super) fn size_of_body(body_bytes: usize) -> usize {
    (FRAME_BYTES + body_bytes).next_multiple_of(ALIGNMENT)
}

/// What a claim says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Claim {
    /// A record with a body of this length.
    Record { body_bytes: usize },
    /// No record follows in this segment.
    End,
}

impl Claim {
    /// The word that stands at `offset` of segment `sequence`. Never zero, as lengths are not.
    pub fn encode(self, sequence: u64, offset: usize) -> u64 {
        let length = match self {
            Self::Record { body_bytes } => body_bytes as u32,
            Self::End => END_LENGTH,
        };
        u64::from(place_checksum(sequence, offset, length)) << 32 | u64::from(length)
    }

    /// Reads a word; `None` when it is no claim of this place.
    pub fn decode(word: u64, sequence: u64, offset: usize) -> Option<Self> {
        let length = word as u32;
        if (word >> 32) as u32 != place_checksum(sequence, offset, length) {
            return None;
        }
        match length {
            END_LENGTH => Some(Self::End),
            length if (length as usize) < BODY_HEADER_BYTES => None,
            length => Some(Self::Record { body_bytes: length as usize }),
        }
    }
}

/// The seal of a body that follows `claim`; `parts` together are the padded body.
pub(super) fn seal<'a>(claim: u64, parts: impl IntoIterator<Item = &'a [u8]>) -> u64 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&claim.to_le_bytes());
    parts.into_iter().for_each(|part| hasher.update(part));
    SEAL_MARK | u64::from(hasher.finalize())
}

fn place_checksum(sequence: u64, offset: usize, length: u32) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&sequence.to_le_bytes());
    hasher.update(&(offset as u64).to_le_bytes());
    hasher.update(&length.to_le_bytes());
    hasher.finalize()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_claim_holds_only_at_its_own_place() {
        let claim = Claim::Record { body_bytes: 100 };
        let word = claim.encode(7, 4096);
        assert_eq!(Claim::decode(word, 7, 4096), Some(claim));
        assert_eq!(Claim::decode(word, 7, 4104), None);
        assert_eq!(Claim::decode(word, 8, 4096), None);
        assert_eq!(Claim::decode(0, 7, 4096), None);
        assert_eq!(Claim::decode(Claim::End.encode(7, 64), 7, 64), Some(Claim::End));
    }

    proptest! {
        #[test]
        fn a_record_is_read_back_from_its_parts(
            accepted_at_ms: i64, key in prop::collection::vec(any::<u8>(), 0..300), value in prop::collection::vec(any::<u8>(), 0..300)
        ) {
            let record = Record { accepted_at_ms, key: &key, value: &value };
            let (header, key_part, value_part, padding) = record.parts();
            let padded = [&header[..], key_part, value_part, padding].concat();
            prop_assert_eq!(padded.len() + FRAME_BYTES, record.size());
            prop_assert_eq!(record.size() % ALIGNMENT, 0);
            prop_assert_eq!(Record::from_body(&padded[..record.body_bytes()]), Some(record));
        }

        #[test]
        fn bytes_that_are_no_body_are_no_record(body in prop::collection::vec(any::<u8>(), 0..40)) {
            if let Some(record) = Record::from_body(&body) {
                prop_assert_eq!(record.body_bytes(), body.len());
            }
        }
    }
}
