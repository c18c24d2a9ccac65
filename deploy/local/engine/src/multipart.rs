//! `multipart/form-data`: how clients send a query with its parameters (RFC 7578).

use crate::exception::{Code, Exception};
use crate::params::{Params, check_length};

/// Greatest size of a whole form. The real server's limit is 1 GiB; a form is held in memory here.
pub const FORM_BYTES_MAX: usize = 64 << 20;

/// The boundary, if `content_type` is that of a form.
///
/// # Errors
/// A form without a boundary.
pub fn boundary(content_type: &str) -> Result<Option<&str>, Exception> {
    let mut parts = content_type.split(';').map(str::trim);
    if !parts.next().is_some_and(|kind| kind.eq_ignore_ascii_case("multipart/form-data")) {
        return Ok(None);
    }
    parts
        .filter_map(|part| part.split_once('='))
        .find(|(name, _)| name.trim().eq_ignore_ascii_case("boundary"))
        .map(|(_, value)| value.trim().trim_matches('"'))
        .filter(|value| !value.is_empty())
        .map(Some)
        .ok_or_else(|| Exception::form("No boundary line found"))
}

/// Adds the fields of a form to `params`.
///
/// # Errors
/// A field above the real server's limit of 131,072 bytes, a file (an external table), a form that breaks off.
pub fn parse(body: &[u8], boundary: &str, params: &mut Params) -> Result<(), Exception> {
    let delimiter = format!("--{boundary}");
    let delimiter = delimiter.as_bytes();
    let mut at =
        find(body, delimiter).ok_or_else(|| Exception::form("No boundary line found"))? + delimiter.len();
    loop {
        let rest = &body[at..];
        if rest.starts_with(b"--") {
            return Ok(());
        }
        let Some(header_end) = find(rest, b"\r\n\r\n") else { return Err(broken_off()) };
        let name = field_name(&rest[..header_end])?;
        let content = &rest[header_end + 4..];
        let mut end_mark = b"\r\n".to_vec();
        end_mark.extend_from_slice(delimiter);
        let Some(length) = find(content, &end_mark) else { return Err(broken_off()) };
        check_length(name.len(), "Field name too long")?;
        check_length(length, "Field value too long")?;
        params.push(name, content[..length].to_vec());
        at += header_end + 4 + length + end_mark.len();
    }
}

fn field_name(header: &[u8]) -> Result<String, Exception> {
    let header = std::str::from_utf8(header)
        .map_err(|_| Exception::new(Code::BadArguments, "A form field's header is not UTF-8"))?;
    let disposition = header
        .lines()
        .filter_map(|line| line.split_once(':'))
        .find(|(name, _)| name.trim().eq_ignore_ascii_case("content-disposition"))
        .map_or("", |(_, value)| value);
    let attribute = |wanted: &str| {
        disposition
            .split(';')
            .filter_map(|part| part.split_once('='))
            .find(|(name, _)| name.trim().eq_ignore_ascii_case(wanted))
            .map(|(_, value)| value.trim().trim_matches('"').to_owned())
    };
    if attribute("filename").is_some() {
        return Err(Exception::unsupported("A file in a form (an external table)"));
    }
    Ok(attribute("name").unwrap_or_default())
}

fn broken_off() -> Exception {
    Exception::new(
        Code::CannotReadAllData,
        "Unexpected EOF, did not find the last boundary while parsing a multipart HTTP request",
    )
}

fn find(text: &[u8], part: &[u8]) -> Option<usize> {
    let first = *part.first()?;
    let mut at = 0;
    while let Some(step) = text.get(at..)?.iter().position(|b| *b == first) {
        at += step;
        if text[at..].starts_with(part) {
            return Some(at);
        }
        at += 1;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::params::FIELD_BYTES_MAX;

    fn form(fields: &[(&str, &str)]) -> Vec<u8> {
        let mut body = String::new();
        for (name, value) in fields {
            body += &format!("--B\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n");
        }
        (body + "--B--\r\n").into_bytes()
    }

    fn fields(body: &[u8]) -> Result<Params, u16> {
        let mut params = Params::default();
        parse(body, "B", &mut params).map_err(|e| e.code)?;
        Ok(params)
    }

    #[test]
    fn every_field_arrives_byte_for_byte() {
        let value = "a\r\nb--B\r\n--\r\n\0é";
        let params =
            fields(&form(&[("query", "SELECT {x:String}"), ("param_x", value), ("param_y", "")])).unwrap();
        assert_eq!(params.get("query"), Some(&b"SELECT {x:String}"[..]));
        assert_eq!(params.get("param_x"), Some(value.as_bytes()));
        assert_eq!(params.get("param_y"), Some(&b""[..]));
    }

    #[test]
    fn a_field_of_the_greatest_length_is_taken_and_a_longer_one_is_not() {
        let value = "x".repeat(FIELD_BYTES_MAX);
        assert!(fields(&form(&[("query", &value)])).is_ok());
        assert_eq!(fields(&form(&[("query", &(value + "x"))])).unwrap_err(), 1000);
    }

    #[test]
    fn a_form_that_breaks_off_or_brings_a_file_is_refused() {
        let whole = form(&[("query", "SELECT 1")]);
        for length in 1..whole.len() - 4 {
            assert!(fields(&whole[..length]).is_err(), "{length}");
        }
        let file = b"--B\r\nContent-Disposition: form-data; name=\"t\"; filename=\"f\"\r\n\r\n1\r\n--B--\r\n";
        assert_eq!(fields(file).unwrap_err(), 48);
    }

    #[test]
    fn the_boundary_is_read_from_the_content_type() {
        assert_eq!(boundary("multipart/form-data; boundary=\"B\"").unwrap(), Some("B"));
        assert_eq!(boundary("text/plain").unwrap(), None);
        assert!(boundary("multipart/form-data").is_err());
    }
}
