//! Rows as they come out of blocks, texts as numbers.

use super::cells::{CellKey, Sums};
use super::texts::Texts;
use clickhouse::error::Error;
use proto::Position;
use uuid::Uuid;
use warehouse::calendar::Interval;
use warehouse::{NativeBlock, NativeColumn};

/// A row that can be read from a block.
pub trait FromBlock: Sized {
    /// Appends all rows of a block.
    ///
    /// # Errors
    /// A column that is missing or has another type.
    fn read(block: &NativeBlock, texts: &mut Texts, rows: &mut Vec<Self>) -> Result<(), Error>;

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
    fn read(block: &NativeBlock, texts: &mut Texts, rows: &mut Vec<Self>) -> Result<(), Error> {
        let org = numbers(block.column("org_id")?, texts)?;
        let occurred_at = block.column("occurred_at")?.fixed("DateTime64(3)")?;
        let event_id = block.column("event_id")?.fixed("UUID")?;
        let position = block.column("position")?.fixed("UInt64")?;
        let partition = block.column("partition")?.fixed("UInt16")?;
        let member = numbers(block.column("member_id")?, texts)?;
        let reason = numbers(block.column("reason")?, texts)?;
        let provider = numbers(block.column("provider")?, texts)?;
        let model = numbers(block.column("model")?, texts)?;
        let currency = numbers(block.column("currency")?, texts)?;
        let input_tokens = block.column("input_tokens")?.fixed("UInt32")?;
        let output_tokens = block.column("output_tokens")?.fixed("UInt32")?;
        let credits = block.column("credits")?.fixed(AMOUNT)?;
        let provider_cost = block.column("provider_cost")?.fixed(AMOUNT)?;
        rows.extend((0..block.rows()).map(|row| Self {
            org: org[row],
            occurred_at_ms: i64::from_le_bytes(occurred_at[row]),
            event_id: uuid(event_id[row]),
            position: Position::from_u64(u64::from_le_bytes(position[row])),
            partition: u16::from_le_bytes(partition[row]),
            content: Content {
                cell: [member[row], reason[row], provider[row], model[row], currency[row]],
                sums: Sums {
                    calls: 1,
                    input_tokens: u32::from_le_bytes(input_tokens[row]).into(),
                    output_tokens: u32::from_le_bytes(output_tokens[row]).into(),
                    credits: i128::from_le_bytes(credits[row]),
                    provider_cost: i128::from_le_bytes(provider_cost[row]),
                },
            },
        }));
        Ok(())
    }

    fn place(&self) -> (u32, i64) {
        (self.org, warehouse::calendar::quarter_of(self.occurred_at_ms).starts_at)
    }
}

impl FromBlock for Touch {
    fn read(block: &NativeBlock, texts: &mut Texts, rows: &mut Vec<Self>) -> Result<(), Error> {
        let org = numbers(block.column("org_id")?, texts)?;
        let quarter = block.column("quarter")?.fixed(SECONDS)?;
        let first = block.column("first_position")?.fixed("UInt64")?;
        let last = block.column("last_position")?.fixed("UInt64")?;
        rows.extend((0..block.rows()).map(|row| Self {
            org: org[row],
            quarter: u32::from_le_bytes(quarter[row]).into(),
            first: Position::from_u64(u64::from_le_bytes(first[row])),
            last: Position::from_u64(u64::from_le_bytes(last[row])),
        }));
        Ok(())
    }

    fn place(&self) -> (u32, i64) {
        (self.org, self.quarter)
    }
}

impl FromBlock for Row {
    fn read(block: &NativeBlock, texts: &mut Texts, rows: &mut Vec<Self>) -> Result<(), Error> {
        let org = numbers(block.column("org_id")?, texts)?;
        let starts_at = block.column("starts_at")?.fixed(SECONDS)?;
        let ends_at = block.column("ends_at")?.fixed(SECONDS)?;
        let generation = block.column("generation")?.fixed("UInt32")?;
        let through = block.column("through")?.fixed("UInt64")?;
        let calls = block.column("calls")?.fixed("UInt64")?;
        let input_tokens = block.column("input_tokens")?.fixed("UInt64")?;
        let output_tokens = block.column("output_tokens")?.fixed("UInt64")?;
        let credits = block.column("credits")?.fixed(AMOUNT)?;
        let cell = cells(block, texts)?;
        let (ends, _) = block.column("member_id")?.array()?;
        let end_of = |end: &[u8; 8]| usize::try_from(u64::from_le_bytes(*end)).unwrap_or(usize::MAX);
        let ends: Vec<usize> = ends.iter().map(end_of).collect();
        // The last of them is the number of cells, so in order none points beyond.
        if !ends.is_sorted() {
            return Err(Error::Custom("cells end before they begin".into()));
        }
        let mut start = 0;
        for row in 0..block.rows() {
            let of_row = (start..ends[row]).map(&cell).collect();
            start = ends[row];
            rows.push(Self {
                org: org[row],
                interval: Interval {
                    starts_at: u32::from_le_bytes(starts_at[row]).into(),
                    ends_at: u32::from_le_bytes(ends_at[row]).into(),
                },
                generation: u32::from_le_bytes(generation[row]),
                through: Position::from_u64(u64::from_le_bytes(through[row])),
                totals: Sums {
                    calls: u64::from_le_bytes(calls[row]),
                    input_tokens: u64::from_le_bytes(input_tokens[row]),
                    output_tokens: u64::from_le_bytes(output_tokens[row]),
                    credits: i128::from_le_bytes(credits[row]),
                    provider_cost: 0,
                },
                cells: of_row,
            });
        }
        Ok(())
    }

    fn place(&self) -> (u32, i64) {
        (self.org, self.interval.starts_at)
    }
}

/// The cells of all rows of a block, which lie one after another, by their number.
fn cells<'a>(
    block: &'a NativeBlock,
    texts: &mut Texts,
) -> Result<impl Fn(usize) -> (CellKey, Sums) + use<'a>, Error> {
    let (ends, members) = block.column("member_id")?.array()?;
    let of_cells = |name| -> Result<&NativeColumn, Error> {
        let (other_ends, elements) = block.column(name)?.array()?;
        let same = || Error::Custom(format!("`{name}` and `member_id` are of different lengths"));
        (other_ends == ends).then_some(elements).ok_or_else(same)
    };
    let member = numbers(members, texts)?;
    let reason = numbers(of_cells("reason")?, texts)?;
    let provider = numbers(of_cells("provider")?, texts)?;
    let model = numbers(of_cells("model")?, texts)?;
    let currency = numbers(of_cells("currency")?, texts)?;
    let calls = of_cells("cell_calls")?.fixed("UInt64")?;
    let input_tokens = of_cells("cell_input_tokens")?.fixed("UInt64")?;
    let output_tokens = of_cells("cell_output_tokens")?.fixed("UInt64")?;
    let credits = of_cells("cell_credits")?.fixed(AMOUNT)?;
    let provider_cost = of_cells("cell_provider_cost")?.fixed(AMOUNT)?;
    let cell = move |cell: usize| {
        let key = [member[cell], reason[cell], provider[cell], model[cell], currency[cell]];
        let sums = Sums {
            calls: u64::from_le_bytes(calls[cell]),
            input_tokens: u64::from_le_bytes(input_tokens[cell]),
            output_tokens: u64::from_le_bytes(output_tokens[cell]),
            credits: i128::from_le_bytes(credits[cell]),
            provider_cost: i128::from_le_bytes(provider_cost[cell]),
        };
        (key, sums)
    };
    Ok(cell)
}

fn numbers(column: &NativeColumn, texts: &mut Texts) -> Result<Vec<u32>, Error> {
    column.numbers(|text| texts.number(text))
}

/// The wire has the two halves one after the other, each with its lowest byte first.
fn uuid(wire: [u8; 16]) -> Uuid {
    let [high, low] = [0, 8].map(|from| std::array::from_fn(|byte| wire[from + byte]));
    Uuid::from_u64_pair(u64::from_le_bytes(high), u64::from_le_bytes(low))
}

const SECONDS: &str = "DateTime";
/// In units of 10^-12.
const AMOUNT: &str = "Decimal(38, 12)";
