//! The real ClickHouse engine as a server of its own, for one machine.
