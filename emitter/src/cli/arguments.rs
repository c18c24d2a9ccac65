//! The command line.

use super::input::Format;
use super::pace::Speed;
use super::shift::Shift;
use super::span::Span;
use clap::{Args, Parser, Subcommand};
use std::path::PathBuf;

/// Publishes AI calls, and the names of organisations and members, to Kafka.
#[derive(Debug, Parser)]
#[command(name = "emit", version)]
pub struct Arguments {
    /// What to publish.
    #[command(subcommand)]
    pub command: Command,
}

/// What to publish.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Publish calls from JSON Lines or CSV. Publishing the same file twice adds nothing: ids stay the same
    Calls(CallsArguments),
    /// Publish the present state of organisations and members from JSON Lines
    Directory(ChangesArguments),
    /// Publish again what Kafka had refused: `refused.jsonl` of an emitter's queue folder
    Refused(ChangesArguments),
}

/// Where Kafka is.
#[derive(Debug, Args)]
pub struct Connection {
    /// Kafka's bootstrap servers, separated by commas
    #[arg(long, env = "KAFKA_BROKERS", default_value = "127.0.0.1:19092", value_name = "HOST:PORT")]
    pub brokers: String,
    /// Another topic than the standard one
    #[arg(long, value_name = "NAME")]
    pub topic: Option<String>,
    /// Further option of Kafka's client (librdkafka), such as security.protocol=SASL_SSL; repeatable. Give sasl.password
    /// by the environment instead, as KAFKA_SASL_PASSWORD: every user of the machine can read a command line
    #[arg(short = 'X', value_name = "KEY=VALUE", value_parser = option)]
    pub options: Vec<(String, String)>,
    /// How long to wait while Kafka acknowledges nothing (500ms, 30s, 5m)
    #[arg(long, default_value = "30s", value_name = "DURATION")]
    pub timeout: Span,
}

impl Connection {
    /// All options of Kafka's client: those of the command line, and the password of the environment unless they name one.
    pub fn client_options(&self) -> Vec<(String, String)> {
        let mut options = self.options.clone();
        let is_named = options.iter().any(|(key, _)| key == "sasl.password");
        if let Some(password) =
            std::env::var("KAFKA_SASL_PASSWORD").ok().filter(|text| !text.is_empty() && !is_named)
        {
            options.push(("sasl.password".to_owned(), password));
        }
        options
    }
}

/// Arguments of `emit calls`.
#[derive(Debug, Args)]
pub struct CallsArguments {
    /// Files of calls, published in this order; `-` alone reads stdin as it comes
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// Kafka.
    #[command(flatten)]
    pub connection: Connection,
    /// Format of the files; by default from their names (.jsonl, .ndjson, .json, .csv), JSON Lines for stdin
    #[arg(long, value_enum)]
    pub format: Option<Format>,
    /// How fast: `max`, `as-it-happened`, or a factor such as `60x`. Calls keep the order of their lines
    #[arg(long, default_value = "max")]
    pub speed: Speed,
    /// Move all times, ids included, by a duration (90d, -2h)
    #[arg(long, value_name = "DURATION", allow_hyphen_values = true, conflicts_with = "shift_to_now")]
    pub shift: Option<Span>,
    /// Move all times, ids included, so that the newest call is now
    #[arg(long)]
    pub shift_to_now: bool,
    /// Remember the move of --shift-to-now here, so that a second run publishes the very same messages
    #[arg(long, value_name = "FILE", requires = "shift_to_now")]
    pub shift_file: Option<PathBuf>,
    /// Check everything and show sums; publish nothing, ask Kafka nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Leave wrong lines out, list them, and publish the others
    #[arg(long)]
    pub skip_bad_lines: bool,
    /// Keep what Kafka has not acknowledged in this folder, and publish it first at the next run, though that run's
    /// input be empty
    #[arg(long, value_name = "DIR")]
    pub queue_dir: Option<PathBuf>,
}

impl CallsArguments {
    /// How times are moved.
    pub fn shift(&self) -> Shift {
        match (&self.shift, self.shift_to_now) {
            (Some(span), _) => Shift::By(*span),
            (None, true) => Shift::ToNow { file: self.shift_file.clone() },
            (None, false) => Shift::None,
        }
    }
}

/// Arguments of the commands that publish without a queue.
#[derive(Debug, Args)]
pub struct ChangesArguments {
    /// File of JSON lines; `-` reads stdin
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// Kafka.
    #[command(flatten)]
    pub connection: Connection,
    /// Check everything; publish nothing, ask Kafka nothing
    #[arg(long)]
    pub dry_run: bool,
}

fn option(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or("expected KEY=VALUE")?;
    Ok((key.trim().to_owned(), value.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Arguments::command().debug_assert();
    }
}
