//! A client of the query API.

use anyhow::Context;
use serde_json::Value;
use std::time::Duration;

/// Asks something on this machine, whatever proxy the environment names for the rest of the world.
///
/// # Errors
/// If there is no answer.
///
/// # Panics
/// If there cannot be a client.
pub async fn http_get(url: impl reqwest::IntoUrl) -> reqwest::Result<reqwest::Response> {
    client().get(url).send().await
}

fn client() -> reqwest::Client {
    let client = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(60));
    client.build().expect("a client")
}

/// An HTTP client of the API with a token.
#[derive(Clone, Debug)]
pub struct Client {
    client: reqwest::Client,
    address: String,
    token: String,
}

impl Client {
    /// A client of the API at `http://host:port`.
    ///
    /// # Panics
    /// If there cannot be one.
    pub fn new(address: &str, token: &str) -> Self {
        Self { client: client(), address: address.to_owned(), token: token.to_owned() }
    }

    /// The text of an answer.
    ///
    /// # Errors
    /// If there is none, or it is a problem.
    pub async fn text(&self, path: &str) -> anyhow::Result<String> {
        let request = self.client.get(format!("{}{path}", self.address)).bearer_auth(&self.token);
        let answer = request.send().await?;
        let (status, text) = (answer.status(), answer.text().await?);
        anyhow::ensure!(status.is_success(), "{path}: {status} {text}");
        Ok(text)
    }

    /// The JSON of an answer.
    ///
    /// # Errors
    /// As [`Self::text`].
    pub async fn json(&self, path: &str) -> anyhow::Result<Value> {
        let text = self.text(path).await?;
        serde_json::from_str(&text).with_context(|| text)
    }
}

/// The position at which an answer was cut.
///
/// # Panics
/// If it does not say.
pub fn position_of(said: &Value) -> u64 {
    let as_of = said["as_of"].as_str().expect("an answer has an as_of");
    as_of.split('.').next().and_then(|text| text.parse().ok()).expect("a position")
}
