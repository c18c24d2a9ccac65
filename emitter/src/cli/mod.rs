//! The command `emit`: publishes calls and directory changes from files.

mod arguments;
mod call_line;
mod calls;
mod changes;
mod direct;
mod directory_line;
mod event_ids;
mod input;
mod kafka;
mod pace;
mod progress;
mod publishing;
mod row;
mod shift;
mod span;
mod survey;

pub use arguments::Arguments;

use arguments::Command;
use std::process::ExitCode;

/// Does what the command line says. The answer goes to stdout, everything else to stderr.
///
/// # Errors
/// Anything that kept a call or change from being published; the text says what to do.
pub fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    match &arguments.command {
        Command::Calls(arguments) => calls::run(arguments),
        Command::Directory(arguments) => changes::run_directory(arguments),
        Command::Refused(arguments) => changes::run_refused(arguments),
    }
}
