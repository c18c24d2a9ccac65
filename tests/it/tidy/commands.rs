//! Commands: what documents tell people to type is what the programs and scripts take.

use super::{ending, quoted, read};
use std::collections::BTreeMap;
use std::process::Command;
use system_tests::{Process, repository};

const PROGRAMS: [&str; 6] = ["ingest", "rollup", "query-api", "warehouse", "emit", "local-engine"];
const SCRIPTS: [&str; 3] = ["deploy/local/stack", "deploy/local/services", "deploy/demo/run"];

/// Lines of code in a document: between backticks, and in blocks, without what is said beside them. Drawings are none.
fn code(text: &str) -> Vec<String> {
    let mut lines = Vec::new();
    for (number, part) in text.split("```").enumerate() {
        if number % 2 == 0 {
            lines.extend(quoted(part).into_iter().map(str::to_owned));
        } else if !part.contains(['─', '▶']) {
            let command = |line: &str| line.trim().split("  ").next().unwrap_or_default().to_owned();
            lines.extend(part.lines().map(|line| line.split(" #").next().unwrap_or_default()).map(command));
        }
    }
    lines
}

/// The program or script a line begins with, its subcommands and its options.
fn parsed(line: &str) -> Option<(String, Vec<String>, Vec<String>)> {
    let mut words = line.split_whitespace().map(|word| word.trim_matches(['[', ']', '(', ')', ';', '"']));
    let first = words.next()?;
    let name = PROGRAMS
        .iter()
        .chain(&SCRIPTS)
        .find(|name| first == **name || first.ends_with(&format!("/release/{name}")))?;
    let words: Vec<&str> = words.take_while(|word| !["|", "<", ">", "&&", "…"].contains(word)).collect();
    let is_command = |word: &&&str| {
        word.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-') && !word.starts_with('-')
    };
    let commands = words.iter().take_while(is_command).map(|word| (*word).to_owned()).collect();
    let options = words
        .iter()
        .filter(|word| word.starts_with("--"))
        .map(|word| word.split(['=', '|', '\\']).next().unwrap_or_default().to_owned())
        .collect();
    Some(((*name).to_owned(), commands, options))
}

/// What `--help` says, or why it refuses.
fn help(name: &str, commands: &[String]) -> Result<String, String> {
    let script = SCRIPTS.contains(&name);
    let program = if script { repository().join(name) } else { Process::path(name) };
    let output =
        Command::new(&program).args(commands).arg("--help").output().unwrap_or_else(|error| {
            panic!("{}: {error}; build it: cargo build --workspace", program.display())
        });
    let text =
        format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    let lists =
        |command: &String| text.lines().any(|line| line.trim_start().starts_with(&format!("{command} ")));
    // A script shows the same help for every command.
    if !output.status.success() || (script && !commands.iter().all(lists)) { Err(text) } else { Ok(text) }
}

#[test]
fn every_command_and_option_that_a_document_names_exists() {
    let mut helps = BTreeMap::new();
    let (mut count, mut missing) = (0, Vec::new());
    for document in ending(".md") {
        for line in code(&read(&document)) {
            let Some((name, commands, options)) = parsed(&line) else { continue };
            if commands.is_empty() && options.is_empty() {
                continue;
            }
            count += 1;
            let told =
                helps.entry((name.clone(), commands.clone())).or_insert_with(|| help(&name, &commands));
            match told {
                Err(why) => {
                    missing.push(format!("{document}: `{line}`: {}", why.lines().next().unwrap_or_default()))
                }
                Ok(told) => missing.extend(
                    options
                        .iter()
                        .filter(|option| {
                            !told
                                .split(|c: char| !(c.is_ascii_alphanumeric() || c == '-'))
                                .any(|word| word == *option)
                        })
                        .map(|option| format!("{document}: `{line}`: there is no {option}")),
                ),
            }
        }
    }
    assert!(count > 40, "only {count} commands are named");
    assert!(missing.is_empty(), "documents name commands that do not exist:\n{}", missing.join("\n"));
}
