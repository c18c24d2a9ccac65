//! What a token says.

use anyhow::Context;
use jsonwebtoken::{EncodingKey, Header};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// The claims we read. Everything else in a token is passed over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claims {
    /// Who; for the log only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sub: Option<String>,
    /// When the token ends, in Unix seconds. Required.
    pub exp: u64,
    /// Checked when the settings name one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub iss: Option<String>,
    /// The organisations the token is for.
    #[serde(default)]
    pub orgs: Vec<Grant>,
}

/// What a token allows in one organisation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grant {
    /// The organisation.
    pub id: String,
    /// Permissions such as `billing:view`.
    #[serde(default)]
    pub permissions: Vec<String>,
    /// Roles; `Admin` has every permission.
    #[serde(default)]
    pub roles: Vec<String>,
}

impl Claims {
    /// The organisations whose AI usage may be seen, in the token's order.
    pub fn allowed(&self) -> Vec<String> {
        let allowed = self.orgs.iter().filter(|grant| grant.allows(super::PERMISSION));
        allowed.map(|grant| grant.id.clone()).collect()
    }
}

impl Grant {
    /// Whether a permission is given, by itself or by role.
    pub fn allows(&self, permission: &str) -> bool {
        self.permissions.iter().any(|given| given == permission)
            || self.roles.iter().any(|role| role == super::ADMIN_ROLE)
    }
}

/// A token for a demonstration, signed with the service's own secret.
///
/// # Errors
/// When the secret cannot sign.
pub fn demo_token(secret: &str, grants: Vec<Grant>, lifetime: Duration) -> anyhow::Result<String> {
    let now = u64::try_from(service::clock::now_ms() / 1000).unwrap_or(0);
    let claims =
        Claims { sub: Some("demo".to_owned()), exp: now + lifetime.as_secs(), iss: None, orgs: grants };
    jsonwebtoken::encode(&Header::default(), &claims, &EncodingKey::from_secret(secret.as_bytes()))
        .context("cannot sign the token")
}
