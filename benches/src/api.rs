//! The query API under measurement: the real binary, asked over HTTP by a client that keeps its connections.

use anyhow::{Context, Result, ensure};
use query_api::auth::{Grant, demo_token};
use std::time::Duration;
use system_tests::{Process, Room, Stack};

const SECRET: &str = "the secret of a benchmark, known to everybody";

/// A running query API.
pub struct Api {
    /// Its process.
    pub process: Process,
    base: String,
    client: reqwest::Client,
    token: String,
}

impl Api {
    /// Starts it in a room, as the reading user, with a token for these organisations.
    ///
    /// # Errors
    /// If the token cannot be signed or the client not be made.
    pub async fn start(stack: &Stack, room: &Room, org_ids: impl Iterator<Item = &str>) -> Result<Self> {
        let extra = [
            ("CLICKHOUSE_USER", stack.variable("CLICKHOUSE_READER_USER")),
            ("CLICKHOUSE_PASSWORD", stack.variable("CLICKHOUSE_READER_PASSWORD")),
            ("HTTP_LISTENER", "127.0.0.1:0"),
            ("AUTH_KEY", SECRET),
        ];
        let process = room.start("query-api", &extra).await;
        let line = process.says("API on http://").await;
        let address = line.split("http://").nth(1).and_then(|rest| rest.split([',', '/', ' ']).next());
        let base = format!("http://{}", address.context("the log names no address")?);
        let grants = org_ids.map(|id| Grant {
            id: id.to_owned(),
            permissions: vec!["billing:view".into()],
            roles: vec![],
        });
        let token = demo_token(SECRET, grants.collect(), Duration::from_secs(86_400))?;
        let client = reqwest::Client::builder().no_proxy().build().context("making the HTTP client")?;
        Ok(Self { process, base, client, token })
    }

    /// The body of a resource of an organisation; its answer must be 200.
    ///
    /// # Errors
    /// If it is not.
    pub async fn get(&self, org_id: &str, resource: &str) -> Result<String> {
        let body = self.fetch(&format!("/v1/orgs/{org_id}/{resource}"), "identity").await?;
        String::from_utf8(body).with_context(|| format!("{resource} of {org_id} is no text"))
    }

    /// The bytes of an answer as they travel, in an encoding such as `br`; it must be 200.
    ///
    /// # Errors
    /// If it is not.
    pub async fn fetch(&self, path: &str, encoding: &str) -> Result<Vec<u8>> {
        let url = format!("{}{path}", self.base);
        let request = self.client.get(url).bearer_auth(&self.token).header("accept-encoding", encoding);
        let answer = request.send().await?;
        let status = answer.status();
        let body = answer.bytes().await?;
        ensure!(status.is_success(), "{path}: {status} {}", String::from_utf8_lossy(&body));
        Ok(body.into())
    }
}
