//! Ledger to aggregates.
