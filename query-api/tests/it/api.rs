//! A running service, and a client that asks it.

use crate::world::World;
use query_api::auth::{Grant, demo_token};
use query_api::settings::QueryApiSettings;
use reqwest::{Method, Response, StatusCode};
use serde_json::Value;
use service::health::Health;
use service::settings::load;
use service::shutdown::Shutdown;
use std::time::Duration;
use tokio::task::JoinHandle;

pub const SECRET: &str = "a secret of more than thirty-two bytes, for tests";

/// A service in this process, on a port of its own.
pub struct Api {
    pub address: String,
    token: String,
    client: reqwest::Client,
    shutdown: Shutdown,
    running: JoinHandle<anyhow::Result<()>>,
}

impl Api {
    /// Serves a world, with a token for these organisations.
    pub async fn of(world: &World, org_ids: &[&str]) -> Self {
        Self::with(world, org_ids, &[]).await
    }

    /// As [`Self::of`], with settings of the test's own.
    pub async fn with(world: &World, org_ids: &[&str], extra: &[(&str, &str)]) -> Self {
        let stack = system_tests::Stack::shared();
        let mut environment = vec![
            ("CLICKHOUSE_URL", stack.variable("CLICKHOUSE_URL").to_owned()),
            ("CLICKHOUSE_USER", stack.variable("CLICKHOUSE_READER_USER").to_owned()),
            ("CLICKHOUSE_PASSWORD", stack.variable("CLICKHOUSE_READER_PASSWORD").to_owned()),
            ("CLICKHOUSE_DATABASE", world.room.name.clone()),
            ("HTTP_LISTENER", "127.0.0.1:0".to_owned()),
            ("AUTH_KEY", SECRET.to_owned()),
            ("TELEMETRY_LEVEL", "warn".to_owned()),
        ];
        for (name, value) in extra {
            environment.retain(|(known, _)| known != name);
            environment.push((name, (*value).to_owned()));
        }
        let environment = environment.into_iter().map(|(name, value)| (name.to_owned(), value));
        let settings: QueryApiSettings = load(None, environment).unwrap();
        service::telemetry::init("query-api", &settings.telemetry).unwrap();
        let listener = query_api::bind(&settings.http).await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let shutdown = Shutdown::new();
        let running = tokio::spawn(query_api::run(settings, listener, Health::new(), shutdown.clone()));
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        Self { address, token: token(org_ids, &["billing:view"]), client, shutdown, running }
    }

    /// The answer to a path with query.
    pub async fn get(&self, path: &str) -> Response {
        self.get_as(path, &self.token).await
    }

    /// The same with another token.
    pub async fn get_as(&self, path: &str, token: &str) -> Response {
        let request = self.client.get(format!("{}{path}", self.address)).bearer_auth(token);
        request.send().await.unwrap()
    }

    /// The JSON of an answer that must be 200.
    pub async fn json(&self, path: &str) -> Value {
        let response = self.get(path).await;
        let status = response.status();
        let body = response.text().await.unwrap();
        assert_eq!(status, StatusCode::OK, "{path}: {body}");
        serde_json::from_str(&body).unwrap()
    }

    /// The code of the problem and its document.
    pub async fn problem(&self, path: &str) -> (u16, String, Value) {
        problem_of(self.get(path).await).await
    }

    /// A request without any header of ours.
    pub fn bare(&self, path: &str) -> reqwest::RequestBuilder {
        self.request(Method::GET, path)
    }

    /// The same of any method.
    pub fn request(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        self.client.request(method, format!("{}{path}", self.address))
    }

    /// Ends the service; open work must end within its budget.
    pub async fn stop(self) {
        self.shutdown.trigger();
        tokio::time::timeout(Duration::from_secs(30), self.running).await.unwrap().unwrap().unwrap();
    }
}

/// Status, code and document of a problem.
pub async fn problem_of(response: Response) -> (u16, String, Value) {
    let status = response.status().as_u16();
    let content_type = response.headers()["content-type"].to_str().unwrap().to_owned();
    let request_id = response.headers()["x-request-id"].to_str().unwrap().to_owned();
    let document: Value = serde_json::from_str(&response.text().await.unwrap()).unwrap();
    assert_eq!(content_type, "application/problem+json");
    assert_eq!(document["request_id"], request_id);
    assert_eq!(document["status"], status);
    let code = document["type"].as_str().unwrap().strip_prefix("urn:ai-usage:problem:").unwrap().to_owned();
    (status, code, document)
}

/// A token for organisations with permissions.
pub fn token(org_ids: &[&str], permissions: &[&str]) -> String {
    let grant = |id: &&str| Grant {
        id: (*id).to_owned(),
        permissions: permissions.iter().map(|permission| (*permission).to_owned()).collect(),
        roles: Vec::new(),
    };
    demo_token(SECRET, org_ids.iter().map(grant).collect(), Duration::from_secs(600)).unwrap()
}
