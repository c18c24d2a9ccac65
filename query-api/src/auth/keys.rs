//! The keys that tokens are verified with: one from the settings, or the set an identity provider publishes.

use super::Claims;
use crate::problem::{Problem, ProblemKind};
use crate::settings::{AuthSettings, TokenAlgorithm};
use anyhow::Context;
use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, JwkSet};
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header};
use std::collections::HashMap;
use std::sync::{Arc, RwLock};
use std::time::{Duration, Instant};

/// Verifies tokens.
#[derive(Debug)]
pub struct Keys {
    issuer: String,
    audience: String,
    source: Source,
}

enum Source {
    One { algorithm: Algorithm, key: DecodingKey },
    Published(Published),
}

/// A key set fetched from a URL, kept while it is fresh, and looked at again when a token names a key it does not
/// have: that is how providers change keys.
struct Published {
    url: String,
    client: reqwest::Client,
    refresh: Duration,
    kept: RwLock<Option<Kept>>,
    fetching: tokio::sync::Mutex<()>,
}

#[derive(Clone)]
struct Kept {
    keys: Arc<HashMap<String, (Algorithm, DecodingKey)>>,
    fetched: Instant,
}

/// Tokens with invented key ids must not make us ask the provider at every request.
const FETCH_INTERVAL_MIN: Duration = Duration::from_secs(10);
const FETCH_TIMEOUT: Duration = Duration::from_secs(5);
/// A key set is a few kilobytes; more is not one.
const KEY_SET_BYTES_MAX: usize = 1 << 20;
/// While the provider is away, known keys hold for a day: signing everybody out would be the greater harm.
const STALE_MAX: Duration = Duration::from_secs(24 * 3600);
/// Clocks differ a little.
const LEEWAY_SECONDS: u64 = 30;
/// A published set never verifies a shared secret: whoever knows the public key could sign with it.
const PUBLISHED_ALGORITHMS: [Algorithm; 9] = [
    Algorithm::RS256,
    Algorithm::RS384,
    Algorithm::RS512,
    Algorithm::PS256,
    Algorithm::PS384,
    Algorithm::PS512,
    Algorithm::ES256,
    Algorithm::ES384,
    Algorithm::EdDSA,
];

impl std::fmt::Debug for Source {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::One { algorithm, .. } => write!(f, "one {algorithm:?} key"),
            Self::Published(published) => write!(f, "the keys at {}", published.url),
        }
    }
}

impl Keys {
    /// As the settings say. Nothing is fetched yet.
    ///
    /// # Errors
    /// A key that cannot be read.
    pub fn new(settings: &AuthSettings) -> anyhow::Result<Self> {
        let source = if settings.jwks_url.is_empty() {
            let key = settings.key.expose().as_bytes();
            let (algorithm, key) = match settings.algorithm {
                TokenAlgorithm::Hs256 => (Algorithm::HS256, DecodingKey::from_secret(key)),
                TokenAlgorithm::Rs256 => (
                    Algorithm::RS256,
                    DecodingKey::from_rsa_pem(key).context("auth.key is no RSA public key in PEM form")?,
                ),
                TokenAlgorithm::Es256 => (
                    Algorithm::ES256,
                    DecodingKey::from_ec_pem(key).context("auth.key is no P-256 public key in PEM form")?,
                ),
            };
            Source::One { algorithm, key }
        } else {
            let client = reqwest::Client::builder()
                .timeout(FETCH_TIMEOUT)
                .redirect(reqwest::redirect::Policy::none())
                .build()
                .context("cannot prepare the client for auth.jwks_url")?;
            Source::Published(Published {
                url: settings.jwks_url.clone(),
                client,
                refresh: settings.jwks_refresh.into(),
                kept: RwLock::new(None),
                fetching: tokio::sync::Mutex::new(()),
            })
        };
        Ok(Self { issuer: settings.issuer.clone(), audience: settings.audience.clone(), source })
    }

    /// What a token says, if it holds.
    ///
    /// # Errors
    /// `unauthenticated` with what to do; `unavailable` while no key could be fetched.
    pub async fn verify(&self, token: &str) -> Result<Claims, Problem> {
        let (algorithm, key) = match &self.source {
            Source::One { algorithm, key } => (*algorithm, key.clone()),
            Source::Published(published) => {
                let header = decode_header(token).map_err(|error| refused(error.kind()))?;
                published.key(header.kid.as_deref().unwrap_or_default()).await?
            }
        };
        let mut validation = Validation::new(algorithm);
        validation.leeway = LEEWAY_SECONDS;
        validation.validate_nbf = true;
        validation.set_required_spec_claims(&["exp"]);
        if self.issuer.is_empty() {
            validation.iss = None;
        } else {
            validation.set_issuer(&[&self.issuer]);
            validation.required_spec_claims.insert("iss".to_owned());
        }
        if self.audience.is_empty() {
            validation.validate_aud = false;
        } else {
            validation.set_audience(&[&self.audience]);
            validation.required_spec_claims.insert("aud".to_owned());
        }
        decode::<Claims>(token, &key, &validation)
            .map(|token| token.claims)
            .map_err(|error| refused(error.kind()))
    }
}

impl Published {
    async fn key(&self, kid: &str) -> Result<(Algorithm, DecodingKey), Problem> {
        if let Some(kept) = self.kept()
            && kept.fetched.elapsed() < self.refresh
            && let Some(key) = kept.keys.get(kid)
        {
            return Ok(key.clone());
        }
        let kept = self.fetched_anew().await?;
        kept.keys.get(kid).cloned().ok_or_else(|| {
            refused_because(
                "The token was signed with a key that its issuer does not publish. Sign in again.",
            )
        })
    }

    /// The set as published now; the kept one when it was fetched a moment ago, or when the provider is away.
    async fn fetched_anew(&self) -> Result<Kept, Problem> {
        let _one_at_a_time = self.fetching.lock().await;
        if let Some(kept) = self.kept().filter(|kept| kept.fetched.elapsed() < FETCH_INTERVAL_MIN) {
            return Ok(kept);
        }
        match self.fetch().await {
            Ok(keys) => {
                let kept = Kept { keys: Arc::new(keys), fetched: Instant::now() };
                *self.kept.write().unwrap_or_else(|poisoned| poisoned.into_inner()) = Some(kept.clone());
                Ok(kept)
            }
            Err(error) => {
                tracing::warn!("cannot fetch the token keys: {}", service::error::chain(error.as_ref()));
                self.kept().filter(|kept| kept.fetched.elapsed() < STALE_MAX).ok_or_else(|| {
                    let detail = "Tokens cannot be checked just now. Try again in a few seconds.";
                    Problem::new(ProblemKind::Unavailable, detail)
                })
            }
        }
    }

    async fn fetch(&self) -> anyhow::Result<HashMap<String, (Algorithm, DecodingKey)>> {
        let response = self.client.get(&self.url).send().await?.error_for_status()?;
        let body = response.bytes().await?;
        anyhow::ensure!(body.len() <= KEY_SET_BYTES_MAX, "the answer has {} bytes", body.len());
        let set: JwkSet = serde_json::from_slice(&body).context("the answer is no key set")?;
        let mut keys = HashMap::new();
        for jwk in &set.keys {
            if let (Some(algorithm), Ok(key)) = (algorithm_of(jwk), DecodingKey::from_jwk(jwk)) {
                keys.insert(jwk.common.key_id.clone().unwrap_or_default(), (algorithm, key));
            }
        }
        anyhow::ensure!(!keys.is_empty(), "the set at {} holds no key we can verify with", self.url);
        Ok(keys)
    }

    fn kept(&self) -> Option<Kept> {
        self.kept.read().unwrap_or_else(|poisoned| poisoned.into_inner()).clone()
    }
}

/// What a published key verifies. Providers may leave the algorithm out; then it follows from the kind of key.
fn algorithm_of(jwk: &Jwk) -> Option<Algorithm> {
    let algorithm = match (&jwk.common.key_algorithm, &jwk.algorithm) {
        (Some(named), _) => Algorithm::try_from(*named).ok()?,
        (None, AlgorithmParameters::RSA(_)) => Algorithm::RS256,
        (None, AlgorithmParameters::EllipticCurve(key)) if key.curve == EllipticCurve::P256 => {
            Algorithm::ES256
        }
        (None, AlgorithmParameters::EllipticCurve(key)) if key.curve == EllipticCurve::P384 => {
            Algorithm::ES384
        }
        (None, AlgorithmParameters::OctetKeyPair(_)) => Algorithm::EdDSA,
        (None, _) => return None,
    };
    PUBLISHED_ALGORITHMS.contains(&algorithm).then_some(algorithm)
}

fn refused(kind: &ErrorKind) -> Problem {
    refused_because(match kind {
        ErrorKind::ExpiredSignature => "The token has expired. Sign in again, or send a new one.",
        ErrorKind::ImmatureSignature => "The token is not valid yet. Check the clock of its issuer.",
        ErrorKind::InvalidIssuer => "The token comes from another issuer than this service trusts.",
        ErrorKind::InvalidAudience => "The token was made for another service.",
        ErrorKind::MissingRequiredClaim(_) => {
            "The token lacks a claim this service requires (exp, iss or aud)."
        }
        _ => "The token could not be verified. Sign in again, or send the whole token.",
    })
}

fn refused_because(detail: &str) -> Problem {
    Problem::new(ProblemKind::Unauthenticated, detail)
}
