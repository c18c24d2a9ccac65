//! What happened how often, over all runs.

macro_rules! figures {
    ($($(#[doc = $doc:literal])+ $field:ident,)+) => {
        /// Counts of what happened.
        #[derive(Clone, Copy, Debug, Default)]
        pub struct Figures {
            $($(#[doc = $doc])+ pub $field: u64,)+
        }

        impl Figures {
            /// Adds the counts of other runs.
            pub fn add(&mut self, other: &Self) {
                $(self.$field += other.$field;)+
            }

            /// Each count with what it counts.
            pub fn each(&self) -> Vec<(&'static str, u64)> {
                vec![$((concat!($($doc),+), self.$field),)+]
            }
        }
    };
}

figures! {
    /// runs
    runs,
    /// turns (statements)
    turns,
    /// messages published
    messages,
    /// messages rerouted
    rerouted,
    /// reads judged
    reads,
    /// … of them using rollup rows
    reads_using_rollups,
    /// … at an older position than the newest
    reads_pinned,
    /// … with a member filter
    reads_filtered,
    /// … log pages and exports
    reads_listing,
    /// reads not judged, because a row was damaged and not yet rebuilt
    reads_excused,
    /// slots of the ledger answered from what was kept
    slots_kept,
    /// quarter-hour rows used
    quarters_used,
    /// day rows used
    days_used,
    /// month rows used
    months_used,
    /// rollup rows written
    rows_written,
    /// kills
    kills,
    /// statements whose answer was lost, and that were sent again
    answers_lost,
    /// batch rows folded
    folds,
    /// rebuilds finished
    rebuilds,
    /// restores from a backup
    restores,
    /// changes to the next source
    source_changes,
    /// losses recorded
    losses,
}
