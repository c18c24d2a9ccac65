//! Publishes calls and directory changes from a file.
fn main() {}
