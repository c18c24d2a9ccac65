//! What people and their commands do. Each of them may freeze between two statements, or die, like any worker.

mod backup;
mod fold;
mod loss;
mod source_change;

pub use backup::{Backup, restore};
pub use fold::Folder;
pub use loss::LossRecord;
pub use source_change::SourceChange;
