//! `emit directory` and `emit refused`: check every line, then publish all.

use super::arguments::ChangesArguments;
use super::direct::{Message, publish};
use super::directory_line::{directory_line, refused_line};
use super::input::{Format, lines};
use super::row::{LineError, Row};
use super::survey::BadLines;
use anyhow::bail;
use std::process::ExitCode;

/// Publishes the directory.
///
/// # Errors
/// A wrong line, or a message that is not acknowledged.
pub fn run_directory(arguments: &ChangesArguments) -> anyhow::Result<ExitCode> {
    run(arguments, proto::topics::DIRECTORY, directory_line)
}

/// Publishes what Kafka had refused.
///
/// # Errors
/// A wrong line, or a message that is not acknowledged.
pub fn run_refused(arguments: &ChangesArguments) -> anyhow::Result<ExitCode> {
    run(arguments, proto::topics::CALLS, refused_line)
}

fn run(
    arguments: &ChangesArguments,
    standard_topic: &str,
    read: impl Fn(&Row) -> Result<Message, LineError>,
) -> anyhow::Result<ExitCode> {
    let (mut messages, mut bad) = (Vec::new(), BadLines::default());
    for line in lines(&arguments.file, Format::Jsonl, &[])? {
        let (place, row) = line?;
        match row.and_then(|row| read(&row)) {
            Ok(message) => messages.push(message),
            Err(error) => bad.add(&place, &error),
        }
    }
    if bad.count > 0 {
        eprint!("{bad}");
        bail!("{} lines are wrong; nothing was published: repair them", bad.count);
    }
    println!("messages: {}", messages.len());
    if arguments.dry_run || messages.is_empty() {
        println!("nothing was published");
        return Ok(ExitCode::SUCCESS);
    }
    let topic = arguments.connection.topic.as_deref().unwrap_or(standard_topic);
    println!("acknowledged: {}", publish(&arguments.connection, topic, &messages)?);
    Ok(ExitCode::SUCCESS)
}
