//! Columns in ClickHouse's Native format, with dictionaries where the table has them: the engine then neither
//! parses nor hashes the texts of millions of rows. (The client's own block builder has no dictionaries, decimals
//! or times.) Source of the layout: ClickHouse documentation, "Native format", and `SerializationLowCardinality`.

use bytes::{BufMut, Bytes, BytesMut};
use hashbrown::HashMap;

/// A `LowCardinality(String)` column in the making: each distinct text once, and an index a row.
#[derive(Default)]
pub(crate) struct DictionaryColumn {
    indexes_of: HashMap<Box<str>, u32>,
    texts: Vec<Box<str>>,
    /// Four little-endian bytes a row.
    indexes: Vec<u8>,
}

impl DictionaryColumn {
    /// Adds a row and returns the text's index.
    pub(crate) fn push(&mut self, text: &str) -> u32 {
        let index = match self.indexes_of.get(text) {
            Some(index) => *index,
            None => {
                let index = self.texts.len() as u32;
                self.texts.push(text.into());
                self.indexes_of.insert(text.into(), index);
                index
            }
        };
        self.indexes.extend_from_slice(&index.to_le_bytes());
        index
    }

    /// The text of an index.
    pub(crate) fn text(&self, index: u32) -> &str {
        self.texts.get(index as usize).map_or("", |text| text)
    }

    /// Moves the rows out, as the column's bytes. The texts stay.
    fn take(&mut self, head: &mut BytesMut) -> Bytes {
        const VERSION: u64 = 1;
        const HAS_ADDITIONAL_KEYS: u64 = 1 << 9;
        let rows = self.indexes.len() / 4;
        // Most dictionaries are small, and a narrow index saves three quarters of the column on its way.
        let (width, width_code) = match self.texts.len() {
            ..=0x100 => (1, 0),
            0x101..=0x1_0000 => (2, 1),
            _ => (4, 2),
        };
        head.put_u64_le(VERSION);
        head.put_u64_le(HAS_ADDITIONAL_KEYS | width_code);
        head.put_u64_le(self.texts.len() as u64);
        for text in &self.texts {
            put_string(head, text);
        }
        head.put_u64_le(rows as u64);
        let indexes = std::mem::take(&mut self.indexes);
        match width {
            4 => indexes.into(),
            width => indexes.as_chunks::<4>().0.iter().flat_map(|index| &index[..width]).copied().collect(),
        }
    }
}

/// One column of a block.
pub(crate) enum Column<'a> {
    /// `LowCardinality(String)`.
    Dictionary(&'a mut DictionaryColumn),
    /// Any type of fixed width, its little-endian values one after another.
    Fixed {
        /// The ClickHouse type.
        data_type: &'static str,
        /// The values.
        bytes: &'a mut Vec<u8>,
    },
}

/// One block of `rows` rows, in pieces to be sent one after the other. The columns' bytes are moved, not copied: a
/// second copy of a large block would be as large.
pub(crate) fn take_block<const N: usize>(rows: usize, columns: [(&str, Column<'_>); N]) -> Vec<Bytes> {
    let mut pieces = Vec::with_capacity(2 * N);
    let mut head = BytesMut::new();
    put_varint(&mut head, N as u64);
    put_varint(&mut head, rows as u64);
    for (name, column) in columns {
        put_string(&mut head, name);
        let values = match column {
            Column::Dictionary(dictionary) => {
                put_string(&mut head, "LowCardinality(String)");
                dictionary.take(&mut head)
            }
            Column::Fixed { data_type, bytes } => {
                put_string(&mut head, data_type);
                std::mem::take(bytes).into()
            }
        };
        pieces.push(head.split().freeze());
        pieces.push(values);
    }
    pieces
}

fn put_string(block: &mut BytesMut, text: &str) {
    put_varint(block, text.len() as u64);
    block.put_slice(text.as_bytes());
}

fn put_varint(block: &mut BytesMut, mut value: u64) {
    while value >= 0x80 {
        block.put_u8(value as u8 | 0x80);
        value >>= 7;
    }
    block.put_u8(value as u8);
}
