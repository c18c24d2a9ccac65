//! Settings and variables: each stands in its room's README, and documents name none that does not exist.

use super::{ending, files, quoted, read};
use std::collections::BTreeSet;
use system_tests::repository;

const BEGIN: &str = "<!-- settings.toml, first sentences: begin -->";
const END: &str = "<!-- settings.toml: end -->";

/// A key of a `settings.toml`, as that file tells it.
struct Setting {
    key: String,
    default: String,
    meaning: String,
}

/// The settings of a file, in its order: a section, comments, `key = value`.
fn settings(file: &str) -> Vec<Setting> {
    let (mut section, mut comment, mut found) = (String::new(), Vec::new(), Vec::new());
    for line in read(file).lines() {
        if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            section = name.to_owned();
        } else if let Some(text) = line.strip_prefix("# ") {
            comment.push(text.to_owned());
            continue;
        } else if let Some((key, value)) = line.split_once(" = ") {
            let meaning = first_sentence(&comment.join(" "));
            found.push(Setting { key: format!("{section}.{key}"), default: value.to_owned(), meaning });
        }
        comment.clear();
    }
    found
}

/// Up to the full stop before a capital letter, a bound or the end; one in `e.g. http://…` is none.
fn first_sentence(text: &str) -> String {
    let ends = text.match_indices(". ").map(|(at, _)| at);
    let begins = |next: char| next.is_uppercase() || next.is_ascii_digit() || next == '`';
    let mut ends = ends.filter(|at| text[at + 2..].starts_with(begins));
    let end = ends.next().unwrap_or(text.len());
    text[..end].trim_end_matches('.').to_owned()
}

fn table(settings: &[Setting]) -> String {
    let row = |setting: &Setting| {
        let Setting { key, default, meaning } = setting;
        format!("| `{key}` | `{default}` | {} |", meaning.replace('|', "\\|"))
    };
    let rows: Vec<String> = settings.iter().map(row).collect();
    format!("| setting | default | meaning |\n|---|---|---|\n{}", rows.join("\n"))
}

/// Rooms with settings, and their settings.
fn rooms() -> Vec<(String, Vec<Setting>)> {
    let files = ending("/settings.toml");
    assert!(files.len() >= 4, "{files:?}");
    files.iter().map(|file| (file.trim_end_matches("/settings.toml").to_owned(), settings(file))).collect()
}

fn variable(key: &str) -> String {
    key.replace(['.', '-'], "_").to_uppercase()
}

/// With `UPDATE_SNAPSHOTS=1` the tables are written instead of compared.
#[test]
fn every_setting_stands_in_its_rooms_readme_with_its_default_and_meaning() {
    for (room, settings) in rooms() {
        let document = format!("{room}/README.md");
        let readme = read(&document);
        let parts = readme.split_once(BEGIN).and_then(|(before, rest)| {
            rest.split_once(END).map(|(found, after)| (before, found.trim(), after))
        });
        let (before, found, after) = parts.unwrap_or_else(|| panic!("{document} lacks {BEGIN} and {END}"));
        for setting in &settings {
            assert!(!setting.meaning.is_empty(), "{room}/settings.toml says nothing about {}", setting.key);
        }
        let table = table(&settings);
        if std::env::var("UPDATE_SNAPSHOTS").is_ok_and(|value| value == "1") {
            let text = format!("{before}{BEGIN}\n{table}\n{END}{after}");
            std::fs::write(repository().join(&document), text).unwrap();
        } else {
            assert_eq!(
                found, table,
                "{document} and {room}/settings.toml differ: UPDATE_SNAPSHOTS=1 cargo test -p system-tests --test it tidy"
            );
        }
    }
}

#[test]
fn every_setting_that_a_document_names_exists() {
    let keys: BTreeSet<String> =
        rooms().into_iter().flat_map(|(_, settings)| settings).map(|setting| setting.key).collect();
    let sections: BTreeSet<&str> = keys.iter().filter_map(|key| Some(key.split_once('.')?.0)).collect();
    let (mut named, mut missing) = (0, Vec::new());
    for document in ending(".md") {
        let text = read(&document);
        for piece in quoted(&text) {
            let name = piece.split([' ', '=']).next().unwrap_or_default();
            let Some((section, key)) = name.split_once('.') else { continue };
            let plain = key.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
            if !plain || !sections.contains(section) || ["rs", "sql", "xml", "jsonl"].contains(&key) {
                continue;
            }
            named += 1;
            if !keys.contains(name) {
                missing.push(format!("{document}: `{piece}`"));
            }
        }
    }
    assert!(named > keys.len(), "only {named} settings are named");
    assert!(missing.is_empty(), "documents name settings that do not exist:\n{}", missing.join("\n"));
}

/// A variable is a setting's, or some program, script or test reads it.
#[test]
fn every_variable_that_a_document_names_is_read_by_something() {
    let of_settings: BTreeSet<String> = rooms()
        .into_iter()
        .flat_map(|(_, settings)| settings)
        .map(|setting| variable(&setting.key))
        .collect();
    let programs: Vec<String> = files()
        .into_iter()
        .filter(|file| {
            ![".md", ".jsonl", ".lock", ".bin", ".png", ".json"].iter().any(|end| file.ends_with(end))
        })
        .collect();
    let mut words = BTreeSet::new();
    for file in programs {
        let text = read(&file);
        let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_';
        words.extend(text.split(|c| !is_part(c)).filter(|word| is_variable(word)).map(str::to_owned));
    }
    let (mut named, mut missing) = (0, Vec::new());
    for document in ending(".md") {
        for piece in quoted(&read(&document)) {
            for name in piece.split([' ', '=', '/']).filter(|word| is_variable(word)) {
                named += 1;
                if !of_settings.contains(name) && !words.contains(name) {
                    missing.push(format!("{document}: `{piece}`"));
                }
            }
        }
    }
    assert!(named > 50, "only {named} variables are named");
    assert!(missing.is_empty(), "documents name variables that nothing reads:\n{}", missing.join("\n"));
}

/// In capitals, of two words at least: a single one is an SQL keyword or a place for a value.
fn is_variable(word: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_';
    word.contains('_') && word.starts_with(|c: char| c.is_ascii_uppercase()) && word.bytes().all(allowed)
}
