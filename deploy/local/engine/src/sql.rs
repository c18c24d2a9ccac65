//! Just enough of ClickHouse's grammar to run a statement the way the server does: where its `FORMAT` clause is,
//! where the data of an `INSERT` begins, and what must not reach the engine's client side.
//!
//! The engine parses every statement itself; nothing here decides whether one is valid.

use crate::exception::{Code, Exception};

/// A statement, by the way it has to be run.
#[derive(Debug, PartialEq, Eq)]
pub enum Statement<'a> {
    /// Yields rows, any number of them.
    Select {
        /// Everything before the `FORMAT` clause.
        text: &'a [u8],
        /// The format the statement names.
        format: Option<&'a str>,
        /// What follows the `FORMAT` clause (`SETTINGS …`).
        tail: &'a [u8],
    },
    /// `INSERT` with its data behind it.
    Insert {
        /// Everything before `FORMAT` or `VALUES`.
        text: &'a [u8],
        /// The data's format.
        format: &'a str,
        /// Where in the text the data begins.
        data: usize,
    },
    /// Anything else; its output is small.
    Command {
        /// The statement, with its own `FORMAT` clause.
        text: &'a [u8],
        /// The format the statement names.
        format: Option<&'a str>,
        /// Its first word.
        verb: &'a str,
    },
}

/// Takes `sql` apart.
///
/// # Errors
/// Several statements in one text; `INTO OUTFILE` and `FROM INFILE`, which the engine would apply to files of
/// this machine; `input()`, whose data it would lose; what would end this process; commands of the interactive client.
pub fn parse(sql: &[u8]) -> Result<Statement<'_>, Exception> {
    let tokens = Tokens { sql, at: 0 };
    let mut clone = tokens.clone();
    match clone.next() {
        None => return Err(Exception::new(Code::SyntaxError, "Syntax error: Empty query")),
        Some(t) if t.is_word(sql, "INSERT") => {
            if let Some(insert) = parse_insert(sql, clone)? {
                return Ok(insert);
            }
        }
        Some(_) => {}
    }
    parse_whole(sql, tokens.collect())
}

/// An `INSERT` that brings its data; `None` for one that selects it.
fn parse_insert<'a>(sql: &'a [u8], mut tokens: Tokens) -> Result<Option<Statement<'a>>, Exception> {
    let mut depth = 0_usize;
    let mut previous: Option<Token> = None;
    let mut named = false;
    while let Some(token) = tokens.next() {
        match token.kind {
            Kind::Punctuation(b'(') => depth += 1,
            Kind::Punctuation(b')') => depth = depth.saturating_sub(1),
            Kind::Word | Kind::Quoted if !named => {
                // INTO, TABLE and FUNCTION come before the name; the name itself may be any word.
                named = !token.is_any(sql, &["INTO", "TABLE", "FUNCTION"]);
            }
            Kind::Word if depth == 0 && !previous.is_some_and(|p| p.kind == Kind::Punctuation(b'.')) => {
                if token.is_word(sql, "VALUES") {
                    return Ok(Some(Statement::Insert {
                        text: &sql[..token.start],
                        format: "Values",
                        data: token.end,
                    }));
                }
                if token.is_word(sql, "FORMAT") {
                    return Ok(tokens.next().and_then(|name| {
                        let data = data_start(sql, name.end);
                        Some(Statement::Insert { text: &sql[..token.start], format: name.word(sql)?, data })
                    }));
                }
                if token.is_word(sql, "FROM") {
                    return Err(Exception::unsupported("INSERT … FROM INFILE"));
                }
                if token.is_any(sql, &["SELECT", "WITH"]) {
                    return Ok(None);
                }
            }
            _ => {}
        }
        previous = Some(token);
    }
    Ok(None)
}

/// The data begins behind blanks and one line break, so that binary data may begin with any byte.
fn data_start(sql: &[u8], mut at: usize) -> usize {
    while matches!(sql.get(at), Some(b' ' | b'\t' | 0x0c)) {
        at += 1;
    }
    if sql.get(at) == Some(&b'\r') {
        at += 1;
    }
    if sql.get(at) == Some(&b'\n') {
        at += 1;
    }
    at
}

fn parse_whole(sql: &[u8], mut tokens: Vec<Token>) -> Result<Statement<'_>, Exception> {
    while tokens.last().is_some_and(|t| t.kind == Kind::Punctuation(b';')) {
        tokens.pop();
    }
    let (Some(first), Some(last)) = (tokens.first().copied(), tokens.last().copied()) else {
        return Err(Exception::new(Code::SyntaxError, "Syntax error: Empty query"));
    };
    refuse(sql, &tokens)?;
    let clause = format_clause(sql, &tokens);
    let format = clause.and_then(|(_, name)| name.word(sql));
    let text = &sql[..last.end];
    let yields_rows = first.kind == Kind::Punctuation(b'(') || first.is_any(sql, &["SELECT", "WITH", "FROM"]);
    Ok(match clause {
        Some((keyword, name)) if yields_rows => {
            Statement::Select { text: &sql[..keyword.start], format, tail: &sql[name.end..last.end] }
        }
        None if yields_rows => Statement::Select { text, format: None, tail: &[] },
        _ => Statement::Command { text, format, verb: first.word(sql).unwrap_or_default() },
    })
}

/// Refuses what the real server refuses, and the engine, which is ClickHouse's own client too, would do.
fn refuse(sql: &[u8], tokens: &[Token]) -> Result<(), Exception> {
    if let Some(end) = tokens.iter().find(|t| t.kind == Kind::Punctuation(b';')) {
        let at = end.start + 1;
        return Err(Exception::new(
            Code::SyntaxError,
            format_args!(
                "Syntax error (Multi-statements are not allowed): failed at position {at} (end of query)"
            ),
        ));
    }
    let follow = |a: &str, b: &[&str]| tokens.windows(2).any(|t| t[0].is_word(sql, a) && t[1].is_any(sql, b));
    if follow("INTO", &["OUTFILE"]) {
        return Err(Exception::new(Code::IntoOutfileNotAllowed, "INTO OUTFILE is not allowed"));
    }
    let first = tokens[0];
    let calls_input =
        || tokens.windows(2).any(|t| t[0].is_word(sql, "INPUT") && t[1].kind == Kind::Punctuation(b'('));
    if first.is_word(sql, "INSERT") && calls_input() {
        return Err(Exception::unsupported("INSERT … SELECT … FROM input(…)"));
    }
    // It would signal every process of this one's group.
    if first.is_word(sql, "SYSTEM") && follow("SYSTEM", &["SHUTDOWN", "KILL"]) {
        return Err(Exception::unsupported("SYSTEM SHUTDOWN and SYSTEM KILL"));
    }
    // `\i file`; and `exit`, `quit`, `logout` and the like, which have no second word.
    let begins = matches!(first.kind, Kind::Word | Kind::Punctuation(b'('));
    if !begins || tokens.len() == 1 && !first.is_any(sql, &["COMMIT", "ROLLBACK"]) {
        let word = String::from_utf8_lossy(&sql[first.start..first.end]);
        let at = first.start + 1;
        return Err(Exception::new(
            Code::SyntaxError,
            format_args!("Syntax error: failed at position {at} ({word})"),
        ));
    }
    Ok(())
}

/// The last `FORMAT name` outside parentheses that ends the statement or is followed by `SETTINGS`.
fn format_clause(sql: &[u8], tokens: &[Token]) -> Option<(Token, Token)> {
    let mut depth = 0_usize;
    let mut found = None;
    for (i, token) in tokens.iter().enumerate() {
        match token.kind {
            Kind::Punctuation(b'(' | b'[' | b'{') => depth += 1,
            Kind::Punctuation(b')' | b']' | b'}') => depth = depth.saturating_sub(1),
            Kind::Word if depth == 0 && i > 0 && token.is_word(sql, "FORMAT") => {
                let ends = tokens.get(i + 2).is_none_or(|t| t.is_word(sql, "SETTINGS"));
                if let Some(name) = tokens.get(i + 1).filter(|name| ends && name.word(sql).is_some()) {
                    found = Some((*token, *name));
                }
            }
            _ => {}
        }
    }
    found
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Word,
    Quoted,
    Punctuation(u8),
}

#[derive(Debug, Clone, Copy)]
struct Token {
    kind: Kind,
    start: usize,
    end: usize,
}

impl Token {
    fn is_word(self, sql: &[u8], word: &str) -> bool {
        self.kind == Kind::Word && sql[self.start..self.end].eq_ignore_ascii_case(word.as_bytes())
    }

    fn is_any(self, sql: &[u8], words: &[&str]) -> bool {
        words.iter().any(|word| self.is_word(sql, word))
    }

    fn word(self, sql: &[u8]) -> Option<&str> {
        (self.kind == Kind::Word).then(|| std::str::from_utf8(&sql[self.start..self.end]).ok()).flatten()
    }
}

/// The tokens of a text, without blanks and comments. What is not closed reaches to the end.
#[derive(Clone)]
struct Tokens<'a> {
    sql: &'a [u8],
    at: usize,
}

impl Iterator for Tokens<'_> {
    type Item = Token;

    fn next(&mut self) -> Option<Token> {
        loop {
            let start = self.at;
            let rest = self.sql.get(start..).filter(|rest| !rest.is_empty())?;
            match rest {
                [b, ..] if b.is_ascii_whitespace() || *b == 0x0b => self.at += 1,
                [b'-', b'-', ..] | [b'#', b' ' | b'!', ..] => self.at += until(rest, b"\n"),
                [b'/', b'*', ..] => self.at += 2 + until(&rest[2..], b"*/"),
                [quote @ (b'\'' | b'"' | b'`'), ..] => {
                    self.at += quoted_length(rest, *quote);
                    return Some(Token { kind: Kind::Quoted, start, end: self.at });
                }
                [b'$', ..] if heredoc_length(rest).is_some() => {
                    self.at += heredoc_length(rest).unwrap_or(1);
                    return Some(Token { kind: Kind::Quoted, start, end: self.at });
                }
                [b, ..] if is_word_byte(*b) => {
                    self.at += rest.iter().take_while(|b| is_word_byte(**b)).count();
                    return Some(Token { kind: Kind::Word, start, end: self.at });
                }
                [b, ..] => {
                    self.at += 1;
                    return Some(Token { kind: Kind::Punctuation(*b), start, end: self.at });
                }
                [] => return None,
            }
        }
    }
}

fn is_word_byte(b: u8) -> bool {
    b.is_ascii_alphanumeric() || b == b'_' || b == b'$' || b >= 0x80
}

/// Bytes up to and including `end`, or all.
fn until(text: &[u8], end: &[u8]) -> usize {
    text.windows(end.len()).position(|w| w == end).map_or(text.len(), |at| at + end.len())
}

/// Length of a quoted text; a backslash takes the next byte with it, a doubled quote is two texts side by side.
fn quoted_length(text: &[u8], quote: u8) -> usize {
    let mut at = 1;
    while let Some(&b) = text.get(at) {
        at += if b == b'\\' { 2 } else { 1 };
        if b == quote {
            return at;
        }
    }
    text.len()
}

/// Length of `$tag$ … $tag$`.
fn heredoc_length(text: &[u8]) -> Option<usize> {
    let tag = 1 + text[1..].iter().position(|b| !(b.is_ascii_alphanumeric() || *b == b'_'))?;
    if text[tag] != b'$' {
        return None;
    }
    let mark = &text[..=tag];
    let body = &text[mark.len()..];
    body.windows(mark.len()).position(|w| w == mark).map(|at| 2 * mark.len() + at)
}

#[cfg(test)]
#[path = "sql_tests.rs"]
mod tests;
