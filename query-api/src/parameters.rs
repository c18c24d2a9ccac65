//! The query string, read strictly: every key known, every value well-formed, all mistakes told at once.

use crate::problem::Problem;
use percent_encoding::percent_decode_str;

/// One thing that is wrong with a request, by parameter.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, utoipa::ToSchema)]
pub struct Mistake {
    /// The parameter's name.
    pub parameter: String,
    /// What is wrong with it and what is allowed, without the name: `must be a date such as 2026-11-23`.
    pub message: String,
}

/// The parameters of one request. Each is taken once by whoever knows it; what nobody took is unknown.
#[derive(Debug)]
pub struct Parameters {
    pairs: Vec<(String, String)>,
    known: Vec<&'static str>,
    mistakes: Vec<Mistake>,
}

impl Parameters {
    /// Reads a raw query string.
    pub fn parse(query: Option<&str>) -> Self {
        let mut parameters = Self { pairs: Vec::new(), known: Vec::new(), mistakes: Vec::new() };
        for pair in query.unwrap_or_default().split('&').filter(|pair| !pair.is_empty()) {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            match (decoded(key), decoded(value)) {
                (Some(key), Some(value)) => parameters.pairs.push((key, value)),
                (key, _) => {
                    let key = key.unwrap_or_else(|| "(unreadable)".to_owned());
                    parameters.mistake(&key, "is not percent-encoded UTF-8");
                }
            }
        }
        parameters
    }

    /// All values of a key that may stand several times.
    pub fn many(&mut self, key: &'static str) -> Vec<String> {
        self.known.push(key);
        let mut values = Vec::new();
        self.pairs.retain_mut(|(found, value)| {
            let wanted = found == key;
            if wanted {
                values.push(std::mem::take(value));
            }
            !wanted
        });
        values
    }

    /// The value of a key that may stand once.
    pub fn one(&mut self, key: &'static str) -> Option<String> {
        let mut values = self.many(key);
        if values.len() > 1 {
            self.mistake(key, "must stand only once");
        }
        values.pop()
    }

    /// The value of a key that may stand once, read by a function that says what is wrong otherwise.
    pub fn one_as<T>(
        &mut self,
        key: &'static str,
        read: impl FnOnce(&str) -> Result<T, String>,
    ) -> Option<T> {
        let value = self.one(key)?;
        match read(&value) {
            Ok(value) => Some(value),
            Err(message) => {
                self.mistake(key, message);
                None
            }
        }
    }

    /// Notes a mistake.
    pub fn mistake(&mut self, parameter: &str, message: impl Into<String>) {
        self.mistakes.push(Mistake { parameter: parameter.to_owned(), message: message.into() });
    }

    /// Whether something is wrong with a parameter already.
    pub fn is_mistaken(&self, parameter: &str) -> bool {
        self.mistakes.iter().any(|mistake| mistake.parameter == parameter)
    }

    /// Ends the reading and passes over keys that nobody knows. Pages do so: links to them come with keys of newsletters
    /// and trackers.
    ///
    /// # Errors
    /// All mistakes.
    pub fn finish_known(self) -> Result<(), Problem> {
        if self.mistakes.is_empty() { Ok(()) } else { Err(Problem::invalid_parameters(self.mistakes)) }
    }

    /// Ends the reading.
    ///
    /// # Errors
    /// All mistakes, unknown keys among them: a filter that is silently dropped would widen the answer.
    pub fn finish(mut self) -> Result<(), Problem> {
        self.known.sort_unstable();
        let known = self.known.join(", ");
        for (key, _) in std::mem::take(&mut self.pairs) {
            let allowed = if known.is_empty() { "takes none".to_owned() } else { format!("takes {known}") };
            self.mistake(&key, format!("is not a parameter of this resource, which {allowed}"));
        }
        if self.mistakes.is_empty() { Ok(()) } else { Err(Problem::invalid_parameters(self.mistakes)) }
    }
}

fn decoded(text: &str) -> Option<String> {
    let text = text.replace('+', " ");
    percent_decode_str(&text).decode_utf8().ok().map(|text| text.into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_taken_by_key_in_order() {
        let mut parameters = Parameters::parse(Some("member=a%2Fb&reason=chat&member=c+d&q="));
        assert_eq!(parameters.many("member"), ["a/b", "c d"]);
        assert_eq!(parameters.one("reason").as_deref(), Some("chat"));
        assert_eq!(parameters.one("q").as_deref(), Some(""));
        assert_eq!(parameters.one("since"), None);
        assert!(parameters.finish().is_ok());
    }

    #[test]
    fn all_mistakes_are_told_at_once() {
        let mut parameters = Parameters::parse(Some("since=x&by=day&by=month&membre=1&a=%ff"));
        parameters.one_as::<()>("since", |_| Err("must be a date".to_owned()));
        parameters.one("by");
        let problem = parameters.finish().unwrap_err();
        let told: Vec<_> = problem.mistakes().iter().map(|mistake| mistake.parameter.as_str()).collect();
        assert_eq!(told, ["a", "since", "by", "membre"]);
    }
}
