use metrics_exporter_prometheus::PrometheusBuilder;
use reqwest::StatusCode;

use super::*;
use crate::health::{self, Health};

/// A served router on a free port.
struct Served {
    address: SocketAddr,
    health: Health,
    shutdown: Shutdown,
    server: tokio::task::JoinHandle<anyhow::Result<()>>,
}

async fn served() -> Served {
    let settings =
        OpsSettings { listener: ([127, 0, 0, 1], 0).into(), shutdown_budget: DurationSetting::from_secs(1) };
    let listener = settings.bind().await.expect("a free port");
    let address = listener.local_addr().expect("an address");
    let (health, shutdown) = (Health::new(), Shutdown::new());
    let recorder = PrometheusBuilder::new().build_recorder();
    ::metrics::with_local_recorder(&recorder, || ::metrics::counter!("rows_total").increment(7));
    let router = health::router(health.clone(), recorder.handle());
    let server = tokio::spawn(serve(listener, router, shutdown.clone()));
    Served { address, health, shutdown, server }
}

impl Served {
    async fn get(&self, path: &str) -> (StatusCode, String) {
        let client = reqwest::Client::builder().no_proxy().build().expect("a client");
        let response = client.get(format!("http://{}{path}", self.address)).send().await.expect("an answer");
        (response.status(), response.text().await.expect("a body"))
    }

    async fn end(self) {
        self.shutdown.trigger();
        self.server.await.expect("no panic").expect("no error");
    }
}

#[tokio::test]
async fn one_that_waits_is_alive_but_not_ready() {
    let served = served().await;
    let writer = served.health.component("writer");

    writer.ok();
    assert_eq!(served.get("/healthz").await.0, StatusCode::OK);
    assert_eq!(served.get("/readyz").await.0, StatusCode::OK);

    writer.waiting("ClickHouse");
    let (live, body) = served.get("/healthz").await;
    assert_eq!(live, StatusCode::OK);
    assert!(body.contains(r#""for_what":"ClickHouse","since":"20"#), "{body}");
    assert_eq!(served.get("/readyz").await, (StatusCode::SERVICE_UNAVAILABLE, body));

    writer.failed("out of memory");
    assert_eq!(served.get("/healthz").await.0, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(served.get("/readyz").await.0, StatusCode::SERVICE_UNAVAILABLE);
    served.end().await;
}

#[tokio::test]
async fn metrics_are_served_as_prometheus_reads_them() {
    let served = served().await;
    let (status, body) = served.get("/metrics").await;
    assert_eq!(status, StatusCode::OK);
    assert!(body.contains("rows_total 7\n"), "{body}");
    assert_eq!(served.get("/elsewhere").await.0, StatusCode::NOT_FOUND);
    served.end().await;
}

#[tokio::test]
async fn a_client_that_says_nothing_does_not_hold_the_shutdown() {
    let served = served().await;
    let silent = tokio::net::TcpStream::connect(served.address).await.expect("a connection");
    served.end().await;
    drop(silent);
}

#[tokio::test]
async fn a_port_in_use_is_named_with_the_setting_to_change() {
    let served = served().await;
    let settings = OpsSettings { listener: served.address, shutdown_budget: DurationSetting::from_secs(1) };
    let error = settings.bind().await.expect_err("the port is taken");
    let text = crate::error::chain(error.as_ref());
    let address = served.address;
    let wanted = format!("cannot listen on {address}: free the port, or set ops.listener (OPS_LISTENER)");
    assert!(text.starts_with(&wanted) && text.contains("in use"), "{text}");
    served.end().await;
}
