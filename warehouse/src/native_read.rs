//! Reads streams of columns in ClickHouse's Native format, block by block, as they lie in memory.
//!
//! The client's own reader gives values one by one, each as a result of its own, and looks at the type of each; to go
//! through every value of the ledger took three quarters of the time. Here a column of fixed width stays a slice, and
//! a dictionary is looked up once a block. Only types that our tables have are known; any other is refused by name.
//! Source of the layout: ClickHouse documentation, "Native format", and `SerializationLowCardinality`.

use crate::error::WarehouseError;
use bytes::{Buf, Bytes, BytesMut};
use clickhouse::error::Error;
use clickhouse::query::{BytesCursor, Query};
use std::time::Duration;

/// A query's result as a stream of blocks.
pub struct NativeStream {
    doing: &'static str,
    cursor: BytesCursor,
    timeout: Duration,
    unread: BytesMut,
}

/// Some rows, column by column.
#[derive(Debug)]
pub struct NativeBlock {
    rows: usize,
    columns: Vec<(String, NativeColumn)>,
}

/// The values of a column.
#[derive(Debug)]
pub enum NativeColumn {
    /// A type of fixed width: its little-endian values one after another.
    Fixed {
        /// The ClickHouse type, times without their zone.
        data_type: String,
        /// The values.
        values: Bytes,
    },
    /// `LowCardinality(String)`.
    Dictionary(Dictionary),
    /// `Array(…)`.
    Array {
        /// For each row eight little-endian bytes: where its elements end.
        ends: Bytes,
        /// The elements of all rows.
        elements: Box<NativeColumn>,
    },
}

/// Texts, and for each row the index of its own.
#[derive(Debug)]
pub struct Dictionary {
    texts: Vec<Bytes>,
    /// One, two, four or eight little-endian bytes a row.
    indexes: Bytes,
    index_width: usize,
}

impl NativeStream {
    /// Sends a query. `timeout` limits each wait for more of the answer.
    ///
    /// # Errors
    /// A query that cannot be sent.
    pub fn open(doing: &'static str, query: Query, timeout: Duration) -> Result<Self, WarehouseError> {
        let cursor =
            query.fetch_bytes("Native").map_err(|source| WarehouseError::Engine { doing, source })?;
        Ok(Self { doing, cursor, timeout, unread: BytesMut::new() })
    }

    /// The next block that has rows; `None` at the end.
    ///
    /// # Errors
    /// Engine, network, time-out, and bytes that are no block.
    pub async fn next(&mut self) -> Result<Option<NativeBlock>, WarehouseError> {
        let mut block = Unfinished::default();
        loop {
            match block.read(&mut self.unread) {
                Ok(block) if block.rows > 0 => return Ok(Some(block)),
                Ok(_) => block = Unfinished::default(),
                Err(Stop::Needs(bytes)) if !self.receive(bytes).await? => {
                    let is_between_blocks = block.is_new() && self.unread.is_empty();
                    return if is_between_blocks {
                        Ok(None)
                    } else {
                        Err(self.failed("ends in the middle of a block"))
                    };
                }
                Err(Stop::Needs(_)) => {}
                Err(Stop::Broken(what)) => return Err(self.failed(&what)),
            }
        }
    }

    /// Waits until so many bytes are unread; false if the answer ends before.
    async fn receive(&mut self, bytes: usize) -> Result<bool, WarehouseError> {
        let doing = self.doing;
        while self.unread.len() < bytes {
            let next = tokio::time::timeout(self.timeout, self.cursor.next()).await;
            let next = next.map_err(|_| WarehouseError::Timeout { doing, limit: self.timeout })?;
            match next.map_err(|source| WarehouseError::Engine { doing, source })? {
                Some(piece) => self.unread.extend_from_slice(&piece),
                None => return Ok(false),
            }
        }
        Ok(true)
    }

    fn failed(&self, what: &str) -> WarehouseError {
        let source = Error::Custom(format!("the answer in Native format {what}"));
        WarehouseError::Engine { doing: self.doing, source }
    }
}

impl NativeBlock {
    /// Number of rows, at least one.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// A column.
    ///
    /// # Errors
    /// If there is none of this name.
    pub fn column(&self, name: &str) -> Result<&NativeColumn, Error> {
        let column = self.columns.iter().find(|(found, _)| found == name);
        Ok(&column.ok_or_else(|| Error::Custom(format!("the answer has no column `{name}`")))?.1)
    }
}

impl NativeColumn {
    /// The values of a type of fixed width.
    ///
    /// # Errors
    /// If the column has another type.
    pub fn fixed<const WIDTH: usize>(&self, wanted: &str) -> Result<&[[u8; WIDTH]], Error> {
        match self {
            Self::Fixed { data_type, values } if data_type == wanted => match values.as_chunks::<WIDTH>() {
                (values, []) => Ok(values),
                _ => Err(Error::Custom(format!("values of {wanted} are not {WIDTH} bytes wide"))),
            },
            other => Err(other.is_not(wanted)),
        }
    }

    /// For each row what `number` says of its text; it is asked once for each text of the block.
    ///
    /// # Errors
    /// If the column is no `LowCardinality(String)`, or an index points nowhere.
    pub fn numbers(&self, number: impl FnMut(&[u8]) -> u32) -> Result<Vec<u32>, Error> {
        match self {
            Self::Dictionary(dictionary) => dictionary.numbers(number),
            other => Err(other.is_not("LowCardinality(String)")),
        }
    }

    /// Where the elements of each row end, and the elements of all rows.
    ///
    /// # Errors
    /// If the column is no array.
    pub fn array(&self) -> Result<(&[[u8; 8]], &Self), Error> {
        match self {
            Self::Array { ends, elements } => Ok((ends.as_chunks::<8>().0, elements)),
            other => Err(other.is_not("Array")),
        }
    }

    fn is_not(&self, wanted: &str) -> Error {
        let found = match self {
            Self::Fixed { data_type, .. } => data_type,
            Self::Dictionary(_) => "LowCardinality(String)",
            Self::Array { .. } => "Array",
        };
        Error::Custom(format!("the answer has a column of type {found} where {wanted} is due"))
    }
}

impl Dictionary {
    fn numbers(&self, mut number: impl FnMut(&[u8]) -> u32) -> Result<Vec<u32>, Error> {
        let of_texts: Vec<u32> = self.texts.iter().map(|text| number(text)).collect();
        let look_up = |index: u64| usize::try_from(index).ok().and_then(|index| of_texts.get(index)).copied();
        let numbers: Option<Vec<u32>> = match self.index_width {
            1 => self.indexes.iter().map(|index| look_up(u64::from(*index))).collect(),
            2 => (self.indexes.as_chunks().0.iter())
                .map(|index| look_up(u64::from(u16::from_le_bytes(*index))))
                .collect(),
            4 => (self.indexes.as_chunks().0.iter())
                .map(|index| look_up(u64::from(u32::from_le_bytes(*index))))
                .collect(),
            _ => {
                (self.indexes.as_chunks().0.iter()).map(|index| look_up(u64::from_le_bytes(*index))).collect()
            }
        };
        numbers.ok_or_else(|| Error::Custom("an index points to no text of its dictionary".into()))
    }
}

/// Why nothing more can be read just now.
#[derive(Debug, PartialEq, Eq)]
enum Stop {
    /// At least so many bytes must be there.
    Needs(usize),
    /// No further bytes will help.
    Broken(String),
}

/// A block of which some columns are read; what is read is gone from the buffer.
#[derive(Debug, Default)]
struct Unfinished {
    /// Columns and rows, once they are known.
    size: Option<(usize, usize)>,
    columns: Vec<(String, NativeColumn)>,
}

impl Unfinished {
    fn is_new(&self) -> bool {
        self.size.is_none()
    }

    /// Reads as much as is there, a column at a time.
    fn read(&mut self, unread: &mut BytesMut) -> Result<NativeBlock, Stop> {
        let (columns, rows) = match self.size {
            Some(size) => size,
            None => {
                let mut bytes = Unread::new(unread);
                let size = (bytes.varint()?, bytes.varint()?);
                let read = bytes.at;
                unread.advance(read);
                *self.size.insert(size)
            }
        };
        while self.columns.len() < columns {
            let mut bytes = Unread::new(unread);
            let name = String::from_utf8_lossy(bytes.string()?).into_owned();
            let data_type = String::from_utf8_lossy(bytes.string()?).into_owned();
            let kind = Kind::of(&data_type).ok_or_else(|| {
                Stop::Broken(format!("has `{name}` of type {data_type}, which is not known here"))
            })?;
            let extent = if rows > 0 {
                kind.begin(&mut bytes).and_then(|()| kind.read(&mut bytes, rows))?
            } else {
                kind.empty()
            };
            let read = bytes.at;
            let bytes = unread.split_to(read).freeze();
            self.columns.push((name, extent.of(&bytes)));
        }
        Ok(NativeBlock { rows, columns: std::mem::take(&mut self.columns) })
    }
}

/// What our tables' types look like on their way.
#[derive(Debug, PartialEq, Eq)]
enum Kind {
    Fixed { data_type: String, width: usize },
    Dictionary,
    Array(Box<Kind>),
}

/// Where a column lies in the buffer.
enum Extent {
    Fixed { data_type: String, values: Range },
    Dictionary { texts: Vec<Range>, indexes: Range, index_width: usize },
    Array { ends: Range, elements: Box<Extent> },
}

type Range = std::ops::Range<usize>;

impl Kind {
    fn of(data_type: &str) -> Option<Self> {
        let inside = |name: &str| data_type.strip_prefix(name)?.strip_prefix('(')?.strip_suffix(')');
        if let Some(inner) = inside("Array") {
            return Some(Self::Array(Box::new(Self::of(inner)?)));
        }
        // A state that is its own result looks like it.
        if let Some((_, inner)) = inside("SimpleAggregateFunction").and_then(|inside| inside.split_once(", "))
        {
            return Self::of(inner);
        }
        // Instants are the same in every zone.
        let data_type = if data_type.starts_with("DateTime('") {
            "DateTime"
        } else if data_type.starts_with("DateTime64(3, '") {
            "DateTime64(3)"
        } else {
            data_type
        };
        let width = match data_type {
            "LowCardinality(String)" => return Some(Self::Dictionary),
            "UInt16" => 2,
            "UInt32" | "DateTime" => 4,
            "UInt64" | "DateTime64(3)" => 8,
            "UUID" | "Decimal(38, 12)" => 16,
            _ => return None,
        };
        Some(Self::Fixed { data_type: data_type.to_owned(), width })
    }

    /// What stands before the column: a dictionary's version.
    fn begin(&self, bytes: &mut Unread<'_>) -> Result<(), Stop> {
        const VERSION: u64 = 1;
        match self {
            Self::Fixed { .. } => Ok(()),
            Self::Array(elements) => elements.begin(bytes),
            Self::Dictionary => match bytes.u64()? {
                VERSION => Ok(()),
                other => Err(Stop::Broken(format!("has a dictionary of version {other}"))),
            },
        }
    }

    fn read(&self, bytes: &mut Unread<'_>, rows: usize) -> Result<Extent, Stop> {
        const INDEX_WIDTH: u64 = 0xff;
        const HAS_GLOBAL_KEYS: u64 = 1 << 8;
        const HAS_ADDITIONAL_KEYS: u64 = 1 << 9;
        match self {
            Self::Fixed { data_type, width } => {
                Ok(Extent::Fixed { data_type: data_type.clone(), values: bytes.values(rows, *width)? })
            }
            Self::Array(elements) => {
                let ends = bytes.values(rows, 8)?;
                let count = bytes.bytes[ends.clone()].as_chunks::<8>().0.last();
                let count =
                    usize::try_from(count.map_or(0, |end| u64::from_le_bytes(*end))).unwrap_or(usize::MAX);
                Ok(Extent::Array { ends, elements: Box::new(elements.read(bytes, count)?) })
            }
            Self::Dictionary if rows == 0 => Ok(self.empty()),
            Self::Dictionary => {
                let flags = bytes.u64()?;
                if flags & (HAS_GLOBAL_KEYS | HAS_ADDITIONAL_KEYS) != HAS_ADDITIONAL_KEYS {
                    return Err(Stop::Broken(format!("has a dictionary with unknown flags {flags:#x}")));
                }
                let texts = (0..bytes.u64()?).map(|_| bytes.string_at()).collect::<Result<_, _>>()?;
                let index_width = match flags & INDEX_WIDTH {
                    code @ 0..=3 => 1 << code,
                    other => return Err(Stop::Broken(format!("has indexes of unknown width {other}"))),
                };
                let indexes_count = bytes.u64()?;
                if usize::try_from(indexes_count) != Ok(rows) {
                    return Err(Stop::Broken(format!("has {indexes_count} indexes for {rows} rows")));
                }
                Ok(Extent::Dictionary { texts, indexes: bytes.values(rows, index_width)?, index_width })
            }
        }
    }

    fn empty(&self) -> Extent {
        match self {
            Self::Fixed { data_type, .. } => Extent::Fixed { data_type: data_type.clone(), values: 0..0 },
            Self::Dictionary => Extent::Dictionary { texts: Vec::new(), indexes: 0..0, index_width: 1 },
            Self::Array(elements) => Extent::Array { ends: 0..0, elements: Box::new(elements.empty()) },
        }
    }
}

impl Extent {
    fn of(self, bytes: &Bytes) -> NativeColumn {
        match self {
            Self::Fixed { data_type, values } => {
                NativeColumn::Fixed { data_type, values: bytes.slice(values) }
            }
            Self::Dictionary { texts, indexes, index_width } => NativeColumn::Dictionary(Dictionary {
                texts: texts.into_iter().map(|text| bytes.slice(text)).collect(),
                indexes: bytes.slice(indexes),
                index_width,
            }),
            Self::Array { ends, elements } => {
                NativeColumn::Array { ends: bytes.slice(ends), elements: Box::new(elements.of(bytes)) }
            }
        }
    }
}

/// The buffer, and how far it is read.
struct Unread<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Unread<'a> {
    fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    fn range(&mut self, len: usize) -> Result<Range, Stop> {
        let end = self.at.checked_add(len).ok_or_else(|| Stop::Broken("has a column without end".into()))?;
        if end > self.bytes.len() {
            return Err(Stop::Needs(end));
        }
        let range = self.at..end;
        self.at = end;
        Ok(range)
    }

    fn values(&mut self, count: usize, width: usize) -> Result<Range, Stop> {
        self.range(count.saturating_mul(width))
    }

    fn u64(&mut self) -> Result<u64, Stop> {
        let range = self.range(8)?;
        Ok(self.bytes[range].iter().rev().fold(0, |value, byte| value << 8 | u64::from(*byte)))
    }

    fn varint(&mut self) -> Result<usize, Stop> {
        let mut value = 0usize;
        for shift in (0..usize::BITS).step_by(7) {
            let range = self.range(1)?;
            let byte = self.bytes[range.start];
            value |= usize::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Err(Stop::Broken("has a length without end".into()))
    }

    fn string_at(&mut self) -> Result<Range, Stop> {
        let len = self.varint()?;
        self.range(len)
    }

    fn string(&mut self) -> Result<&'a [u8], Stop> {
        let range = self.string_at()?;
        Ok(&self.bytes[range])
    }
}

#[cfg(test)]
#[path = "native_read_tests.rs"]
mod tests;
