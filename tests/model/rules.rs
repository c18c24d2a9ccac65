//! The rules that the protocol lives by, each as a switch, and the freedoms it leaves.
//!
//! Turning a rule off makes a mutant of the protocol, which must be caught giving a wrong answer. Taking a freedom must
//! change nothing. The text of each is printed with the result.

macro_rules! switches {
    ($(#[$meta:meta])* $name:ident, $initial:literal in the design { $($(#[doc = $doc:literal])+ $field:ident,)+ }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug)]
        pub struct $name {
            $($(#[doc = $doc])+ pub $field: bool,)+
        }

        impl $name {
            /// All as the design has it.
            pub const DESIGN: Self = Self { $($field: $initial,)+ };

            /// Each switch alone turned, with its name and its text.
            pub fn each_turned() -> Vec<(&'static str, &'static str, Self)> {
                vec![$((stringify!($field), concat!($($doc),+), Self { $field: !$initial, ..Self::DESIGN }),)+]
            }
        }
    };
}

switches! {
    /// What the protocol relies on. All are on in the design; each one turned off gives wrong answers.
    Rules, true in the design {
        // Ingest.
        /// Ledger rows are durable before the batch row that covers them.
        ledger_rows_before_batch_row,
        /// Touches are durable before the batch row.
        touches_before_batch_row,
        /// Rerouted messages are acknowledged by Kafka before the batch row.
        reroutes_before_batch_row,
        /// Dead letters are acknowledged by Kafka before the batch row.
        dead_letters_before_batch_row,
        /// A call in a wrong partition is sent to its organisation's, not written where it was found.
        misrouted_calls_are_rerouted,
        /// A worker starts at the frontier, not at Kafka's committed offset.
        workers_start_at_the_frontier,
        /// Whether a message is a call depends on its position, not on the version of the worker that reads it.
        fate_depends_on_position_alone,

        // Batch rows and frontier.
        /// The frontier is where the batch rows' cover first breaks, not their highest end.
        frontier_is_gap_free,
        /// The frontier is that of the organisation's partition, not of whatever batch rows there are.
        frontier_is_of_one_partition,
        /// A folded batch row stands for rows without a gap between them.
        folding_stops_at_a_gap,
        /// A folded batch row is durable before the rows it stands for are deleted.
        folded_row_before_deletion,
        /// The next source opens when every partition of the former has reached its end.
        next_source_waits_for_the_former,
        /// The ends of a source are read after the frontiers that must have reached them: a worker may still reroute.
        ends_are_read_after_frontiers,

        // Tables.
        /// The ledger's key holds the position: merging never drops another message of the same identity.
        ledger_key_holds_the_position,
        /// Touches merge to the lowest first and the highest last position; a late writer cannot turn them back.
        touches_merge_to_extremes,

        // First write wins.
        /// Of an identity the lowest position counts.
        lowest_position_counts,
        /// A reader that goes backwards keeps the last of the neighbours.
        backward_reader_keeps_the_last,
        /// Readers deduplicate first and filter after.
        deduplicate_before_filter,
        /// Readers cut the ledger at A.
        readers_cut_the_ledger,

        // Rollup rows.
        /// A reader uses no row that was cut after A.
        readers_refuse_rows_cut_later,
        /// A reader uses no row whose interval was touched after its cut.
        readers_refuse_rows_touched_since,
        /// A row stands for exactly its interval, not for whatever begins there.
        rows_stand_for_their_exact_interval,
        /// A reader uses no row of a generation below the floor, which a rebuild or restore raises.
        readers_refuse_rows_below_the_floor,

        // Readers.
        /// A reader chooses A before it reads rows and touches.
        as_of_is_chosen_first,
        /// "Untouched means empty" and the rule go by touches that were read after A was chosen.
        touches_are_read_after_as_of,
        /// The rows that are planned with are the rows that are summed: one statement, one snapshot.
        plan_and_sums_are_one_statement,
        /// A reader never answers beyond the frontier, whatever it is asked for.
        as_of_is_within_the_frontier,
        /// What the ledger answered is kept for later positions, not for earlier ones.
        kept_answers_are_of_before,
        /// To what was kept, calls are added that came since.
        kept_answers_are_extended,
        /// A message that came since is a call only if none of before tells of the same.
        later_calls_are_told_from_repeats,

        // The rollup worker.
        /// A worker builds no day or month from rows that were cut after its own cut.
        workers_refuse_rows_cut_later,
        /// A worker builds no day or month from rows touched since they were cut.
        workers_refuse_rows_touched_since,
        /// A worker reads touches after it chose its cut.
        workers_read_touches_after_the_cut,
        /// A worker cuts the ledger at its cut.
        workers_cut_the_ledger,
        /// A row says the cut it was computed at, not the frontier of the moment it is written.
        through_is_the_cut,
        /// A bucket is recomputed whole, never added to.
        buckets_are_recomputed_whole,
        /// A worker knows the generation it writes in before it reads anything.
        generation_is_read_first,
        /// A row is made from the ledger and from rows of its own generation or newer.
        rows_are_made_of_their_generation,

        // Operators.
        /// A backup copies batch rows before touches and ledger, so that it holds whatever its batch rows promise.
        backup_copies_batches_first,
        /// No ingest worker lives through a restore: it would promise rows that the restore has taken away.
        restore_stops_ingest,
        /// A restore raises generation and floor: rollup workers may live through it with cuts from before.
        restore_raises_the_generation,
        /// A loss is recorded after touches were written for those of its messages that had reached the ledger.
        loss_touches_what_survived,
        /// A loss is recorded while no ingest worker lives that could still hold its messages.
        loss_stops_ingest,
    }
}

switches! {
    /// What the protocol does not rely on. All are off in the design; each one taken still gives right answers.
    Freedoms, false in the design {
        /// Touches are written before the ledger rows, not after.
        touches_before_ledger_rows,
        /// Kafka's offset is committed before the batch row, while workers still start at the frontier.
        commit_before_batch_row,
        /// Workers start at the end of the chain of batch rows, which may be before the frontier, if the log has that.
        workers_start_at_the_chain_end,
        /// A reader reads rollup rows before it chooses A, and touches after.
        rows_are_read_before_as_of,
        /// A version below the cut is looked for before the highest one is chosen.
        older_versions_are_used,
        /// Of the versions of a row the highest cut wins, whatever their generations.
        highest_cut_wins_over_generation,
        /// A rebuild raises the floor before it computes anything.
        rebuild_raises_the_floor_at_once,
        /// Intervals without a touch are asked from rows and ledger like all others.
        untouched_intervals_are_asked_too,
        /// A worker plans with one statement and sums with a later one, of exactly the versions planned, or plans again.
        workers_plan_by_versions,
        /// Rollup workers compute buckets that have not passed yet.
        running_buckets_are_computed,
    }
}

/// Rules and freedoms of one run.
#[derive(Clone, Copy, Debug)]
pub struct Protocol {
    /// What it relies on.
    pub rules: Rules,
    /// What it is free to do.
    pub freedoms: Freedoms,
}

impl Protocol {
    /// The protocol as designed.
    pub const DESIGN: Self = Self { rules: Rules::DESIGN, freedoms: Freedoms::DESIGN };
}

/// A protocol with one switch turned.
#[derive(Clone, Copy, Debug)]
pub struct Variant {
    /// The switch.
    pub name: &'static str,
    /// What it says.
    pub text: &'static str,
    /// The protocol with it turned.
    pub protocol: Protocol,
}

/// The rule that no answer depends on. A day that a worker makes of rows cut later than itself differs from what it
/// should be only if its interval was touched in between, and that very touch makes it stale for ever. But then the same
/// bucket at the same position is not always the same bytes, so this mutant is judged by the rows it writes.
const BREAKS_ONLY_ROWS: &str = "workers_refuse_rows_cut_later";

impl Variant {
    /// Whether wrong rows are all that it can do wrong.
    pub fn breaks_only_rows(&self) -> bool {
        self.name == BREAKS_ONLY_ROWS
    }
}

/// Each rule alone removed.
pub fn mutants() -> Vec<Variant> {
    let variant =
        |(name, text, rules)| Variant { name, text, protocol: Protocol { rules, ..Protocol::DESIGN } };
    Rules::each_turned().into_iter().map(variant).collect()
}

/// Each freedom alone taken.
pub fn liberties() -> Vec<Variant> {
    let variant =
        |(name, text, freedoms)| Variant { name, text, protocol: Protocol { freedoms, ..Protocol::DESIGN } };
    Freedoms::each_turned().into_iter().map(variant).collect()
}
