//! `ingest dead-letters list`.

use super::letter::{self, DeadLetter};
use crate::command::reading;
use crate::settings::KafkaSettings;
use anyhow::Context;
use chrono::{DateTime, SecondsFormat};
use clap::Args;
use std::collections::HashSet;
use std::io::{self, ErrorKind, Write};
use std::num::NonZeroUsize;
use std::ops::ControlFlow;

/// Which dead letters, and how.
#[derive(Debug, Clone, Args)]
pub struct ListArgs {
    /// Only those with this reason, e.g. `undecodable`
    #[arg(long)]
    reason: Option<String>,
    /// Only those that were found in this partition
    #[arg(long)]
    partition: Option<i32>,
    /// Only those that were not put back
    #[arg(long)]
    open: bool,
    /// Only so many, oldest first
    #[arg(long)]
    limit: Option<NonZeroUsize>,
    /// One JSON object a line, all bytes in hexadecimal
    #[arg(long)]
    json: bool,
}

/// Prints dead letters to stdout, and to stderr of how many: who mistyped a reason must not read that there are none.
/// One that was written twice, after a kill, is printed once.
pub async fn list(settings: KafkaSettings, args: ListArgs) -> anyhow::Result<()> {
    tokio::task::spawn_blocking(move || {
        let spans = reading::whole(&settings, &settings.dead_letter_topic)?;
        let put_back = letter::put_back(&settings, &spans)?;
        let mut out = io::stdout().lock();
        let (mut seen, mut printed, mut is_enough) = (HashSet::new(), 0, false);
        letter::each(&settings, &spans, |message, all| {
            if !seen.insert(letter::place_in(all)) {
                return Ok(ControlFlow::Continue(()));
            }
            let letter = DeadLetter::of(message, all, &put_back);
            let is_wanted = args.reason.as_ref().is_none_or(|reason| *reason == letter.reason)
                && args.partition.is_none_or(|partition| partition == letter.origin_partition)
                && !(args.open && letter.put_back.is_some());
            if !is_wanted {
                return Ok(ControlFlow::Continue(()));
            }
            match print(&mut out, &letter, args.json) {
                // The reader has seen enough, as `head` does.
                Err(error) if error.kind() == ErrorKind::BrokenPipe => {
                    is_enough = true;
                    return Ok(ControlFlow::Break(()));
                }
                outcome => outcome.context("cannot print")?,
            }
            printed += 1;
            is_enough = args.limit.is_some_and(|limit| printed >= limit.get());
            Ok(if is_enough { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
        })?;
        match is_enough {
            true => eprintln!("{printed} shown; there may be more"),
            false => eprintln!("{printed} of {} dead letters shown", seen.len()),
        }
        Ok(())
    })
    .await?
}

fn print(out: &mut impl Write, letter: &DeadLetter, json: bool) -> io::Result<()> {
    if json {
        serde_json::to_writer(&mut *out, letter)?;
        return writeln!(out);
    }
    let appended_at = DateTime::from_timestamp_millis(letter.origin_appended_at_ms).unwrap_or_default();
    let put_back = letter.put_back.as_ref().map(|place| format!(" · put back at {place}"));
    writeln!(
        out,
        "{} · {} partition {} offset {} · appended at {}{}\n  {}\n  key     {}\n  payload {}",
        letter.reason,
        letter.origin_topic,
        letter.origin_partition,
        letter.origin_offset,
        appended_at.to_rfc3339_opts(SecondsFormat::Millis, true),
        put_back.unwrap_or_default(),
        letter.reason_text,
        letter.key.as_deref().unwrap_or("none"),
        letter.payload.as_deref().unwrap_or("none"),
    )
}
