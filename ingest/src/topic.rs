//! The topics that ingest reads, and their partitions.

use std::fmt;

/// A topic that is read. Each has sources of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// AI calls, into the ledger.
    Calls,
    /// Organisations and members.
    Directory,
}

impl Kind {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Calls, Self::Directory];

    /// As it stands in `sources`, in metric labels and on the command line.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Calls => "calls",
            Self::Directory => "directory",
        }
    }
}

/// One partition of a topic that is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Partition {
    /// Of which topic.
    pub kind: Kind,
    /// Its number.
    pub number: u16,
}

impl fmt::Display for Partition {
    /// `calls/3`, for logs.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.kind.as_str(), self.number)
    }
}
