//! What every handler has at hand.

use crate::admission::Admission;
use crate::auth::Keys;
use crate::envelope;
use crate::kept::Kept;
use crate::settings::QueryApiSettings;
use crate::sign_in::SignIn;
use crate::snapshot::LastSources;
use axum::http::HeaderValue;
use std::ops::Deref;
use std::sync::Arc;
use warehouse::Warehouse;

/// The parts of a running service. Cloning gives another handle to the same parts.
#[derive(Debug, Clone)]
pub struct App(Arc<Parts>);

/// See [`App`].
#[derive(Debug)]
pub struct Parts {
    /// The way to ClickHouse, as a read-only user.
    pub warehouse: Warehouse,
    /// Answers of rollup rows that may hold still.
    pub kept: Arc<Kept>,
    /// The sources as they were last seen.
    pub last_sources: LastSources,
    /// Verifies tokens.
    pub keys: Keys,
    /// See the setting `auth.cookie`.
    pub cookie: String,
    /// See the setting `pages.sign_in_url`.
    pub sign_in_url: String,
    /// See the setting `pages.behind_after`.
    pub behind_after: std::time::Duration,
    /// The Content-Security-Policy of pages.
    pub page_policy: HeaderValue,
    /// Signs browsers in by one-time links, where that is enabled.
    pub sign_in: Option<SignIn>,
    /// Bounds open requests.
    pub admission: Admission,
    /// See the setting `limits.ledger_rows`.
    pub ledger_rows_max: u64,
}

impl App {
    /// Prepares all parts; nothing is sent yet.
    ///
    /// # Errors
    /// A token key that cannot be read.
    pub fn new(settings: &QueryApiSettings) -> anyhow::Result<Self> {
        let limits = &settings.limits;
        Ok(Self(Arc::new(Parts {
            warehouse: Warehouse::new(&settings.clickhouse),
            kept: Arc::default(),
            last_sources: LastSources::default(),
            keys: Keys::new(&settings.auth)?,
            cookie: settings.auth.cookie.clone(),
            sign_in_url: settings.pages.sign_in_url.clone(),
            behind_after: settings.pages.behind_after.into(),
            page_policy: envelope::page_policy(&settings.pages.frame_ancestors)?,
            sign_in: SignIn::new(settings)?,
            admission: Admission::new(limits.requests_per_organisation, limits.requests, limits.wait.into()),
            ledger_rows_max: limits.ledger_rows,
        })))
    }
}

impl Deref for App {
    type Target = Parts;

    fn deref(&self) -> &Parts {
        &self.0
    }
}
