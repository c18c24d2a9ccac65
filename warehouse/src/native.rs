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
    indexes: Vec<u32>,
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
        self.indexes.push(index);
        index
    }

    /// The text of an index.
    pub(crate) fn text(&self, index: u32) -> &str {
        self.texts.get(index as usize).map_or("", |text| text)
    }

    fn write(&self, block: &mut BytesMut) {
        const VERSION: u64 = 1;
        const HAS_ADDITIONAL_KEYS: u64 = 1 << 9;
        const INDEXES_ARE_U32: u64 = 2;
        block.put_u64_le(VERSION);
        block.put_u64_le(HAS_ADDITIONAL_KEYS | INDEXES_ARE_U32);
        block.put_u64_le(self.texts.len() as u64);
        for text in &self.texts {
            put_string(block, text);
        }
        block.put_u64_le(self.indexes.len() as u64);
        for index in &self.indexes {
            block.put_u32_le(*index);
        }
    }
}

/// One column of a block.
pub(crate) enum Column<'a> {
    /// `LowCardinality(String)`.
    Dictionary(&'a DictionaryColumn),
    /// Any type of fixed width, its little-endian values one after another.
    Fixed {
        /// The ClickHouse type.
        data_type: &'static str,
        /// The values.
        bytes: &'a [u8],
    },
}

/// One block of `rows` rows.
pub(crate) fn encode_block(rows: usize, columns: &[(&str, Column<'_>)]) -> Bytes {
    let size = columns.iter().map(|(_, column)| match column {
        Column::Dictionary(dictionary) => dictionary.indexes.len() * 4 + dictionary.texts.len() * 32,
        Column::Fixed { bytes, .. } => bytes.len(),
    });
    let mut block = BytesMut::with_capacity(size.sum::<usize>() + 1024);
    put_varint(&mut block, columns.len() as u64);
    put_varint(&mut block, rows as u64);
    for (name, column) in columns {
        put_string(&mut block, name);
        match column {
            Column::Dictionary(dictionary) => {
                put_string(&mut block, "LowCardinality(String)");
                dictionary.write(&mut block);
            }
            Column::Fixed { data_type, bytes } => {
                put_string(&mut block, data_type);
                block.put_slice(bytes);
            }
        }
    }
    block.freeze()
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
