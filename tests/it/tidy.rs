//! Rules of the repository itself: documents name what exists, and what must be absent is absent.

mod commands;
mod settings;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use system_tests::repository;

/// Every file that git tracks or would track, relative to the root.
fn files() -> Vec<String> {
    let output = std::process::Command::new("git")
        .args(["ls-files", "--cached", "--others", "--exclude-standard"])
        .current_dir(repository())
        .output()
        .expect("git is there");
    let names = String::from_utf8(output.stdout).expect("names are UTF-8");
    let names = names.lines().map(str::to_owned);
    names.filter(|name| repository().join(name).is_file()).collect()
}

fn read(file: &str) -> String {
    std::fs::read_to_string(repository().join(file)).unwrap_or_default()
}

fn ending(end: &str) -> Vec<String> {
    files().into_iter().filter(|file| file.ends_with(end)).collect()
}

/// The pieces of a text between backticks.
fn quoted(text: &str) -> Vec<&str> {
    text.split('`').skip(1).step_by(2).filter(|piece| !piece.contains('\n')).collect()
}

#[test]
fn every_file_and_folder_that_a_document_names_exists() {
    let top: BTreeSet<String> =
        files().iter().filter_map(|file| file.split_once('/').map(|(top, _)| top.to_owned())).collect();
    let mut missing = Vec::new();
    for document in ending(".md") {
        let text = read(&document);
        let folder = Path::new(&document).parent().map(Path::to_owned).unwrap_or_default();
        for target in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let target = target.split('#').next().unwrap_or_default();
            if !target.is_empty()
                && !target.contains("://")
                && !repository().join(&folder).join(target).exists()
            {
                missing.push(format!("{document}: link to {target}"));
            }
        }
        for piece in quoted(&text) {
            let path = piece.split(' ').next().unwrap_or_default().trim_end_matches('/');
            let is_path = path.split_once('/').is_some_and(|(first, _)| top.contains(first));
            let plain = !path.contains(['*', '<', '{', '$', '…', ':']);
            // Paths in a room's own README may be relative to the room.
            let places: [PathBuf; 2] = [repository().join(path), repository().join(&folder).join(path)];
            if is_path && plain && !places.iter().any(|place| place.exists()) && !path.starts_with("target/")
            {
                missing.push(format!("{document}: `{piece}`"));
            }
        }
    }
    assert!(missing.is_empty(), "documents name what does not exist:\n{}", missing.join("\n"));
}

/// Whether a function of this name stands right below `#[test]`, or `#[tokio::test]` with arguments or without.
fn has_test(text: &str, name: &str) -> bool {
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    let mut functions = lines.iter().enumerate().filter(|(_, line)| line.contains(&format!("fn {name}(")));
    functions.any(|(at, _)| {
        lines[..at]
            .iter()
            .rev()
            .take(2)
            .any(|line| line.starts_with("#[test]") || line.starts_with("#[tokio::test"))
    })
}

/// They are written as `path/file.rs::name_of_the_test`.
#[test]
fn every_test_that_a_document_names_exists() {
    let mut missing = Vec::new();
    let mut count = 0;
    for document in ending(".md") {
        let folder = Path::new(&document).parent().map(Path::to_owned).unwrap_or_default();
        for piece in quoted(&read(&document)) {
            let Some((file, name)) = piece.split_once(".rs::") else { continue };
            let file = format!("{file}.rs");
            let places = [file.clone(), folder.join(&file).display().to_string()];
            count += 1;
            if !places.iter().any(|place| has_test(&read(place), name)) {
                missing.push(format!("{document}: `{piece}`"));
            }
        }
    }
    assert!(count > 30, "only {count} tests are named: is the form still `file.rs::name`?");
    assert!(missing.is_empty(), "documents name tests that do not exist:\n{}", missing.join("\n"));
}

#[test]
fn every_make_target_that_a_document_names_exists() {
    let makefile = read("Makefile");
    for document in ending(".md") {
        let text = read(&document);
        for piece in quoted(&text) {
            if let Some(target) = piece.strip_prefix("make ").and_then(|rest| rest.split(' ').next()) {
                assert!(makefile.contains(&format!("\n{target}:")), "{document} names `make {target}`");
            }
        }
    }
}

/// The metrics of each room that has some, by the room.
fn metrics() -> Vec<(String, Vec<String>)> {
    let mut rooms = Vec::new();
    for file in ending("/metrics.rs") {
        let Some((room, _)) = file.split_once("/src/") else { continue };
        let prefix = format!("{}_", room.replace('-', "_"));
        let text = read(&file);
        let names = text.split('"').skip(1).step_by(2).filter(|name| {
            name.starts_with(&prefix)
                && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
        });
        rooms.push((room.to_owned(), names.map(str::to_owned).collect()));
    }
    rooms
}

#[test]
fn every_metric_is_named_in_its_rooms_readme() {
    let mut missing = Vec::new();
    for (room, names) in metrics() {
        // What all services share stands in the first README.
        let document = if room == "service" { "README.md".to_owned() } else { format!("{room}/README.md") };
        let readme = read(&document);
        let unnamed = names.iter().filter(|name| !readme.contains(&format!("`{name}`")));
        missing.extend(unnamed.map(|name| format!("{document} does not name {name}")));
    }
    assert!(missing.is_empty(), "{}", missing.join("\n"));
}

/// What looks like a metric of ours is one, or a table.
#[test]
fn every_metric_that_a_document_names_exists() {
    let rooms = metrics();
    let prefixes: Vec<String> =
        rooms.iter().map(|(room, _)| format!("{}_", room.replace('-', "_"))).collect();
    let metrics: BTreeSet<&String> = rooms.iter().flat_map(|(_, names)| names).collect();
    let tables: String = ending(".sql").iter().map(|file| read(file)).collect();
    let (mut named, mut missing) = (0, Vec::new());
    for document in ending(".md") {
        for piece in quoted(&read(&document)) {
            let name = piece.split('{').next().unwrap_or_default().to_owned();
            let plain = name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
            if !plain || !prefixes.iter().any(|prefix| name.starts_with(prefix)) {
                continue;
            }
            named += 1;
            if !metrics.contains(&name) && !tables.contains(&name) {
                missing.push(format!("{document}: `{piece}`"));
            }
        }
    }
    assert!(named > metrics.len(), "only {named} metrics are named");
    assert!(missing.is_empty(), "documents name metrics that do not exist:\n{}", missing.join("\n"));
}

/// The alert rules and the README's table of alerts speak of the same metrics, and of such as exist.
#[test]
fn alert_rules_and_the_readmes_alerts_name_the_same_metrics() {
    let metrics: BTreeSet<String> = metrics().into_iter().flat_map(|(_, names)| names).collect();
    let readme = read("README.md");
    let table =
        readme.split("| alert when |").nth(1).and_then(|rest| rest.split("\n\n").next()).unwrap_or_default();
    let conditions = table.lines().filter_map(|row| row.split('|').nth(1));
    let told: BTreeSet<String> = conditions.flat_map(quoted).map(str::to_owned).collect();
    let told: BTreeSet<&String> = told.iter().filter(|name| metrics.contains(*name)).collect();

    let rules = read("deploy/alerts/ai-usage.yml");
    let code = rules
        .lines()
        .map(str::trim_start)
        .filter(|line| !line.starts_with('#') && !line.starts_with("summary:"));
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let words: BTreeSet<String> = code
        .flat_map(|line| line.split(|c| !is_part(c)))
        .filter(|word| word.contains('_'))
        .map(str::to_owned)
        .collect();
    assert!(told.len() > 5, "{told:?}");
    assert_eq!(words.iter().collect::<BTreeSet<_>>(), told, "rules and README differ");
}

#[test]
fn kafka_is_absent_where_answers_are_computed() {
    for room in ["rollup", "query-api", "warehouse", "proto", "service"] {
        let manifest = read(&format!("{room}/Cargo.toml"));
        let shipped = manifest.split("[dev-dependencies]").next().unwrap_or_default();
        assert!(!shipped.contains("rdkafka"), "{room} links Kafka");
    }
}

#[test]
fn sql_is_absent_outside_the_rooms_that_own_queries() {
    for file in ending(".rs") {
        let room = file.split('/').next().unwrap_or_default();
        if ["proto", "service", "emitter", "ingest"].contains(&room) && file.contains("/src/") {
            let text = read(&file);
            for word in ["\"SELECT ", "\"INSERT INTO ", "\"ALTER TABLE "] {
                assert!(!text.contains(word), "{file} holds SQL: move it to warehouse/");
            }
        }
    }
}

#[test]
fn floats_are_absent_where_money_lives() {
    for file in ["proto/src/money.rs", "warehouse/src/ledger_block.rs", "warehouse/src/rows.rs"] {
        let text = read(file);
        assert!(!text.is_empty() && !text.contains("f64") && !text.contains("f32"), "{file} holds a float");
    }
}

#[test]
fn nothing_is_left_unfinished() {
    // Put together here, so that this file does not find itself.
    let marks =
        [concat!("TO", "DO"), concat!("FIX", "ME"), concat!("#[ig", "nore"), concat!("unimple", "mented!(")];
    for file in files() {
        if file.ends_with(".lock") || file.ends_with(".jsonl") {
            continue;
        }
        let text = read(&file);
        for mark in marks {
            assert!(!text.contains(mark), "{file} holds {mark}");
        }
    }
}
