//! Templates of pages and model cards.

use super::{ReportError, STYLE};
use crate::smear::grouped;
use minijinja::Environment;
use minijinja::value::Serde;
use serde::Serialize;

/// The parts that several pages include.
const PARTS: [(&str, &str); 2] =
    [("head.html", include_str!("head.html")), ("confusion.html", include_str!("confusion.html"))];

/// Renders a template with the fields of `data`, and with `style`, `version` and `research_only`. Values are HTML-escaped if
/// the name of the template ends with `.html`.
pub(super) fn render(name: &str, template: &str, data: &impl Serialize) -> Result<String, ReportError> {
    let mut environment = Environment::new();
    environment.add_filter("percent", percent);
    environment.add_filter("or_undefined", |fraction: Option<f64>| {
        fraction.map_or("undefined".to_owned(), |_| percent(fraction))
    });
    environment.add_filter("number", grouped);
    environment.add_global("style", STYLE);
    environment.add_global("version", env!("CARGO_PKG_VERSION"));
    environment.add_global("research_only", crate::RESEARCH_ONLY);
    for (part, text) in PARTS {
        environment.add_template(part, text)?;
    }
    environment.add_template(name, template)?;
    Ok(environment.get_template(name)?.render(Serde(data))?)
}

/// Formats a fraction as a percentage; a dash if it is undefined.
pub(super) fn percent(fraction: Option<f64>) -> String {
    fraction.map_or("–".to_owned(), |fraction| format!("{:.2} %", 100.0 * fraction))
}
