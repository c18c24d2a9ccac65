//! Tokens: what holds, what does not, and keys that change.

use crate::api::{Api, SECRET, problem_of};
use crate::world::World;
use axum::Router;
use axum::routing::get;
use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use serde_json::{Value, json};
use std::sync::{Arc, Mutex};
use tokio::net::TcpListener;

fn claims(exp: i64) -> Value {
    json!({ "exp": exp, "orgs": [{ "id": "acme", "permissions": ["billing:view"] }] })
}

fn now() -> i64 {
    service::clock::now_ms() / 1000
}

fn signed(header: &Header, claims: &Value, key: &EncodingKey) -> String {
    encode(header, claims, key).unwrap()
}

#[tokio::test]
async fn a_token_that_does_not_hold_is_refused_with_what_to_do() {
    let world = World::new("query_tokens").await;
    let extra = [("AUTH_ISSUER", "https://id.example"), ("AUTH_AUDIENCE", "audit")];
    let api = Api::with(&world, &["acme"], &extra).await;
    let key = EncodingKey::from_secret(SECRET.as_bytes());
    let with = |changes: Value| {
        let mut claims = claims(now() + 600);
        claims["iss"] = "https://id.example".into();
        claims["aud"] = "audit".into();
        for (name, value) in changes.as_object().unwrap() {
            claims[name] = value.clone();
        }
        claims
    };
    let good = signed(&Header::default(), &with(json!({})), &key);
    assert_eq!(api.get_as("/v1/orgs", &good).await.status(), 200);
    let other = EncodingKey::from_secret(b"another secret of more than thirty-two bytes");
    let (head, body) = good.rsplit_once('.').unwrap();
    let unsigned = format!("{}.", head.replacen(head.split('.').next().unwrap(), "eyJhbGciOiJub25lIn0", 1));
    for (token, hint) in [
        (String::new(), "Send a token"),
        ("abc".into(), "verified"),
        (format!("{head}.{}", body.to_uppercase()), "verified"),
        (unsigned, "verified"),
        (signed(&Header::default(), &with(json!({})), &other), "verified"),
        (signed(&Header::new(Algorithm::HS512), &with(json!({})), &key), "verified"),
        (signed(&Header::default(), &with(json!({ "exp": now() - 60 })), &key), "expired"),
        (signed(&Header::default(), &with(json!({ "nbf": now() + 600 })), &key), "not valid yet"),
        (signed(&Header::default(), &with(json!({ "iss": "https://evil.example" })), &key), "issuer"),
        (signed(&Header::default(), &with(json!({ "aud": "another" })), &key), "another service"),
        (
            signed(
                &Header::default(),
                &json!({ "orgs": [], "iss": "https://id.example", "aud": "audit" }),
                &key,
            ),
            "",
        ),
        (signed(&Header::default(), &claims(now() + 600), &key), "lacks"),
    ] {
        let response = api.get_as("/v1/orgs/acme/summary", &token).await;
        assert_eq!(response.headers()["www-authenticate"], "Bearer");
        let (status, code, document) = problem_of(response).await;
        assert_eq!((status, code.as_str()), (401, "unauthenticated"), "{token}");
        let detail = document["detail"].as_str().unwrap();
        assert!(detail.contains(hint), "{detail}");
    }
    let response = api.bare("/v1/orgs/acme/summary").send().await.unwrap();
    assert_eq!(problem_of(response).await.0, 401);
    let by_cookie = api.bare("/v1/orgs").header("cookie", format!("audit_token={good}"));
    assert_eq!(by_cookie.send().await.unwrap().status(), 200);
    api.stop().await;
}

/// A key pair of EdDSA: any 32 bytes are a private key, behind the fixed head of its PKCS #8 form (RFC 8410).
fn key_pair(seed: u8, kid: &str) -> (EncodingKey, Value) {
    let mut der = b"\x30\x2e\x02\x01\x00\x30\x05\x06\x03\x2b\x65\x70\x04\x22\x04\x20".to_vec();
    der.extend([seed; 32]);
    let key = EncodingKey::from_ed_der(&der);
    let mut jwk = Jwk::from_encoding_key(&key, Algorithm::EdDSA).unwrap();
    jwk.common.key_id = Some(kid.to_owned());
    (key, serde_json::to_value(jwk).unwrap())
}

#[tokio::test]
async fn published_keys_are_fetched_followed_and_kept_while_their_publisher_is_away() {
    let world = World::new("query_jwks").await;
    let (first, first_public) = key_pair(1, "first");
    let (second, second_public) = key_pair(2, "second");
    let published = Arc::new(Mutex::new(json!({ "keys": [first_public] })));
    let served = Arc::clone(&published);
    let router = Router::new().route("/keys", get(async move || served.lock().unwrap().to_string()));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/keys", listener.local_addr().unwrap());
    let publisher = tokio::spawn(async move { axum::serve(listener, router).await });
    let api = Api::with(&world, &["acme"], &[("AUTH_KEY", ""), ("AUTH_JWKS_URL", &url)]).await;

    let token = |kid: &str, key: &EncodingKey| {
        let header = Header { kid: Some(kid.to_owned()), ..Header::new(Algorithm::EdDSA) };
        signed(&header, &claims(now() + 600), key)
    };
    let status = async |token: String| api.get_as("/v1/orgs", &token).await.status().as_u16();
    assert_eq!(status(token("first", &first)).await, 200);
    // A key that is not published, a signature by another key, and a secret in place of a public key.
    assert_eq!(status(token("second", &second)).await, 401);
    assert_eq!(status(token("first", &second)).await, 401);
    let public = first_public["x"].as_str().unwrap().as_bytes();
    let header = Header { kid: Some("first".to_owned()), ..Header::default() };
    assert_eq!(status(signed(&header, &claims(now() + 600), &EncodingKey::from_secret(public))).await, 401);

    // The publisher changes keys: a token that names the new one is enough to learn it, though not at every request.
    *published.lock().unwrap() = json!({ "keys": [second_public] });
    system_tests::eventually("the new key", async || match status(token("second", &second)).await {
        200 => Ok(()),
        status => Err(format!("{status}")),
    })
    .await;
    assert_eq!(status(token("first", &first)).await, 401);

    publisher.abort();
    assert_eq!(status(token("second", &second)).await, 200);
    api.stop().await;
}

#[tokio::test]
async fn no_key_yet_is_an_outage_and_no_refusal() {
    let world = World::new("query_no_keys").await;
    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let url = format!("http://{closed}/keys");
    let api = Api::with(&world, &["acme"], &[("AUTH_KEY", ""), ("AUTH_JWKS_URL", &url)]).await;
    let (key, _) = key_pair(1, "first");
    let header = Header { kid: Some("first".to_owned()), ..Header::new(Algorithm::EdDSA) };
    let response = api.get_as("/v1/orgs", &signed(&header, &claims(now() + 600), &key)).await;
    let (status, code, _) = problem_of(response).await;
    assert_eq!((status, code.as_str()), (503, "unavailable"));
    api.stop().await;
}
