//! The name-value pairs of a request, from its URL and from its form.

use crate::exception::{Code, Exception};

/// `http_max_field_value_size` of the real server, and `http_max_field_name_size`.
pub const FIELD_BYTES_MAX: usize = 131_072;

/// Pairs in the order they came; of several with one name the last one counts.
#[derive(Debug, Default)]
pub struct Params(Vec<(String, Vec<u8>)>);

impl Params {
    /// Reads the part of a URL behind `?`.
    ///
    /// # Errors
    /// A field that is longer than the real server takes.
    pub fn from_url(query: &str) -> Result<Self, Exception> {
        let mut params = Self::default();
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            check_length(name.len(), "Field name too long")?;
            check_length(value.len(), "Field value too long")?;
            let name = String::from_utf8(decode(name)).map_err(|_| {
                Exception::new(Code::BadArguments, "A parameter's name in the URL is not UTF-8")
            })?;
            params.push(name, decode(value));
        }
        Ok(params)
    }

    /// Adds a pair.
    pub fn push(&mut self, name: String, value: Vec<u8>) {
        self.0.push((name, value));
    }

    /// The value of `name`.
    pub fn get(&self, name: &str) -> Option<&[u8]> {
        self.0.iter().rev().find(|(n, _)| n == name).map(|(_, value)| value.as_slice())
    }

    /// The value of `name`, as text.
    ///
    /// # Errors
    /// It is not UTF-8.
    pub fn text(&self, name: &str) -> Result<Option<String>, Exception> {
        self.get(name).map(|value| utf8(name, value.to_vec())).transpose()
    }

    /// True if the switch `name` is on.
    pub fn is_on(&self, name: &str) -> bool {
        self.get(name).is_some_and(|value| matches!(value, b"1" | b"true"))
    }

    /// All pairs.
    pub fn into_pairs(self) -> Vec<(String, Vec<u8>)> {
        self.0
    }
}

/// `value` as text, or an error that names it.
///
/// # Errors
/// It is not UTF-8.
pub fn utf8(name: &str, value: Vec<u8>) -> Result<String, Exception> {
    String::from_utf8(value)
        .map_err(|_| Exception::new(Code::BadArguments, format_args!("The value of `{name}` is not UTF-8")))
}

/// Refuses a field that is too long, with the real server's words.
///
/// # Errors
/// `length` is above [`FIELD_BYTES_MAX`].
pub fn check_length(length: usize, message: &str) -> Result<(), Exception> {
    if length > FIELD_BYTES_MAX { Err(Exception::form(message)) } else { Ok(()) }
}

fn decode(text: &str) -> Vec<u8> {
    let bytes = text.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(&b) = bytes.get(at) {
        let escape = (b == b'%')
            .then(|| text.get(at + 1..at + 3).and_then(|h| u8::from_str_radix(h, 16).ok()))
            .flatten();
        decoded.push(match (b, escape) {
            (_, Some(value)) => value,
            (b'+', None) => b' ',
            (other, None) => other,
        });
        at += if escape.is_some() { 3 } else { 1 };
    }
    decoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_decoded_and_the_last_of_a_name_counts() {
        let params = Params::from_url("query=SELECT+%271%25%27&a=1&a=2&b&param_x=%C3%A9%00").unwrap();
        assert_eq!(params.text("query").unwrap().unwrap(), "SELECT '1%'");
        assert_eq!(params.get("a"), Some(&b"2"[..]));
        assert_eq!(params.get("b"), Some(&b""[..]));
        assert_eq!(params.get("param_x"), Some("é\0".as_bytes()));
        assert_eq!(params.get("c"), None);
    }

    #[test]
    fn a_field_of_the_greatest_length_is_taken_and_a_longer_one_is_not() {
        let value = "x".repeat(FIELD_BYTES_MAX);
        assert!(Params::from_url(&format!("a={value}")).is_ok());
        assert_eq!(Params::from_url(&format!("a={value}x")).unwrap_err().code, 1000);
    }
}
