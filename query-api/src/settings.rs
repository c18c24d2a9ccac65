//! The settings of `query-api`. `settings.toml` beside `Cargo.toml` is the commented reference.

use serde::{Deserialize, Serialize};
use service::ops::OpsSettings;
use service::settings::{Check, DurationSetting, Secret, ServiceSettings, Settings};
use service::telemetry::TelemetrySettings;
use std::net::SocketAddr;
use warehouse::WarehouseSettings;

/// All settings.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct QueryApiSettings {
    /// The listener of the API.
    pub http: HttpSettings,
    /// Who may ask.
    pub auth: AuthSettings,
    /// The pages.
    pub pages: PageSettings,
    /// How much at once.
    pub limits: LimitSettings,
    /// Where the data is.
    pub clickhouse: WarehouseSettings,
    /// Health and metrics.
    pub ops: OpsSettings,
    /// Logs.
    pub telemetry: TelemetrySettings,
}

/// The section `[http]`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HttpSettings {
    /// Where the API is served.
    pub listener: SocketAddr,
    /// How long a client may take to send the head of a request. 1 second to 1 minute.
    pub header_timeout: DurationSetting,
}

/// The section `[auth]`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AuthSettings {
    /// How tokens are signed when `key` is given.
    pub algorithm: TokenAlgorithm,
    /// The shared secret or the public key; empty when `jwks_url` is given.
    pub key: Secret,
    /// Where keys are published; empty when `key` is given.
    pub jwks_url: String,
    /// How long published keys are kept. 10 seconds to 24 hours.
    pub jwks_refresh: DurationSetting,
    /// Required issuer; empty for any.
    pub issuer: String,
    /// Required audience; empty for any.
    pub audience: String,
    /// Name of the cookie that carries a browser's token.
    pub cookie: String,
}

/// The section `[pages]`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PageSettings {
    /// Whether one-time links are exchanged for the cookie; see [`crate::sign_in`].
    pub sign_in_links: bool,
    /// Where a page sends people whose session has ended; empty for nowhere.
    pub sign_in_url: String,
    /// Origins whose pages may show ours in a frame, parted by spaces; empty for none.
    pub frame_ancestors: String,
    /// From which age on a page says that its numbers are behind. 1 second to 1 day.
    pub behind_after: DurationSetting,
}

/// How tokens are signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum TokenAlgorithm {
    /// HMAC with SHA-256 and a shared secret.
    Hs256,
    /// RSA with SHA-256.
    Rs256,
    /// ECDSA on P-256 with SHA-256.
    Es256,
}

/// The section `[limits]`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LimitSettings {
    /// Open requests of one organisation. 1 to 1000.
    pub requests_per_organisation: usize,
    /// Open requests of all. 1 to 10000.
    pub requests: usize,
    /// How long a request waits for its place. Up to 1 minute.
    pub wait: DurationSetting,
    /// Ledger rows to read in place of missing rollup rows before an older snapshot is preferred. 10^4 to 10^10.
    pub ledger_rows: u64,
    /// How long a client may leave an export, or any other answer, unread. 1 second to 1 hour.
    pub export_stall: DurationSetting,
}

/// A shorter secret can be guessed: as many bytes as the hash has (RFC 7518, section 3.2).
const SECRET_BYTES_MIN: usize = 32;

impl Settings for QueryApiSettings {
    const DEFAULTS: &'static str = include_str!("../settings.toml");

    fn validate(&self, check: &mut Check) {
        let secs = DurationSetting::from_secs;
        check.within("http.header_timeout", self.http.header_timeout, secs(1)..=secs(60));
        self.auth.validate(check);
        self.pages.validate(&self.auth, check);
        let limits = &self.limits;
        check.within("limits.requests_per_organisation", limits.requests_per_organisation, 1..=1000);
        check.within("limits.requests", limits.requests, 1..=10_000);
        check.within("limits.wait", limits.wait, secs(0)..=secs(60));
        check.within("limits.ledger_rows", limits.ledger_rows, 10_000..=10_000_000_000);
        check.within("limits.export_stall", limits.export_stall, secs(1)..=secs(3600));
        self.clickhouse.validate(check);
        self.ops.validate(check);
    }
}

impl AuthSettings {
    fn validate(&self, check: &mut Check) {
        let secs = DurationSetting::from_secs;
        check.within("auth.jwks_refresh", self.jwks_refresh, secs(10)..=secs(24 * 3600));
        let is_name = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte);
        check.that(
            "auth.cookie",
            !self.cookie.is_empty() && self.cookie.bytes().all(is_name),
            "must be letters, digits, `_`, `-` and `.`",
        );
        let key = self.key.expose();
        if self.jwks_url.is_empty() {
            let enough = self.algorithm != TokenAlgorithm::Hs256 || key.len() >= SECRET_BYTES_MIN;
            check.that(
                "auth.key",
                !key.is_empty() && enough,
                "must be given (or auth.jwks_url instead): a secret of at least 32 bytes for HS256, for example from \
                 `openssl rand -hex 32`, or a public key in PEM form",
            );
        } else {
            check.http_url("auth.jwks_url", &self.jwks_url);
            check.that(
                "auth.key",
                key.is_empty(),
                "must be empty when auth.jwks_url is given: one of them decides",
            );
        }
    }
}

impl PageSettings {
    fn validate(&self, auth: &AuthSettings, check: &mut Check) {
        let signs = auth.algorithm == TokenAlgorithm::Hs256 && auth.jwks_url.is_empty();
        let plain = auth.issuer.is_empty() && auth.audience.is_empty();
        check.that(
            "pages.sign_in_links",
            !self.sign_in_links || (signs && plain),
            "must be false unless this service signs tokens itself: auth.algorithm HS256 with its secret in auth.key, \
             and neither auth.issuer nor auth.audience",
        );
        if !self.sign_in_url.is_empty() && !self.sign_in_url.starts_with('/') {
            check.http_url("pages.sign_in_url", &self.sign_in_url);
        }
        check.that(
            "pages.frame_ancestors",
            self.frame_ancestors.split(' ').all(|source| source.is_empty() || is_frame_source(source)),
            "must be origins such as https://app.example parted by spaces, or 'self', or empty",
        );
        let secs = DurationSetting::from_secs;
        check.within("pages.behind_after", self.behind_after, secs(1)..=secs(24 * 3600));
    }
}

/// Nothing in it may end the directive of the policy it is written into.
fn is_frame_source(source: &str) -> bool {
    let host = source.strip_prefix("https://").or_else(|| source.strip_prefix("http://"));
    let is_host = |host: &str| {
        !host.is_empty() && host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-:*[]".contains(&byte))
    };
    source == "'self'" || host.is_some_and(is_host)
}

impl ServiceSettings for QueryApiSettings {
    fn telemetry(&self) -> &TelemetrySettings {
        &self.telemetry
    }

    fn ops(&self) -> &OpsSettings {
        &self.ops
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use service::settings::{check_defaults, load};

    #[test]
    fn the_default_file_is_the_reference() {
        check_defaults::<QueryApiSettings>().unwrap();
    }

    fn mistakes(environment: &[(&str, &str)]) -> Vec<String> {
        let environment = environment.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        match load::<QueryApiSettings>(None, environment) {
            Ok(_) => Vec::new(),
            Err(mistakes) => mistakes.list().iter().map(|mistake| mistake.key.clone()).collect(),
        }
    }

    #[test]
    fn one_key_or_one_key_set_is_required() {
        let secret = "0123456789abcdef0123456789abcdef";
        assert_eq!(mistakes(&[]), ["auth.key"]);
        assert_eq!(mistakes(&[("AUTH_KEY", "short")]), ["auth.key"]);
        assert!(mistakes(&[("AUTH_KEY", secret)]).is_empty());
        assert!(mistakes(&[("AUTH_JWKS_URL", "https://id.example/keys")]).is_empty());
        assert_eq!(
            mistakes(&[("AUTH_KEY", secret), ("AUTH_JWKS_URL", "https://id.example/keys")]),
            ["auth.key"]
        );
        assert_eq!(mistakes(&[("AUTH_JWKS_URL", "id.example")]), ["auth.jwks_url"]);
    }

    #[test]
    fn one_time_links_need_a_service_that_signs_tokens_itself() {
        let secret = ("AUTH_KEY", "0123456789abcdef0123456789abcdef");
        let links = ("PAGES_SIGN_IN_LINKS", "true");
        assert!(mistakes(&[secret, links]).is_empty());
        let refused = ["pages.sign_in_links"];
        assert_eq!(mistakes(&[links, ("AUTH_JWKS_URL", "https://id.example/keys")]), refused);
        assert_eq!(mistakes(&[links, secret, ("AUTH_ALGORITHM", "ES256")]), refused);
        assert_eq!(mistakes(&[links, secret, ("AUTH_ISSUER", "https://id.example")]), refused);
    }

    #[test]
    fn what_would_break_a_header_is_refused() {
        let secret = ("AUTH_KEY", "0123456789abcdef0123456789abcdef");
        for good in ["", "'self'", "https://app.example https://*.example:8443"] {
            assert!(mistakes(&[secret, ("PAGES_FRAME_ANCESTORS", good)]).is_empty(), "{good}");
        }
        for bad in ["app.example", "https://a.example; script-src *", "https://a.example,b", "https://"] {
            assert_eq!(
                mistakes(&[secret, ("PAGES_FRAME_ANCESTORS", bad)]),
                ["pages.frame_ancestors"],
                "{bad}"
            );
        }
        for bad in ["", "a b", "a;b", "a=b"] {
            assert_eq!(mistakes(&[secret, ("AUTH_COOKIE", bad)]), ["auth.cookie"], "{bad}");
        }
    }

    #[test]
    fn what_is_out_of_bounds_is_named() {
        let given = [
            ("AUTH_KEY", "0123456789abcdef0123456789abcdef"),
            ("LIMITS_REQUESTS", "0"),
            ("LIMITS_WAIT", "2h"),
            ("PAGES_BEHIND_AFTER", "999ms"),
        ];
        assert_eq!(mistakes(&given), ["limits.requests", "limits.wait", "pages.behind_after"]);
    }
}
