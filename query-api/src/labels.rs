//! What people call the known codes. An unknown code is shown as it is.

/// The known reasons: code and label, in the order in which filters offer them.
pub const REASONS: [(&str, &str); 4] = [
    ("chat", "Chat"),
    ("generate_field", "Generate field"),
    ("summarize_cv", "Summarize CV"),
    ("classify_questions", "Classify questions"),
];

/// Stands in the place of a name that is not known, or no longer to be shown.
pub const UNKNOWN_USER: &str = "Unknown user";

/// The label of a reason's code.
pub fn reason_label(code: &str) -> &str {
    REASONS.iter().find(|(known, _)| *known == code).map_or(code, |(_, label)| label)
}
