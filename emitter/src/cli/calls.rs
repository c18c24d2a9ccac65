//! `emit calls`: check everything, then publish everything.

use super::arguments::CallsArguments;
use super::call_line::CallLine;
use super::event_ids::{EventIds, moved_by};
use super::input::{Place, is_stdin};
use super::pace::Pace;
use super::progress::Progress;
use super::publishing::Publishing;
use super::row::LineError;
use super::survey::{BadLines, Survey, call_lines, show_time};
use anyhow::bail;
use proto::{Call, OCCURRED_AFTER_APPEND_MS_MAX, OCCURRED_BEFORE_APPEND_MS_MAX};
use std::process::ExitCode;
use std::time::Instant;

/// Publishes calls.
///
/// # Errors
/// Whatever kept calls from being published, and what was published before.
pub fn run(arguments: &CallsArguments) -> anyhow::Result<ExitCode> {
    let stream = arguments.files.iter().any(|file| is_stdin(file));
    if stream && arguments.files.len() > 1 {
        bail!("`-` stands for stdin and must be the only file");
    }
    // A stream cannot be read twice: it is checked while it is published.
    let survey = if stream && !arguments.dry_run { None } else { Some(survey(arguments)?) };
    if let Some(survey) = &survey {
        report_bad(&survey.bad);
        if survey.bad.count > 0 && !arguments.skip_bad_lines {
            let lines = survey.calls + survey.bad.count;
            let hint = "repair them, or publish the others with --skip-bad-lines";
            bail!("{} of {lines} lines are wrong; nothing was published: {hint}", survey.bad.count);
        }
    }
    let newest = survey.as_ref().and_then(|survey| survey.newest.as_ref()).map(|(newest, _)| *newest);
    let empty = survey.as_ref().is_some_and(|survey| survey.calls == 0);
    let shift_ms = if empty { 0 } else { arguments.shift().resolve(newest, service::clock::now_ms())? };
    if let Some(survey) = &survey {
        check_times(survey, shift_ms, arguments)?;
        print!("{survey}");
        if shift_ms != 0 {
            let ends = survey.oldest.iter().chain(&survey.newest).map(|(at, _)| show_time(at + shift_ms));
            println!("moved to {}", ends.collect::<Vec<_>>().join(" to "));
        }
    }
    // What an earlier run left in a queue folder goes out also with nothing to add.
    if arguments.dry_run || empty && arguments.queue_dir.is_none() {
        println!("nothing was published");
        return Ok(ExitCode::SUCCESS);
    }
    publish(arguments, survey.map(|survey| survey.calls), shift_ms)
}

/// The first pass: reads and checks every line.
fn survey(arguments: &CallsArguments) -> anyhow::Result<Survey> {
    let mut survey = Survey::default();
    let mut progress = Progress::begin("checked", None);
    for line in call_lines(&arguments.files, arguments.format)? {
        match line? {
            (place, Ok(line)) => survey.add(&place, &line.call)?,
            (place, Err(error)) => survey.bad.add(&place, &error),
        }
        progress.step();
    }
    Ok(survey)
}

/// The second pass: publishes every call.
fn publish(arguments: &CallsArguments, total: Option<u64>, shift_ms: i64) -> anyhow::Result<ExitCode> {
    let mut publishing = Publishing::start(arguments)?;
    // An empty input has no newest call that could have chosen the move.
    if total != Some(0) {
        arguments.shift().remember(shift_ms)?;
    }
    let mut progress = Progress::begin("published", total);
    let (mut pace, mut ids, mut bad) = (Pace::new(arguments.speed), EventIds::default(), BadLines::default());
    for line in call_lines(&arguments.files, arguments.format)? {
        let (place, line) = line?;
        let moved = line.and_then(|line| moved(line, &mut ids, shift_ms));
        let call = match moved {
            Ok(call) => call,
            Err(error) if arguments.skip_bad_lines => {
                bad.add(&place, &error);
                continue;
            }
            Err(error) => {
                drop(progress);
                return stop_at(publishing, &place, &error);
            }
        };
        if let Some(due) = pace.due(call.occurred_at_ms(), Instant::now()) {
            publishing.wait_until(due)?;
        }
        publishing.emit(&call)?;
        progress.step();
    }
    drop(progress);
    let outcome = publishing.finish()?;
    // Of files, the first pass has told them already.
    if total.is_none() {
        report_bad(&bad);
    }
    if outcome.resumed > 0 {
        println!("resumed from an earlier run: {}", outcome.resumed);
    }
    if bad.count > 0 {
        println!("left out: {}", bad.count);
    }
    println!("published: {}", outcome.accepted);
    println!("acknowledged: {}", outcome.acknowledged);
    Ok(if outcome.complete { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Gives a call its id and its time, both moved.
fn moved(line: CallLine, ids: &mut EventIds, shift_ms: i64) -> Result<Call, LineError> {
    let CallLine { mut call, has_event_id } = line;
    let event_id = if has_event_id { call.event_id } else { ids.derive(&call) };
    call.event_id = moved_by(event_id, shift_ms);
    check_time(call.occurred_at_ms())?;
    Ok(call)
}

/// What ingest would make a dead letter is better told here.
fn check_time(occurred_at_ms: i64) -> Result<(), LineError> {
    let age = service::clock::now_ms().saturating_sub(occurred_at_ms);
    if (-OCCURRED_AFTER_APPEND_MS_MAX..=OCCURRED_BEFORE_APPEND_MS_MAX).contains(&age) {
        return Ok(());
    }
    let at = show_time(occurred_at_ms);
    let allowed = "times from 731 days ago to one day ahead are counted";
    Err(LineError::field(
        "occurred_at",
        format_args!("is {at}; {allowed}: move them with --shift or --shift-to-now"),
    ))
}

/// Checks the oldest and the newest call, between which all others lie.
fn check_times(survey: &Survey, shift_ms: i64, arguments: &CallsArguments) -> anyhow::Result<()> {
    for (at, place) in survey.oldest.iter().chain(&survey.newest) {
        if let Err(error) = check_time(at + shift_ms)
            && !arguments.skip_bad_lines
        {
            bail!("{place}: {error}; nothing was published");
        }
    }
    Ok(())
}

/// Ends at a wrong line of a stream (or of a file that was changed since it was checked).
fn stop_at(publishing: Publishing, place: &Place, error: &LineError) -> anyhow::Result<ExitCode> {
    let outcome = publishing.finish()?;
    bail!(
        "{place}: {error}; the {} calls before it were published and {} are acknowledged; repair the line, or leave \
         such lines out with --skip-bad-lines, and publish again: calls keep their ids, so none counts twice",
        outcome.accepted,
        outcome.acknowledged
    );
}

fn report_bad(bad: &BadLines) {
    if bad.count > 0 {
        eprint!("{bad}");
    }
}
