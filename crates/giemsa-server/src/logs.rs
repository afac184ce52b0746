//! The log, on standard error: the start and the end of the server, errors, and requests.
//!
//! A line about a request has its method, route, status, duration and id: never its body, the names of files, or the token.

pub use tracing::Level;

use crate::metrics::Answered;
use std::io::IsTerminal;
use std::str::FromStr;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, fmt, registry};

/// The target of the lines about requests.
const REQUESTS: &str = "giemsa_server::requests";

/// The form of the log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogFormat {
    /// Lines for people.
    #[default]
    Text,
    /// An object per line, for programs.
    Json,
}

impl FromStr for LogFormat {
    type Err = String;

    fn from_str(name: &str) -> Result<LogFormat, String> {
        match name {
            "text" => Ok(LogFormat::Text),
            "json" => Ok(LogFormat::Json),
            _ => Err("expected text or json".to_owned()),
        }
    }
}

/// Starts the log of this process. If it has a log already, that one stays.
///
/// Without a level, it contains what is at least of level `info`. In the form for people, it then lacks requests that were
/// answered without an error.
pub fn start(format: LogFormat, level: Option<Level>) {
    let everything = LevelFilter::from_level(level.unwrap_or(Level::INFO));
    let requests = match (level, format) {
        (None, LogFormat::Text) => LevelFilter::WARN,
        _ => everything,
    };
    let filter = Targets::new().with_default(everything).with_target(REQUESTS, requests);
    let lines = fmt::layer().with_writer(std::io::stderr);
    let lines = match format {
        LogFormat::Text => lines.with_ansi(std::io::stderr().is_terminal()).boxed(),
        LogFormat::Json => lines.json().flatten_event(true).boxed(),
    };
    // An error means that there is a log.
    let _ = registry().with(lines.with_filter(filter)).try_init();
}

/// Logs a request: an error of the server as an error, a refusal because of a limit as a warning.
pub fn log_request(answered: &Answered, id: &str) {
    let Answered { method, route, status, elapsed } = answered;
    let (status, elapsed_ms) = (status.as_u16(), (elapsed.as_secs_f64() * 1e5).round() / 1e2);
    macro_rules! log {
        ($level:expr) => {
            tracing::event!(target: REQUESTS, $level, method, route, status, elapsed_ms, request_id = id, "request")
        };
    }
    match status {
        503 | 429 | 413 => log!(Level::WARN),
        500.. => log!(Level::ERROR),
        _ => log!(Level::INFO),
    }
}
