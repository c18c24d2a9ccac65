//! Defaults, file and environment as one table of dotted keys. The defaults name every key and its kind, so they decide
//! what may be overridden; whether a value is right is not known here.

use std::collections::BTreeMap;
use std::path::Path;

use toml::{Table, Value};

use super::mistakes::{Mistake, Origin};

/// Every value of a table by its dotted key, sections resolved.
pub(super) type Leaves = BTreeMap<String, Value>;

/// A value that somebody wants in the place of a default.
pub(super) struct Override {
    pub key: String,
    pub value: Value,
    pub origin: Origin,
}

/// The environment variable that overrides the key: dots become underscores, letters become capitals.
pub fn environment_name(key: &str) -> String {
    key.replace('.', "_").to_ascii_uppercase()
}

pub(super) fn leaves(table: &Table) -> Leaves {
    let mut leaves = Leaves::new();
    collect(table, "", &mut leaves);
    leaves
}

fn collect(table: &Table, section: &str, leaves: &mut Leaves) {
    for (name, value) in table {
        let key = if section.is_empty() { name.clone() } else { format!("{section}.{name}") };
        match value {
            Value::Table(inner) => collect(inner, &key, leaves),
            value => drop(leaves.insert(key, value.clone())),
        }
    }
}

pub(super) fn nest(leaves: &Leaves) -> Table {
    let mut root = Table::new();
    for (key, value) in leaves {
        let mut sections: Vec<&str> = key.split('.').collect();
        let name = sections.pop().unwrap_or_default();
        let mut table = &mut root;
        for section in sections {
            let inner = table.entry(section).or_insert_with(|| Value::Table(Table::new()));
            // A key is never a section too: both come from one TOML document, which refuses that.
            let Value::Table(inner) = inner else { unreachable!("`{section}` is a value and a section") };
            table = inner;
        }
        table.insert(name.to_owned(), value.clone());
    }
    root
}

/// What the file overrides, and every mistake that can be seen without knowing the types.
pub(super) fn from_file(path: &Path, defaults: &Leaves) -> (Vec<Override>, Vec<Mistake>) {
    let origin = Origin::File(path.to_owned());
    let whole_file =
        |allowed: String| Mistake { key: String::new(), value: None, origin: origin.clone(), allowed };
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(why) => return (Vec::new(), vec![whole_file(format!("cannot be read: {why}"))]),
    };
    let table = match text.parse::<Table>() {
        Ok(table) => table,
        Err(why) => return (Vec::new(), vec![whole_file(syntax_error(&text, &why))]),
    };
    let mut overrides = Vec::new();
    let mut mistakes = Vec::new();
    for (key, value) in leaves(&table) {
        if defaults.contains_key(&key) {
            overrides.push(Override { key, value, origin: origin.clone() });
        } else {
            let allowed = format!("is not a setting; {}", what_is(&key, defaults));
            mistakes.push(Mistake { key, value: None, origin: origin.clone(), allowed });
        }
    }
    (overrides, mistakes)
}

/// Where and what, but not the offending line itself, which may hold a secret.
fn syntax_error(text: &str, error: &toml::de::Error) -> String {
    let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or(text);
    let line = before.matches('\n').count() + 1;
    let column = before.chars().rev().take_while(|character| *character != '\n').count() + 1;
    format!("is not TOML: line {line}, column {column}: {}", error.message().replace('\n', " "))
}

/// What the environment overrides. Names that no key has are left alone, because the environment belongs to others too,
/// but one that is a slip away from a key is a mistake: it would silently leave the default in force.
pub(super) fn from_environment(
    environment: impl IntoIterator<Item = (String, String)>,
    defaults: &Leaves,
) -> (Vec<Override>, Vec<Mistake>) {
    let keys: BTreeMap<String, &String> = defaults.keys().map(|key| (environment_name(key), key)).collect();
    let environment: BTreeMap<String, String> = environment.into_iter().collect();
    let slip_of =
        |name: &str| keys.keys().find(|known| !environment.contains_key(*known) && is_a_slip(name, known));
    let mut overrides = Vec::new();
    let mut mistakes = Vec::new();
    for (name, text) in &environment {
        let origin = Origin::Environment(name.clone());
        if let Some(key) = keys.get(name) {
            let value = like(&defaults[*key], text);
            overrides.push(Override { key: (*key).clone(), value, origin });
        } else if let Some(meant) = slip_of(name) {
            let allowed = format!("no setting has this variable; rename it to {meant}, or unset it");
            mistakes.push(Mistake { key: keys[meant].clone(), value: None, origin, allowed });
        }
    }
    (overrides, mistakes)
}

/// The text of a variable as a value of the default's kind. What is no such value stays a text: the type that refuses
/// it then says what it wants.
fn like(default: &Value, text: &str) -> Value {
    match default {
        Value::String(_) => Value::String(text.to_owned()),
        Value::Array(_) => {
            let items = text.split(',').map(str::trim).filter(|item| !item.is_empty());
            Value::Array(items.map(|item| Value::String(item.to_owned())).collect())
        }
        _ => match text.trim().parse::<Value>() {
            Ok(value) if value.same_type(default) => value,
            _ => Value::String(text.to_owned()),
        },
    }
}

fn is_a_slip(name: &str, known: &str) -> bool {
    name.len() >= 6 && strsim::osa_distance(name, known) <= 2
}

fn what_is(unknown: &str, defaults: &Leaves) -> String {
    let nearest = defaults.keys().min_by_key(|key| strsim::osa_distance(unknown, key));
    match nearest {
        Some(key) if strsim::osa_distance(unknown, key) <= 3 => format!("did you mean {key}?"),
        _ => {
            format!("the settings are {}", defaults.keys().map(String::as_str).collect::<Vec<_>>().join(", "))
        }
    }
}
