//! The contract at rest: schema, migrations, rows, and the pure rules of position, frontier, bucket and calendar.
