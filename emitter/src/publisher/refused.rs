//! Where messages go that Kafka will never take: a file of JSON lines beside the queue, so that nothing vanishes.
//!
//! One object a line: `refused_at_ms` (Unix milliseconds), `reason`, `key` (text) and `value_hex` (the message's
//! bytes). A line may come twice after a crash; the event's id tells. One that a crash or a full disk cut short is cut
//! off: its message is still in the queue, and comes again.

use crate::clock;
use crate::queue::Record;
use std::fmt::Write as _;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// Name of the file in the queue's folder.
const FILE_NAME: &str = "refused.jsonl";

/// The file, opened when it is first needed.
#[derive(Debug)]
pub(super) struct RefusedFile {
    path: PathBuf,
    file: Option<File>,
}

impl RefusedFile {
    pub fn new(queue_directory: &Path) -> Self {
        Self { path: queue_directory.join(FILE_NAME), file: None }
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Appends a message and waits until it is on the disk.
    pub fn keep(&mut self, record: &Record<'_>, reason: &str) -> io::Result<()> {
        let line = line(record, reason, clock::now_ms());
        let file = match &mut self.file {
            Some(file) => file,
            none => {
                let mut options = OpenOptions::new();
                options.read(true).append(true).create(true).mode(0o600);
                none.insert(options.open(&self.path)?)
            }
        };
        file.set_len(whole_lines(file)?)?;
        file.write_all(line.as_bytes())?;
        file.sync_data()
    }
}

/// The length of all lines that have their end.
fn whole_lines(file: &File) -> io::Result<u64> {
    let mut end = file.metadata()?.len();
    let mut buffer = [0; 4096];
    while end > 0 {
        let start = end.saturating_sub(buffer.len() as u64);
        let piece = &mut buffer[..(end - start) as usize];
        file.read_exact_at(piece, start)?;
        if let Some(at) = piece.iter().rposition(|byte| *byte == b'\n') {
            return Ok(start + at as u64 + 1);
        }
        end = start;
    }
    Ok(0)
}

fn line(record: &Record<'_>, reason: &str, refused_at_ms: i64) -> String {
    let mut value_hex = String::with_capacity(record.value.len() * 2);
    for byte in record.value {
        // Writing to a string cannot fail.
        let _ = write!(value_hex, "{byte:02x}");
    }
    let key = String::from_utf8_lossy(record.key);
    let object = serde_json::json!({
        "refused_at_ms": refused_at_ms, "reason": reason, "key": key, "value_hex": value_hex,
    });
    format!("{object}\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_that_was_cut_short_does_not_spoil_the_next_one() {
        let folder = tempfile::tempdir().unwrap();
        let record = Record { accepted_at_ms: 0, key: b"acme", value: &[7; 5000] };
        let path = folder.path().join(FILE_NAME);
        for whole_before in [0, 1] {
            let mut refused = RefusedFile::new(folder.path());
            for _ in 0..whole_before {
                refused.keep(&record, "whole").unwrap();
            }
            let whole = std::fs::read_to_string(&path).unwrap_or_default();
            let torn = &line(&record, "torn", 0)[..9000];
            std::fs::write(&path, format!("{whole}{torn}")).unwrap();
            refused.keep(&record, "again").unwrap();
            let text = std::fs::read_to_string(&path).unwrap();
            let reasons = text.lines().map(|line| {
                let line: serde_json::Value = serde_json::from_str(line).unwrap();
                line["reason"].as_str().unwrap().to_owned()
            });
            let expected = [&["whole"][..whole_before], &["again"]].concat();
            assert_eq!(reasons.collect::<Vec<_>>(), expected);
            std::fs::remove_file(&path).unwrap();
        }
    }

    #[test]
    fn a_refused_message_is_a_line_with_reason_and_bytes() {
        let folder = tempfile::tempdir().unwrap();
        let mut refused = RefusedFile::new(folder.path());
        let record = Record { accepted_at_ms: 0, key: b"acme \"quoted\"", value: &[0, 0xab, 0xff] };
        refused.keep(&record, "message too large").unwrap();
        refused.keep(&record, "again").unwrap();
        let text = std::fs::read_to_string(refused.path()).unwrap();
        let lines: Vec<serde_json::Value> =
            text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(lines.len(), 2);
        assert_eq!(lines[0]["key"], "acme \"quoted\"");
        assert_eq!(lines[0]["value_hex"], "00abff");
        assert_eq!(lines[0]["reason"], "message too large");
    }
}
