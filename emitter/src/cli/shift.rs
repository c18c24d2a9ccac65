//! Moving all calls in time, so that an old trace is present.

use super::span::Span;
use anyhow::{Context, bail};
use std::fs;
use std::path::{Path, PathBuf};

/// How times are moved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Shift {
    /// Not at all.
    None,
    /// By this much.
    By(Span),
    /// So that the newest call is now, or by what the file remembers.
    ToNow {
        /// Where the move is remembered.
        file: Option<PathBuf>,
    },
}

impl Shift {
    /// The move in milliseconds, when the newest call happened at `newest_ms`; `None` is for a stream, whose newest
    /// call is not known.
    ///
    /// # Errors
    /// A stream without a remembered move, or a file that holds none.
    pub fn resolve(&self, newest_ms: Option<i64>, now_ms: i64) -> anyhow::Result<i64> {
        let file = match self {
            Self::None => return Ok(0),
            Self::By(span) => return Ok(span.ms),
            Self::ToNow { file } => file.as_deref(),
        };
        if let Some(remembered) = file.map(remembered).transpose()?.flatten() {
            return Ok(remembered);
        }
        match newest_ms {
            Some(newest_ms) => Ok(now_ms - newest_ms),
            None => bail!(
                "the newest call of a stream is not known: name the move with --shift, or publish from a file"
            ),
        }
    }

    /// Remembers the move, before anything is published with it.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn remember(&self, shift_ms: i64) -> anyhow::Result<()> {
        let Self::ToNow { file: Some(file) } = self else { return Ok(()) };
        if remembered(file)?.is_some() {
            return Ok(());
        }
        // Renamed into place: a file that is there is whole.
        let unfinished = file.with_added_extension("new");
        let text =
            format!("{shift_ms} ms is added to the times of all calls. Delete this file to choose anew.\n");
        fs::write(&unfinished, text)
            .and_then(|()| fs::rename(&unfinished, file))
            .with_context(|| format!("cannot write the shift file `{}`", file.display()))
    }
}

fn remembered(file: &Path) -> anyhow::Result<Option<i64>> {
    let text = match fs::read_to_string(file) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => {
            return Err(error).with_context(|| format!("cannot read the shift file `{}`", file.display()));
        }
    };
    let shift_ms = text.split_once(" ms ").and_then(|(number, _)| number.parse().ok());
    let hint = "restore it, or delete it to choose a new shift, with which all calls count once more";
    shift_ms.map(Some).with_context(|| format!("`{}` is no shift file; {hint}", file.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_call_moves_to_now_and_the_move_is_remembered() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("shift");
        let shift = Shift::ToNow { file: Some(file.clone()) };
        assert_eq!(shift.resolve(Some(1000), 5000).unwrap(), 4000);
        shift.remember(4000).unwrap();
        assert_eq!(shift.resolve(Some(1000), 9000).unwrap(), 4000);
        assert_eq!(shift.resolve(None, 9000).unwrap(), 4000);
        shift.remember(7).unwrap();
        assert_eq!(shift.resolve(None, 9000).unwrap(), 4000, "what is remembered stays");

        fs::write(&file, "nonsense").unwrap();
        assert!(shift.resolve(Some(1), 2).unwrap_err().to_string().contains("is no shift file; restore it"));
    }

    #[test]
    fn a_stream_needs_a_named_move() {
        assert_eq!(Shift::None.resolve(None, 5).unwrap(), 0);
        assert_eq!(Shift::By("-2s".parse().unwrap()).resolve(None, 5).unwrap(), -2000);
        let error = Shift::ToNow { file: None }.resolve(None, 5).unwrap_err().to_string();
        assert!(error.contains("--shift"), "{error}");
    }
}
