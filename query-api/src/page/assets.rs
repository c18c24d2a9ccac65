//! The style sheet, the script and the icon: part of the program, served under names that change with their content,
//! so that browsers may keep them for ever.

use crate::problem::{Problem, ProblemKind};
use axum::extract::Path;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use std::sync::LazyLock;

/// A file the pages link to.
#[derive(Debug)]
pub struct Asset {
    stem: &'static str,
    extension: &'static str,
    content_type: &'static str,
    content: LazyLock<String>,
}

/// How everything looks.
pub static STYLE: Asset = Asset {
    stem: "style",
    extension: "css",
    content_type: "text/css; charset=utf-8",
    content: LazyLock::new(|| packed(include_str!("../../assets/style.css"))),
};
/// How the Usage page looks besides.
pub static USAGE_STYLE: Asset = Asset {
    stem: "usage",
    extension: "css",
    content_type: "text/css; charset=utf-8",
    content: LazyLock::new(|| packed(include_str!("../../assets/usage.css"))),
};
/// How the Audit page looks besides.
pub static AUDIT_STYLE: Asset = Asset {
    stem: "audit",
    extension: "css",
    content_type: "text/css; charset=utf-8",
    content: LazyLock::new(|| packed(include_str!("../../assets/audit.css"))),
};
/// What spares a reload; the pages work without it.
pub static SCRIPT: Asset = Asset {
    stem: "page",
    extension: "js",
    content_type: "text/javascript; charset=utf-8",
    content: LazyLock::new(|| packed(include_str!("../../assets/page.js"))),
};
/// Stands in the browser's tab.
pub static ICON: Asset = Asset {
    stem: "icon",
    extension: "svg",
    content_type: "image/svg+xml",
    content: LazyLock::new(|| include_str!("../../assets/icon.svg").to_owned()),
};

static PATHS: LazyLock<[(String, &Asset); 5]> =
    LazyLock::new(|| [&STYLE, &AUDIT_STYLE, &USAGE_STYLE, &SCRIPT, &ICON].map(|asset| (asset.path(), asset)));

impl Asset {
    /// Where it is served: `/assets/style-<hash of the content>.css`.
    pub fn path(&self) -> String {
        format!("/assets/{}-{:016x}.{}", self.stem, fnv1a(self.content.as_bytes()), self.extension)
    }
}

/// `GET /assets/{name}`.
///
/// # Errors
/// A name that is not of this version.
pub async fn get(Path(name): Path<String>) -> Result<Response, Problem> {
    let asset = PATHS.iter().find(|(path, _)| path.strip_prefix("/assets/") == Some(&name));
    let Some((_, asset)) = asset else {
        return Err(Problem::new(ProblemKind::NotFound, "There is no such file in this version."));
    };
    let headers = [
        (header::CONTENT_TYPE, asset.content_type),
        (header::CACHE_CONTROL, "public, max-age=31536000, immutable"),
    ];
    Ok((headers, asset.content.as_str()).into_response())
}

/// A source without what only its readers need: empty lines, indentation, and comments that have lines of their own.
fn packed(source: &str) -> String {
    let lines = source.lines().map(str::trim);
    let is_comment = |line: &str| line.starts_with("//") || (line.starts_with("/*") && line.ends_with("*/"));
    lines.filter(|line| !line.is_empty() && !is_comment(line)).collect::<Vec<_>>().join("\n")
}

/// FNV-1a: short, stable, and enough where nobody chooses the content but ourselves.
fn fnv1a(bytes: &[u8]) -> u64 {
    let hash = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, hash)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_changes_with_the_content() {
        // The published test vectors of FNV-1a.
        assert_eq!(fnv1a(b""), 0xcbf2_9ce4_8422_2325);
        assert_eq!(fnv1a(b"foobar"), 0x8594_4171_f739_67e8);
    }

    #[test]
    fn what_browsers_load_once_is_small() {
        for of_page in [&AUDIT_STYLE, &USAGE_STYLE] {
            let styles = STYLE.content.len() + of_page.content.len();
            assert!(styles <= 28 * 1024, "{}: {styles}", of_page.stem);
        }
        assert!(SCRIPT.content.len() <= 8 * 1024, "{}", SCRIPT.content.len());
    }

    #[test]
    fn what_is_served_has_no_comments_and_no_indentation() {
        assert_eq!(packed("/* a */\nb {\n  c: d; /* e */\n}\n\n// f\n"), "b {\nc: d; /* e */\n}");
    }
}
