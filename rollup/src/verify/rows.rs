//! Rows as they come out of blocks, texts as numbers.

use super::cells::{CellKey, Sums};
use super::texts::Texts;
use clickhouse::error::Error;
use clickhouse::native::decode::{Decode, ValueReader};
use clickhouse::native::{Block, DataTypeNode};
use proto::Position;
use uuid::Uuid;
use warehouse::calendar::Interval;

/// A row that can be read from a block.
pub trait FromBlock: Sized {
    /// Appends all rows of a block.
    ///
    /// # Errors
    /// A column that is missing or has another type.
    fn read(block: &Block, texts: &mut Texts, rows: &mut Vec<Self>) -> Result<(), Error>;

    /// Where the row stands in its stream: the organisation's number, and an instant in Unix seconds.
    fn place(&self) -> (u32, i64);
}

/// A ledger row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Call {
    /// The organisation's number.
    pub org: u32,
    /// When it happened, in Unix milliseconds.
    pub occurred_at_ms: i64,
    /// Its id.
    pub event_id: Uuid,
    /// The message's position.
    pub position: Position,
    /// The partition.
    pub partition: u16,
    /// What it says beyond its identity.
    pub content: Content,
}

/// What a call says beyond its identity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Content {
    /// Its cell.
    pub cell: CellKey,
    /// What it adds there.
    pub sums: Sums,
}

/// A row of `touches`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Touch {
    /// The organisation's number.
    pub org: u32,
    /// Start of the quarter hour, in Unix seconds.
    pub quarter: i64,
    /// First position in it.
    pub first: Position,
    /// Last position in it.
    pub last: Position,
}

/// A row of a rollup.
#[derive(Debug, PartialEq, Eq)]
pub struct Row {
    /// The organisation's number.
    pub org: u32,
    /// What it stands for.
    pub interval: Interval,
    /// Its generation.
    pub generation: u32,
    /// The position it was cut at.
    pub through: Position,
    /// Its totals; costs stand in the cells only.
    pub totals: Sums,
    /// Its cells, in their order.
    pub cells: Vec<(CellKey, Sums)>,
}

impl Default for Row {
    fn default() -> Self {
        Self {
            org: 0,
            interval: Interval { starts_at: 0, ends_at: 0 },
            generation: 0,
            through: Position::ZERO,
            totals: Sums::default(),
            cells: Vec::new(),
        }
    }
}

impl FromBlock for Call {
    fn read(block: &Block, texts: &mut Texts, rows: &mut Vec<Self>) -> Result<(), Error> {
        let mut org_id = column::<Text>(block, "org_id")?;
        let mut occurred_at = column::<Milliseconds>(block, "occurred_at")?;
        let mut event_id = column::<Uuid>(block, "event_id")?;
        let mut position = column::<u64>(block, "position")?;
        let mut partition = column::<u16>(block, "partition")?;
        let mut member_id = column::<Text>(block, "member_id")?;
        let mut reason = column::<Text>(block, "reason")?;
        let mut provider = column::<Text>(block, "provider")?;
        let mut model = column::<Text>(block, "model")?;
        let mut currency = column::<Text>(block, "currency")?;
        let mut input_tokens = column::<u32>(block, "input_tokens")?;
        let mut output_tokens = column::<u32>(block, "output_tokens")?;
        let mut credits = column::<Units>(block, "credits")?;
        let mut provider_cost = column::<Units>(block, "provider_cost")?;
        rows.reserve(block.num_rows());
        for _ in 0..block.num_rows() {
            rows.push(Self {
                org: texts.number(next(&mut org_id)?.0),
                occurred_at_ms: next(&mut occurred_at)?.0,
                event_id: next(&mut event_id)?,
                position: Position::from_u64(next(&mut position)?),
                partition: next(&mut partition)?,
                content: Content {
                    cell: [
                        texts.number(next(&mut member_id)?.0),
                        texts.number(next(&mut reason)?.0),
                        texts.number(next(&mut provider)?.0),
                        texts.number(next(&mut model)?.0),
                        texts.number(next(&mut currency)?.0),
                    ],
                    sums: Sums {
                        calls: 1,
                        input_tokens: next(&mut input_tokens)?.into(),
                        output_tokens: next(&mut output_tokens)?.into(),
                        credits: next(&mut credits)?.0,
                        provider_cost: next(&mut provider_cost)?.0,
                    },
                },
            });
        }
        Ok(())
    }

    fn place(&self) -> (u32, i64) {
        (self.org, warehouse::calendar::quarter_of(self.occurred_at_ms).starts_at)
    }
}

impl FromBlock for Touch {
    fn read(block: &Block, texts: &mut Texts, rows: &mut Vec<Self>) -> Result<(), Error> {
        let mut org_id = column::<Text>(block, "org_id")?;
        let mut quarter = column::<Seconds>(block, "quarter")?;
        let mut first = column::<u64>(block, "first_position")?;
        let mut last = column::<u64>(block, "last_position")?;
        for _ in 0..block.num_rows() {
            rows.push(Self {
                org: texts.number(next(&mut org_id)?.0),
                quarter: next(&mut quarter)?.0,
                first: Position::from_u64(next(&mut first)?),
                last: Position::from_u64(next(&mut last)?),
            });
        }
        Ok(())
    }

    fn place(&self) -> (u32, i64) {
        (self.org, self.quarter)
    }
}

impl FromBlock for Row {
    fn read(block: &Block, texts: &mut Texts, rows: &mut Vec<Self>) -> Result<(), Error> {
        let mut org_id = column::<Text>(block, "org_id")?;
        let mut starts_at = column::<Seconds>(block, "starts_at")?;
        let mut ends_at = column::<Seconds>(block, "ends_at")?;
        let mut generation = column::<u32>(block, "generation")?;
        let mut through = column::<u64>(block, "through")?;
        let mut calls = column::<u64>(block, "calls")?;
        let mut input_tokens = column::<u64>(block, "input_tokens")?;
        let mut output_tokens = column::<u64>(block, "output_tokens")?;
        let mut credits = column::<Units>(block, "credits")?;
        let mut keys: Vec<_> = ["member_id", "reason", "provider", "model", "currency"]
            .map(|name| column::<Vec<Text>>(block, name))
            .into_iter()
            .collect::<Result<_, _>>()?;
        let mut counts: Vec<_> = ["cell_calls", "cell_input_tokens", "cell_output_tokens"]
            .map(|name| column::<Vec<u64>>(block, name))
            .into_iter()
            .collect::<Result<_, _>>()?;
        let mut amounts: Vec<_> = ["cell_credits", "cell_provider_cost"]
            .map(|name| column::<Vec<Units>>(block, name))
            .into_iter()
            .collect::<Result<_, _>>()?;
        for _ in 0..block.num_rows() {
            let texts_of_cells: Vec<Vec<Text>> = keys.iter_mut().map(next).collect::<Result<_, _>>()?;
            let counts: Vec<Vec<u64>> = counts.iter_mut().map(next).collect::<Result<_, _>>()?;
            let amounts: Vec<Vec<Units>> = amounts.iter_mut().map(next).collect::<Result<_, _>>()?;
            let cells = (0..texts_of_cells[0].len()).map(|cell| {
                let key = std::array::from_fn(|text| texts.number(texts_of_cells[text][cell].0));
                let sums = Sums {
                    calls: counts[0][cell],
                    input_tokens: counts[1][cell],
                    output_tokens: counts[2][cell],
                    credits: amounts[0][cell].0,
                    provider_cost: amounts[1][cell].0,
                };
                (key, sums)
            });
            let cells = cells.collect();
            rows.push(Self {
                org: texts.number(next(&mut org_id)?.0),
                interval: Interval { starts_at: next(&mut starts_at)?.0, ends_at: next(&mut ends_at)?.0 },
                generation: next(&mut generation)?,
                through: Position::from_u64(next(&mut through)?),
                totals: Sums {
                    calls: next(&mut calls)?,
                    input_tokens: next(&mut input_tokens)?,
                    output_tokens: next(&mut output_tokens)?,
                    credits: next(&mut credits)?.0,
                    provider_cost: 0,
                },
                cells,
            });
        }
        Ok(())
    }

    fn place(&self) -> (u32, i64) {
        (self.org, self.interval.starts_at)
    }
}

fn column<'a, T: Decode<'a>>(
    block: &'a Block,
    name: &str,
) -> Result<impl Iterator<Item = Result<T, Error>> + use<'a, T>, Error> {
    let missing = || Error::Custom(format!("the answer has no column `{name}`"));
    block.column_by_name(name).ok_or_else(missing)?.iter::<T>()
}

fn next<T>(column: &mut impl Iterator<Item = Result<T, Error>>) -> Result<T, Error> {
    column.next().unwrap_or_else(|| Err(Error::NotEnoughData))
}

/// `String`, also of low cardinality: its bytes, where the block has them.
struct Text<'a>(&'a [u8]);

impl<'a> Decode<'a> for Text<'a> {
    fn compatible(data_type: &DataTypeNode) -> bool {
        matches!(data_type, DataTypeNode::String)
    }

    fn decode(reader: &mut ValueReader<'a>) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        Ok(Self(reader.native_bytes()))
    }
}

/// Types that the client has no reader for: all are integers of fixed width.
macro_rules! integer {
    ($(#[$doc:meta])* $name:ident($out:ty) from $wire:ty, $type:pat) => {
        $(#[$doc])*
        struct $name($out);

        impl<'a> Decode<'a> for $name {
            fn compatible(data_type: &DataTypeNode) -> bool {
                matches!(data_type, $type)
            }

            fn decode(reader: &mut ValueReader<'a>) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
                Ok(Self(<$wire>::from_le_bytes(*reader.read_bytes_fixed()?).into()))
            }
        }
    };
}
integer! {
    /// `DateTime`, in Unix seconds.
    Seconds(i64) from u32, DataTypeNode::DateTime(_)
}
integer! {
    /// `DateTime64(3)`, in Unix milliseconds.
    Milliseconds(i64) from i64, DataTypeNode::DateTime64(..)
}
integer! {
    /// `Decimal(38, 12)`, in units of 10^-12.
    Units(i128) from i128, DataTypeNode::Decimal(38, 12, _)
}
