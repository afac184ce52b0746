//! Templates of pages and model cards.

use super::ReportError;
use minijinja::Environment;
use minijinja::value::Serde;
use serde::Serialize;

/// The style sheet of all pages.
const STYLE: &str = include_str!("style.css");

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
    environment.add_filter("number", thousands);
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

/// Formats a count with commas between thousands.
pub(super) fn thousands(count: u64) -> String {
    let digits = count.to_string();
    let mut text = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn separates_thousands() {
        let found = [0, 999, 1000, 27_558, 1_000_000].map(thousands);
        assert_eq!(found, ["0", "999", "1,000", "27,558", "1,000,000"]);
    }
}
