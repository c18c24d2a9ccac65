//! One-time codes: what a sign-in link carries in the place of a token.
//!
//! A code is signed with a key derived from `auth.key`, so that it can never be taken for a token nor a token for a
//! code. It holds for minutes, and this process remembers the codes it has taken until they expire. What was taken
//! before a restart is not known any more, so a code from before the start is refused.

use crate::auth::Grant;
use anyhow::Context;
use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation, decode, encode};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use uuid::Uuid;

/// How long a link may wait for its click.
pub const CODE_LIFETIME: Duration = Duration::from_secs(10 * 60);

/// What the key of codes is derived from. A signed JWT has no space, so no token signs this text.
const PURPOSE: &[u8] = b"ai-usage sign-in code";

/// What a code stands for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Invitation {
    /// Names the code: it is taken once.
    jti: Uuid,
    /// When it was made, in Unix milliseconds.
    made_at_ms: i64,
    /// When it ends, in Unix seconds.
    exp: u64,
    /// What the session may see.
    pub orgs: Vec<Grant>,
    /// How long the session lasts.
    pub session_seconds: u64,
}

/// Why a code is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CodeError {
    /// Not made with this service's key, or damaged.
    #[error("This sign-in link is not complete, or was made for another service. Open the whole link.")]
    Unknown,
    /// Too old.
    #[error("This sign-in link has expired. Ask for a new one: it holds for ten minutes.")]
    Expired,
    /// Taken before.
    #[error("This sign-in link was used already. Ask for a new one: each works once.")]
    Used,
    /// From before the start of this process.
    #[error("This sign-in link is older than the running service. Ask for a new one.")]
    BeforeStart,
}

/// Reads and takes codes.
pub struct Codes {
    key: DecodingKey,
    started_at_ms: i64,
    taken: Mutex<HashMap<Uuid, u64>>,
}

impl std::fmt::Debug for Codes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Codes")
    }
}

/// A new code for a session with these grants.
///
/// # Errors
/// When the secret cannot sign.
pub fn new_code(secret: &str, orgs: Vec<Grant>, session: Duration) -> anyhow::Result<String> {
    let made_at_ms = service::clock::now_ms();
    let exp = seconds(made_at_ms) + CODE_LIFETIME.as_secs();
    let jti = Uuid::now_v7();
    let invitation = Invitation { jti, made_at_ms, exp, orgs, session_seconds: session.as_secs() };
    let key = EncodingKey::from_secret(derived(secret)?.as_bytes());
    encode(&Header::default(), &invitation, &key).context("cannot sign the code")
}

impl Codes {
    /// For codes made with this secret from now on.
    ///
    /// # Errors
    /// When no key can be derived from the secret.
    pub fn new(secret: &str) -> anyhow::Result<Self> {
        let key = DecodingKey::from_secret(derived(secret)?.as_bytes());
        Ok(Self { key, started_at_ms: service::clock::now_ms(), taken: Mutex::default() })
    }

    /// What a code stands for, without taking it: a link that is only looked at stays good.
    ///
    /// # Errors
    /// Why it would be refused.
    pub fn look_at(&self, code: &str) -> Result<Invitation, CodeError> {
        let invitation = self.read(code)?;
        let taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        if taken.contains_key(&invitation.jti) { Err(CodeError::Used) } else { Ok(invitation) }
    }

    /// What a code stands for. It is taken from now on.
    ///
    /// # Errors
    /// Why it is refused.
    pub fn take(&self, code: &str) -> Result<Invitation, CodeError> {
        let invitation = self.read(code)?;
        let now = seconds(service::clock::now_ms());
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        taken.retain(|_, exp| *exp >= now);
        match taken.insert(invitation.jti, invitation.exp) {
            None => Ok(invitation),
            Some(_) => Err(CodeError::Used),
        }
    }

    fn read(&self, code: &str) -> Result<Invitation, CodeError> {
        let mut validation = Validation::new(Algorithm::HS256);
        validation.leeway = 0;
        validation.set_required_spec_claims(&["exp"]);
        let invitation = decode::<Invitation>(code, &self.key, &validation)
            .map_err(|error| match error.kind() {
                ErrorKind::ExpiredSignature => CodeError::Expired,
                _ => CodeError::Unknown,
            })?
            .claims;
        if invitation.made_at_ms < self.started_at_ms { Err(CodeError::BeforeStart) } else { Ok(invitation) }
    }
}

fn derived(secret: &str) -> anyhow::Result<String> {
    let key = EncodingKey::from_secret(secret.as_bytes());
    jsonwebtoken::crypto::sign(PURPOSE, &key, Algorithm::HS256)
        .context("cannot derive the key of sign-in codes")
}

fn seconds(unix_ms: i64) -> u64 {
    u64::try_from(unix_ms / 1000).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::demo_token;

    const SECRET: &str = "a secret of more than thirty-two bytes, for tests";
    const SESSION: Duration = Duration::from_secs(3600);

    fn grants() -> Vec<Grant> {
        vec![Grant { id: "acme".into(), permissions: vec!["billing:view".into()], roles: Vec::new() }]
    }

    fn signed(invitation: &Invitation) -> String {
        let key = EncodingKey::from_secret(derived(SECRET).unwrap().as_bytes());
        encode(&Header::default(), invitation, &key).unwrap()
    }

    fn invitation(made_at_ms: i64, exp: u64) -> Invitation {
        Invitation { jti: Uuid::now_v7(), made_at_ms, exp, orgs: grants(), session_seconds: 60 }
    }

    #[test]
    fn a_code_is_taken_once_and_may_be_looked_at_before() {
        let codes = Codes::new(SECRET).unwrap();
        let code = new_code(SECRET, grants(), SESSION).unwrap();
        assert_eq!(codes.look_at(&code), codes.look_at(&code));
        let invitation = codes.take(&code).unwrap();
        assert_eq!((invitation.orgs, invitation.session_seconds), (grants(), 3600));
        assert_eq!(codes.take(&code), Err(CodeError::Used));
        assert_eq!(codes.look_at(&code), Err(CodeError::Used));
        assert!(codes.take(&new_code(SECRET, grants(), SESSION).unwrap()).is_ok());
    }

    #[test]
    fn an_expired_code_and_one_from_before_the_start_are_refused() {
        let codes = Codes::new(SECRET).unwrap();
        let now = service::clock::now_ms();
        assert_eq!(codes.take(&signed(&invitation(now, seconds(now) - 1))), Err(CodeError::Expired));
        let early = invitation(codes.started_at_ms - 1, seconds(now) + 60);
        assert_eq!(codes.take(&signed(&early)), Err(CodeError::BeforeStart));
    }

    #[test]
    fn neither_a_token_nor_another_services_code_is_a_code() {
        let codes = Codes::new(SECRET).unwrap();
        let token = demo_token(SECRET, grants(), SESSION).unwrap();
        let other = new_code("another secret of more than thirty-two bytes", grants(), SESSION).unwrap();
        let code = new_code(SECRET, grants(), SESSION).unwrap();
        let (head, _) = code.rsplit_once('.').unwrap();
        for text in ["", "abc", head, &format!("{head}."), &token, &other] {
            assert_eq!(codes.take(text), Err(CodeError::Unknown), "{text}");
        }
    }

    #[test]
    fn what_was_taken_is_forgotten_when_it_would_have_expired() {
        let codes = Codes::new(SECRET).unwrap();
        codes.taken.lock().unwrap().insert(Uuid::now_v7(), 1);
        codes.take(&new_code(SECRET, grants(), SESSION).unwrap()).unwrap();
        assert_eq!(codes.taken.lock().unwrap().len(), 1);
    }
}
