//! One line of input as named cells, whatever its format, and the errors that name a cell.

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use std::fmt;

/// What stands in a cell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cell {
    /// Text: a JSON string, or a cell of a CSV file.
    Text(String),
    /// A whole JSON number that is not negative.
    Whole(u64),
    /// A JSON `true` or `false`.
    Flag(bool),
    /// Another JSON number: negative, with a fraction or an exponent.
    Number,
    /// A JSON object.
    Object(Row),
    /// A JSON list.
    List,
}

/// Cells by name, in the order of the line. Empty ones (JSON `null`, nothing in CSV) are not there.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Row(Vec<(String, Cell)>);

/// What is wrong with a line: the field and what is allowed there.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct LineError(pub String);

impl LineError {
    /// An error of one field.
    pub fn field(name: &str, problem: impl fmt::Display) -> Self {
        Self(format!("`{name}` {problem}"))
    }
}

impl Row {
    /// Reads one JSON object.
    ///
    /// # Errors
    /// No JSON, no object, or a name that comes twice.
    pub fn from_json(line: &str) -> Result<Self, LineError> {
        serde_json::from_str(line).map_err(|error| {
            // The error's own line number is always 1: the caller knows the real one.
            let text = error.to_string();
            let text = text.split(" at line ").next().unwrap_or_default();
            LineError(format!("is no JSON object of a call: {text} (column {})", error.column()))
        })
    }

    /// Takes the cells of a CSV record; those without text are left out.
    pub fn from_cells<'a>(cells: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let filled = cells.into_iter().filter(|(_, text)| !text.is_empty());
        Self(filled.map(|(name, text)| (name.to_owned(), Cell::Text(text.to_owned()))).collect())
    }

    /// Refuses names that are not known.
    ///
    /// # Errors
    /// The first name that is not in `known`.
    pub fn check_names(&self, known: &[&str]) -> Result<(), LineError> {
        match self.0.iter().find(|(name, _)| !known.contains(&name.as_str())) {
            Some((name, _)) => {
                Err(LineError::field(name, format_args!("is no field; allowed are {}", known.join(", "))))
            }
            None => Ok(()),
        }
    }

    /// The cell of this name, if it is filled.
    pub fn get(&self, name: &str) -> Option<&Cell> {
        self.0.iter().find(|(of_cell, _)| of_cell == name).map(|(_, cell)| cell)
    }

    /// A text that may be missing.
    ///
    /// # Errors
    /// Something else than text.
    pub fn optional_text(&self, name: &str) -> Result<Option<&str>, LineError> {
        match self.get(name) {
            None => Ok(None),
            Some(Cell::Text(text)) => Ok(Some(text)),
            Some(_) => Err(LineError::field(name, "is not text; write it in quotes")),
        }
    }

    /// A text that must be there.
    ///
    /// # Errors
    /// Nothing, or something else than text.
    pub fn text(&self, name: &str) -> Result<&str, LineError> {
        self.optional_text(name)?.ok_or_else(|| LineError::field(name, "is missing"))
    }

    /// A whole number that must be there.
    ///
    /// # Errors
    /// Nothing, or something else than digits.
    pub fn whole(&self, name: &str) -> Result<u64, LineError> {
        let whole = match self.get(name) {
            None => return Err(LineError::field(name, "is missing")),
            Some(Cell::Whole(whole)) => Some(*whole),
            Some(Cell::Text(text)) if text.bytes().all(|byte| byte.is_ascii_digit()) => text.parse().ok(),
            Some(_) => None,
        };
        whole.ok_or_else(|| LineError::field(name, "is not a whole number of 0 or more"))
    }

    /// A truth value; `false` when it is missing.
    ///
    /// # Errors
    /// Something else than `true` or `false`.
    pub fn flag(&self, name: &str) -> Result<bool, LineError> {
        match self.get(name) {
            None => Ok(false),
            Some(Cell::Flag(flag)) => Ok(*flag),
            Some(_) => Err(LineError::field(name, "is neither true nor false")),
        }
    }
}

impl<'de> Deserialize<'de> for Row {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(RowVisitor)
    }
}

struct RowVisitor;

impl<'de> Visitor<'de> for RowVisitor {
    type Value = Row;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Row, A::Error> {
        let mut row = Row::default();
        while let Some((name, cell)) = map.next_entry::<String, Option<Cell>>()? {
            if row.get(&name).is_some() {
                return Err(serde::de::Error::custom(format_args!("`{name}` comes twice")));
            }
            row.0.extend(cell.map(|cell| (name, cell)));
        }
        Ok(row)
    }
}

impl<'de> Deserialize<'de> for Cell {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(match serde_json::Value::deserialize(deserializer)? {
            serde_json::Value::String(text) => Self::Text(text),
            serde_json::Value::Bool(flag) => Self::Flag(flag),
            serde_json::Value::Number(number) => number.as_u64().map_or(Self::Number, Self::Whole),
            serde_json::Value::Object(object) => {
                let cells = object.into_iter().filter(|(_, value)| !value.is_null());
                let cell = |value| serde_json::from_value(value).map_err(serde::de::Error::custom);
                Self::Object(Row(cells
                    .map(|(name, value)| Ok((name, cell(value)?)))
                    .collect::<Result<_, D::Error>>()?))
            }
            serde_json::Value::Array(_) | serde_json::Value::Null => Self::List,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_keeps_what_was_written() {
        let row = Row::from_json(r#"{"a":"x","b":3,"c":0.5,"d":null,"e":true,"f":[],"g":{"h":"y"},"i":-1}"#)
            .unwrap();
        assert_eq!(row.text("a").unwrap(), "x");
        assert_eq!(row.whole("b").unwrap(), 3);
        assert_eq!(row.get("c"), Some(&Cell::Number));
        assert_eq!(row.get("d"), None);
        assert!(row.flag("e").unwrap());
        assert_eq!(row.get("f"), Some(&Cell::List));
        assert!(matches!(row.get("g"), Some(Cell::Object(inner)) if inner.text("h") == Ok("y")));
        assert_eq!(row.get("i"), Some(&Cell::Number));
    }

    #[test]
    fn what_is_no_object_is_refused() {
        for (line, part) in [
            ("", "column 0"),
            ("[1]", "expected an object"),
            (r#"{"a":1,"a":2}"#, "`a` comes twice"),
            (r#"{"a":"#, "EOF"),
            (r#"{"a":1} x"#, "trailing"),
        ] {
            let error = Row::from_json(line).unwrap_err().to_string();
            assert!(error.contains(part), "{line}: {error}");
        }
    }

    #[test]
    fn errors_name_the_field() {
        let row = Row::from_json(r#"{"credits":0.5,"n":"1e3"}"#).unwrap();
        assert_eq!(row.text("org_id").unwrap_err().to_string(), "`org_id` is missing");
        assert_eq!(row.text("credits").unwrap_err().to_string(), "`credits` is not text; write it in quotes");
        assert_eq!(row.whole("n").unwrap_err().to_string(), "`n` is not a whole number of 0 or more");
        let error = row.check_names(&["n", "org_id"]).unwrap_err().to_string();
        assert_eq!(error, "`credits` is no field; allowed are n, org_id");
    }
}
