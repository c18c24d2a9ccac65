//! Aggregates to people: JSON, CSV and pages.
