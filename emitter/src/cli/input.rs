//! Files of lines, in either format, read with constant memory.

use super::row::{LineError, Row};
use anyhow::{Context, bail};
use clap::ValueEnum;
use std::fmt;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;
use std::sync::Arc;

/// Longest line: no call needs a hundredth of it, and a file without line breaks must not fill the memory.
const LINE_BYTES_MAX: u64 = 1 << 20;

/// How lines are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// One JSON object a line
    Jsonl,
    /// A header with the names of the fields, then one record a line
    Csv,
}

impl Format {
    /// The format a file's name tells.
    ///
    /// # Errors
    /// A name that tells none.
    pub fn of(path: &Path) -> anyhow::Result<Self> {
        let extension = path.extension().map(|extension| extension.to_string_lossy().to_ascii_lowercase());
        match extension.as_deref() {
            Some("jsonl" | "ndjson" | "json") => Ok(Self::Jsonl),
            Some("csv") => Ok(Self::Csv),
            _ if is_stdin(path) => Ok(Self::Jsonl),
            _ => bail!(
                "the format of `{}` is not known: name it with --format jsonl or --format csv",
                path.display()
            ),
        }
    }
}

/// Whether this stands for stdin.
pub fn is_stdin(path: &Path) -> bool {
    path == Path::new("-")
}

/// Where a line stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    file: Arc<str>,
    line: u64,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.file, self.line)
    }
}

/// A line's place and what it says, or what is wrong with it.
pub type Line = (Place, Result<Row, LineError>);

/// The lines of a file, from the first to the last. Blank ones are left out.
///
/// # Errors
/// The file cannot be opened or read, or its header names a column that is not in `known`.
pub fn lines(
    path: &Path,
    format: Format,
    known: &[&str],
) -> anyhow::Result<Box<dyn Iterator<Item = anyhow::Result<Line>>>> {
    let (name, reader): (Arc<str>, Box<dyn Read>) = if is_stdin(path) {
        ("stdin".into(), Box::new(io::stdin()))
    } else {
        let name = path.display().to_string();
        let file = File::open(path).with_context(|| format!("cannot open `{name}`"))?;
        (name.into(), Box::new(file))
    };
    match format {
        Format::Jsonl => {
            let reader = BufReader::with_capacity(1 << 16, reader);
            Ok(Box::new(JsonLines { reader, place: Place { file: name, line: 0 } }))
        }
        Format::Csv => csv_lines(reader, name, known),
    }
}

struct JsonLines<R> {
    reader: R,
    place: Place,
}

impl<R: BufRead> Iterator for JsonLines<R> {
    type Item = anyhow::Result<Line>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let mut bytes = Vec::new();
            match self.reader.by_ref().take(LINE_BYTES_MAX).read_until(b'\n', &mut bytes) {
                Ok(0) => return None,
                Ok(_) => {}
                Err(error) => {
                    return Some(Err(error).with_context(|| format!("cannot read `{}`", self.place.file)));
                }
            }
            self.place.line += 1;
            if bytes.len() as u64 == LINE_BYTES_MAX && bytes.last() != Some(&b'\n') {
                let text =
                    format!("{}: the line is longer than 1 MiB; is this a file of JSON lines?", self.place);
                return Some(Err(anyhow::anyhow!(text)));
            }
            let text = match std::str::from_utf8(&bytes) {
                Ok(text) => text.trim_start_matches('\u{feff}').trim(),
                Err(_) => {
                    return Some(Ok((self.place.clone(), Err(LineError("is not UTF-8 text".to_owned())))));
                }
            };
            if !text.is_empty() {
                return Some(Ok((self.place.clone(), Row::from_json(text))));
            }
        }
    }
}

fn csv_lines(
    reader: Box<dyn Read>,
    file: Arc<str>,
    known: &[&str],
) -> anyhow::Result<Box<dyn Iterator<Item = anyhow::Result<Line>>>> {
    let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::Headers).from_reader(reader);
    let header = reader.headers().with_context(|| format!("cannot read the header of `{file}`"))?.clone();
    let names: Vec<String> =
        header.iter().map(|name| name.trim_start_matches('\u{feff}').to_owned()).collect();
    for (index, name) in names.iter().enumerate() {
        if !known.contains(&name.as_str()) {
            bail!("{file}:1: `{name}` is no column; allowed are {}", known.join(", "));
        }
        if names[..index].contains(name) {
            bail!("{file}:1: the column `{name}` comes twice");
        }
    }
    Ok(Box::new(reader.into_records().map(move |record| {
        let place = |position: Option<&csv::Position>| Place {
            file: Arc::clone(&file),
            line: position.map_or(0, csv::Position::line),
        };
        match record {
            Ok(record) => {
                let cells = names.iter().map(String::as_str).zip(record.iter());
                Ok((place(record.position()), Ok(Row::from_cells(cells))))
            }
            Err(error) => match error.kind() {
                csv::ErrorKind::UnequalLengths { pos, expected_len, len } => {
                    let text = format!("has {len} cells, the header has {expected_len}");
                    Ok((place(pos.as_ref()), Err(LineError(text))))
                }
                csv::ErrorKind::Utf8 { pos, .. } => {
                    Ok((place(pos.as_ref()), Err(LineError("is not UTF-8 text".to_owned()))))
                }
                _ => Err(error).with_context(|| format!("cannot read `{file}`")),
            },
        }
    })))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(name: &str, bytes: &[u8]) -> Vec<String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        let prefix = format!("{}/", folder.path().display());
        match lines(&path, Format::of(&path).unwrap(), &["a", "b"]) {
            Err(error) => vec![format!("{error:#}").replace(&prefix, "")],
            Ok(lines) => lines
                .map(|line| match line {
                    Ok((place, Ok(row))) => format!("{place} {:?}", row.get("a")),
                    Ok((place, Err(error))) => format!("{place} {error}"),
                    Err(error) => format!("{error:#}"),
                })
                .map(|text| text.replace(&prefix, ""))
                .collect(),
        }
    }

    #[test]
    fn json_lines_are_numbered_as_an_editor_does_and_blank_ones_left_out() {
        let found = read("x.jsonl", "\u{feff}{\"a\":\"1\"}\r\n\n  \n{\"a\":\"2\"}".as_bytes());
        assert_eq!(found, ["x.jsonl:1 Some(Text(\"1\"))", "x.jsonl:4 Some(Text(\"2\"))"]);
    }

    #[test]
    fn a_bad_line_does_not_hide_the_next() {
        let found = read("x.jsonl", b"\xff\n{\n{\"a\":\"2\"}\n");
        assert_eq!(found[0], "x.jsonl:1 is not UTF-8 text");
        assert!(found[1].starts_with("x.jsonl:2 is no JSON object"), "{found:?}");
        assert_eq!(found[2], "x.jsonl:3 Some(Text(\"2\"))");
        let found = read("x.csv", b"a,b\n1\n\xff,2\n3,4\n");
        let expected = [
            "x.csv:2 has 1 cells, the header has 2",
            "x.csv:3 is not UTF-8 text",
            "x.csv:4 Some(Text(\"3\"))",
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn csv_cells_may_hold_line_breaks_and_empty_ones_are_missing() {
        let found = read("x.csv", b"\xef\xbb\xbfa, b\n\"1\n2\",x\n,y\n");
        assert_eq!(found, ["x.csv:2 Some(Text(\"1\\n2\"))", "x.csv:4 None"]);
    }

    #[test]
    fn headers_are_checked() {
        assert_eq!(read("x.csv", b"a,c\n1,2\n"), ["x.csv:1: `c` is no column; allowed are a, b"]);
        assert_eq!(read("x.csv", b"a,a\n1,2\n"), ["x.csv:1: the column `a` comes twice"]);
    }

    #[test]
    fn a_line_without_end_does_not_fill_the_memory() {
        let found = read("x.jsonl", &vec![b'x'; 3 << 20]);
        assert!(found[0].contains("x.jsonl:1: the line is longer than 1 MiB"), "{}", found[0]);
    }

    #[test]
    fn a_name_that_tells_no_format_asks_for_one() {
        assert!(Format::of(Path::new("calls.txt")).unwrap_err().to_string().contains("--format"));
        assert_eq!(Format::of(Path::new("-")).unwrap(), Format::Jsonl);
        assert_eq!(Format::of(Path::new("A.CSV")).unwrap(), Format::Csv);
    }
}
