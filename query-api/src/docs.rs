//! The description of the API for people: `/docs`, rendered by ourselves from the OpenAPI document, and the document
//! itself. Nothing is asked of a third party.

use axum::http::header;
use axum::response::IntoResponse;
use serde_json::Value;
use std::sync::LazyLock;

static DOCUMENT: LazyLock<String> = LazyLock::new(crate::openapi::document);
static PAGE: LazyLock<String> = LazyLock::new(|| {
    let document = serde_json::from_str(&DOCUMENT).unwrap_or_default();
    page_of(&document)
});

/// `GET /openapi.json`.
pub async fn openapi_json() -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "application/json"), (header::CACHE_CONTROL, "no-cache")], DOCUMENT.as_str())
}

/// `GET /docs`.
pub async fn page() -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "text/html; charset=utf-8"), (header::CACHE_CONTROL, "no-cache")], PAGE.as_str())
}

/// `GET /docs/style.css`.
pub async fn style() -> impl IntoResponse {
    let style = include_str!("docs/style.css");
    ([(header::CONTENT_TYPE, "text/css; charset=utf-8"), (header::CACHE_CONTROL, "no-cache")], style)
}

fn page_of(document: &Value) -> String {
    let info = &document["info"];
    let mut html = format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width\"><title>{title} · API</title>\
         <link rel=\"stylesheet\" href=\"/docs/style.css\"></head><body><main><h1>{title}</h1><p>{description}</p>\
         <p><a href=\"/openapi.json\">openapi.json</a></p>",
        title = text(&info["title"]),
        description = text(&info["description"]),
    );
    for (path, methods) in object(&document["paths"]) {
        for (method, operation) in object(methods) {
            html.push_str(&operation_of(path, method, operation));
        }
    }
    html.push_str("<h2>Types</h2>");
    for (name, schema) in object(&document["components"]["schemas"]) {
        html.push_str(&schema_of(name, schema));
    }
    html.push_str("</main></body></html>");
    html
}

fn operation_of(path: &str, method: &str, operation: &Value) -> String {
    let mut html = format!(
        "<section><h2><code>{} {}</code></h2><p>{}</p>",
        escaped(&method.to_uppercase()),
        escaped(path),
        text(&operation["summary"])
    );
    let parameters = operation["parameters"].as_array().map_or(&[][..], Vec::as_slice);
    if !parameters.is_empty() {
        html.push_str("<table><thead><tr><th>Parameter</th><th>In</th><th>Meaning</th></tr></thead><tbody>");
        for parameter in parameters {
            html.push_str(&format!(
                "<tr><th scope=\"row\"><code>{}</code></th><td>{}</td><td>{}</td></tr>",
                text(&parameter["name"]),
                text(&parameter["in"]),
                text(&parameter["description"])
            ));
        }
        html.push_str("</tbody></table>");
    }
    html.push_str("<ul>");
    for (status, response) in object(&operation["responses"]) {
        let types: Vec<String> = object(&response["content"])
            .map(|(content_type, content)| {
                format!("{} {}", escaped(content_type), type_of(&content["schema"]))
            })
            .collect();
        html.push_str(&format!("<li>{}: {}</li>", escaped(status), types.join(", ")));
    }
    html.push_str("</ul></section>");
    html
}

fn schema_of(name: &str, schema: &Value) -> String {
    let mut html = format!(
        "<section id=\"{name}\"><h3><code>{name}</code></h3><p>{}</p>",
        text(&schema["description"]),
        name = escaped(name)
    );
    let values = schema["enum"].as_array().or_else(|| schema["oneOf"].as_array());
    if let Some(values) = values {
        html.push_str("<ul>");
        for value in values {
            let code = value.as_str().or_else(|| value["enum"][0].as_str()).unwrap_or_default();
            html.push_str(&format!(
                "<li><code>{}</code> {}</li>",
                escaped(code),
                text(&value["description"])
            ));
        }
        html.push_str("</ul>");
    }
    // A type whose fields are joined by others is a list of parts.
    let parts = schema["allOf"].as_array().map_or(std::slice::from_ref(schema), Vec::as_slice);
    html.push_str("<table><tbody>");
    for part in parts {
        if part.get("$ref").is_some() {
            html.push_str(&format!("<tr><td colspan=\"3\">all fields of {}</td></tr>", type_of(part)));
        }
        for (field, of) in object(&part["properties"]) {
            html.push_str(&format!(
                "<tr><th scope=\"row\"><code>{}</code></th><td>{}</td><td>{}</td></tr>",
                escaped(field),
                type_of(of),
                text(&of["description"])
            ));
        }
    }
    html.push_str("</tbody></table></section>");
    html
}

/// A type in a few words, linked where it has a name.
fn type_of(schema: &Value) -> String {
    if let Some(name) = schema["$ref"].as_str().and_then(|path| path.rsplit('/').next()) {
        return format!("<a href=\"#{name}\"><code>{name}</code></a>", name = escaped(name));
    }
    if let Some(parts) = schema["allOf"].as_array().or_else(|| schema["oneOf"].as_array()) {
        let parts: Vec<String> = parts.iter().map(type_of).filter(|part| part != "null").collect();
        return parts.join(" or ");
    }
    match &schema["type"] {
        Value::String(kind) if kind == "array" => format!("list of {}", type_of(&schema["items"])),
        Value::String(kind) => escaped(kind),
        Value::Array(kinds) => {
            kinds.iter().filter_map(Value::as_str).map(escaped).collect::<Vec<_>>().join(" or ")
        }
        _ => "any".to_owned(),
    }
}

fn object(value: &Value) -> impl Iterator<Item = (&String, &Value)> {
    value.as_object().into_iter().flatten()
}

fn text(value: &Value) -> String {
    escaped(value.as_str().unwrap_or_default())
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_names_every_resource_and_every_type() {
        let document: Value = serde_json::from_str(&DOCUMENT).unwrap();
        for (path, _) in object(&document["paths"]) {
            assert!(PAGE.contains(&format!("GET {path}")), "{path}");
        }
        for (name, _) in object(&document["components"]["schemas"]) {
            assert!(PAGE.contains(&format!("id=\"{name}\"")), "{name}");
        }
    }

    #[test]
    fn text_is_escaped() {
        assert_eq!(escaped("<a href=\"x\">&"), "&lt;a href=&quot;x&quot;&gt;&amp;");
    }
}
