//! The description of the API: `openapi.json`, which is kept by hand, and a page made from it.

use crate::problem::Problem;
use crate::state::Shared;
use axum::Router;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use minijinja::value::Serde;
use minijinja::{Environment, HtmlEscape, Value as TemplateValue};
use serde_json::Value;
use std::sync::LazyLock;

const OPENAPI: &str = include_str!("../../openapi.json");
const STYLE: &str = include_str!("page.css");

/// Returns the routes of this file.
pub fn routes() -> Router<Shared> {
    Router::new()
        .route("/api", get(page))
        .route("/api/style.css", get(async || ([(CONTENT_TYPE, "text/css; charset=utf-8")], STYLE)))
        .route("/openapi.json", get(async || ([(CONTENT_TYPE, "application/json")], OPENAPI)))
}

async fn page() -> Result<Response, Problem> {
    static PAGE: LazyLock<Result<String, String>> = LazyLock::new(|| render(OPENAPI));
    let page = PAGE.as_ref().map_err(Problem::internal)?;
    Ok(([(CONTENT_TYPE, "text/html; charset=utf-8")], page.as_str()).into_response())
}

/// Returns the page.
fn render(openapi: &str) -> Result<String, String> {
    let document: Value = serde_json::from_str(openapi).map_err(|error| error.to_string())?;
    let mut document = resolve(&document, &document);
    // A template has no way to write the name of the extension.
    document["problems"] = document["x-problems"].take();
    let mut environment = Environment::new();
    environment.add_filter("type", |Serde(schema): Serde<Value>| TemplateValue::from_safe_string(describe(&schema)));
    environment
        .add_filter("prose", |text: Option<String>| TemplateValue::from_safe_string(prose(&text.unwrap_or_default())));
    let page = environment.render_named_str("page.html", include_str!("page.html"), Serde(document));
    page.map_err(|error| error.to_string())
}

/// Replaces references to responses and parameters by what they refer to. Those to schemas become links.
fn resolve(value: &Value, document: &Value) -> Value {
    let target = value["$ref"].as_str().filter(|target| !target.starts_with("#/components/schemas/"));
    if let Some(found) = target.and_then(|target| document.pointer(target.trim_start_matches('#'))) {
        return resolve(found, document);
    }
    match value {
        Value::Object(entries) => entries.iter().map(|(key, entry)| (key.clone(), resolve(entry, document))).collect(),
        Value::Array(entries) => entries.iter().map(|entry| resolve(entry, document)).collect(),
        _ => value.clone(),
    }
}

/// Describes the type of a schema in HTML, with links to schemas that have names.
fn describe(schema: &Value) -> String {
    let joined = |schemas: &[Value], with: &str| schemas.iter().map(describe).collect::<Vec<_>>().join(with);
    if let Some(name) = schema["$ref"].as_str().and_then(|target| target.rsplit('/').next()) {
        let name = HtmlEscape(name);
        return format!("<a href=\"#schema-{name}\">{name}</a>");
    }
    if let Some(schemas) = schema["oneOf"].as_array() {
        return joined(schemas, " or ");
    }
    if let Some(schemas) = schema["allOf"].as_array() {
        return joined(schemas, " with ");
    }
    if let Some(values) = schema["enum"].as_array() {
        return values.iter().map(code).collect::<Vec<_>>().join(", ");
    }
    if !schema["const"].is_null() {
        return code(&schema["const"]);
    }
    if let Some(properties) = schema["properties"].as_object() {
        let keys: Vec<String> = properties.keys().map(|key| format!("<code>{}</code>", HtmlEscape(key))).collect();
        return format!("object of {}", keys.join(", "));
    }
    let names: Vec<&str> = match &schema["type"] {
        Value::Array(names) => names.iter().filter_map(Value::as_str).collect(),
        name => name.as_str().into_iter().collect(),
    };
    match schema.get("items") {
        Some(items) if names == ["array"] => format!("list of {}", describe(items)),
        _ => HtmlEscape(&names.join(" or ")).to_string(),
    }
}

/// Returns a text in HTML; what is in backticks is code.
fn prose(text: &str) -> String {
    let part = |(index, part)| match index % 2 {
        0 => HtmlEscape(part).to_string(),
        _ => format!("<code>{}</code>", HtmlEscape(part)),
    };
    text.split('`').enumerate().map(part).collect()
}

fn code(value: &Value) -> String {
    let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    format!("<code>{}</code>", HtmlEscape(&text))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn types_are_words_and_links() {
        let class = json!({"$ref": "#/components/schemas/Class"});
        let link = "<a href=\"#schema-Class\">Class</a>";
        assert_eq!(describe(&class), link);
        assert_eq!(describe(&json!({"oneOf": [class, {"type": "null"}]})), format!("{link} or null"));
        assert_eq!(describe(&json!({"type": "array", "items": class})), format!("list of {link}"));
        assert_eq!(describe(&json!({"type": ["number", "null"]})), "number or null");
        assert_eq!(describe(&json!({"enum": ["a", null]})), "<code>a</code>, <code>null</code>");
    }

    #[test]
    fn backticks_mark_code() {
        assert_eq!(prose("With `error`, `a<b` is <b>."), "With <code>error</code>, <code>a&lt;b</code> is &lt;b&gt;.");
    }

    #[test]
    fn the_page_escapes_what_it_shows() {
        let openapi = OPENAPI.replace("Create a case", "<script>alert(1)</script>");
        let page = render(&openapi).unwrap();
        assert!(page.contains("&lt;script&gt;alert(1)") && !page.contains("<script"));
        assert!(!page.contains("style=") && !page.contains("<style"));
    }
}
