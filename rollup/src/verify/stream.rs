//! Tables as sorted streams of rows, read in blocks of columns, which cost a tenth of rows.

use super::rows::FromBlock;
use super::texts::Texts;
use clickhouse::query::Query;
use std::time::Duration;
use warehouse::{NativeStream, WarehouseError};

/// Rows of one kind, in the order in which the query gives them.
pub struct Stream<T> {
    doing: &'static str,
    blocks: NativeStream,
    rows: Vec<T>,
    next: usize,
    ended: bool,
}

impl<T: FromBlock> Stream<T> {
    /// Sends the query. `timeout` limits each wait for more rows.
    ///
    /// # Errors
    /// A query that cannot be sent.
    pub fn open(doing: &'static str, query: Query, timeout: Duration) -> Result<Self, WarehouseError> {
        let blocks = NativeStream::open(doing, query, timeout)?;
        Ok(Self { doing, blocks, rows: Vec::new(), next: 0, ended: false })
    }

    /// Makes sure that [`Self::rest`] is not empty unless the stream has ended.
    ///
    /// # Errors
    /// ClickHouse's.
    pub async fn fill(&mut self, texts: &mut Texts) -> Result<(), WarehouseError> {
        while self.next == self.rows.len() && !self.ended {
            let block = self.blocks.next().await?;
            self.rows.clear();
            self.next = 0;
            match block {
                Some(block) => T::read(&block, texts, &mut self.rows)
                    .map_err(|source| WarehouseError::Engine { doing: self.doing, source })?,
                None => self.ended = true,
            }
        }
        Ok(())
    }

    /// The rows that are read and not taken.
    pub fn rest(&self) -> &[T] {
        &self.rows[self.next..]
    }

    /// Takes the next of them.
    pub fn pop(&mut self) -> Option<T>
    where
        T: Default,
    {
        let row = self.rows.get_mut(self.next).map(std::mem::take)?;
        self.next += 1;
        Some(row)
    }

    /// Takes so many of them.
    pub fn take(&mut self, count: usize) {
        self.next += count;
    }
}
