//! `GET /metrics`: what the server does, in the text format of OpenMetrics, which Prometheus reads.
//!
//! No label comes from what a client sends: routes are those of the router, such as `/api/cases/{case}`, and unknown ones are
//! [`NO_ROUTE`].

use crate::engine::BatchSize;
use crate::problem::Problem;
use crate::state::Shared;
use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Registry, Unit};
use std::time::Duration;

/// The label of requests to addresses that do not exist.
pub const NO_ROUTE: &str = "none";

const MEDIA_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
/// Upper limits of the classes of durations: from a single cell to several photographs.
const SECONDS: [f64; 15] = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0];
/// Upper limits of the classes of batches.
const IMAGES: [f64; 9] = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0];

/// Returns the route of the metrics.
pub fn routes() -> Router<Shared> {
    Router::new().route("/metrics", get(show))
}

/// A request that has been answered.
#[derive(Clone, Debug)]
pub struct Answered {
    /// Its method.
    pub method: &'static str,
    /// The route that answered it.
    pub route: String,
    /// The status code.
    pub status: StatusCode,
    /// The time from its headers to the headers of the answer.
    pub elapsed: Duration,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RequestLabels {
    method: &'static str,
    route: String,
    status: u16,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RouteLabels {
    method: &'static str,
    route: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RejectionLabels {
    reason: &'static str,
}

/// The counters of a server.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    requests: Family<RequestLabels, Counter>,
    durations: Family<RouteLabels, Histogram, fn() -> Histogram>,
    rejections: Family<RejectionLabels, Counter>,
    images: Counter,
    image_errors: Counter,
    batches: Histogram,
    queued_cells: Gauge,
    queued_jobs: Gauge,
}

impl Metrics {
    /// Returns counters that are 0.
    #[must_use]
    pub fn new() -> Metrics {
        let mut metrics = Metrics {
            registry: Registry::with_prefix("giemsa"),
            requests: Family::default(),
            durations: Family::new_with_constructor(|| Histogram::new(SECONDS)),
            rejections: Family::default(),
            images: Counter::default(),
            image_errors: Counter::default(),
            batches: Histogram::new(IMAGES),
            queued_cells: Gauge::default(),
            queued_jobs: Gauge::default(),
        };
        metrics.register();
        metrics
    }

    fn register(&mut self) {
        let registry = &mut self.registry;
        registry.register("http_requests", "Requests that were answered", self.requests.clone());
        let help = "Time from the headers of a request to those of its answer";
        registry.register_with_unit("http_request_duration", help, Unit::Seconds, self.durations.clone());
        let help = "Requests that were refused because of a limit, a token, or a full queue";
        registry.register("http_rejections", help, self.rejections.clone());
        registry.register("images", "Images of cells that the engine took", self.images.clone());
        let help = "Images of cells that could not be classified: unreadable, too large, or with several cells";
        registry.register("image_errors", help, self.image_errors.clone());
        registry.register("batch_images", "Images of cells per batch", self.batches.clone());
        registry.register("queued_cells", "Images of cells that wait or are in work", self.queued_cells.clone());
        let help = "Other jobs, such as photographs, that wait or are in work";
        registry.register("queued_jobs", help, self.queued_jobs.clone());
        let build = Info::new([("version", env!("CARGO_PKG_VERSION"))]);
        registry.register("build", "The version of the server", build);
    }

    /// Counts a request.
    pub fn count(&self, answered: &Answered) {
        let Answered { method, route, status, elapsed } = answered.clone();
        if let Some(reason) = rejection(status) {
            self.rejections.get_or_create(&RejectionLabels { reason }).inc();
        }
        let labels = RequestLabels { method, route: route.clone(), status: status.as_u16() };
        self.requests.get_or_create(&labels).inc();
        self.durations.get_or_create(&RouteLabels { method, route }).observe(elapsed.as_secs_f64());
    }

    /// Returns a function that counts a batch.
    pub fn batch_counter(&self) -> impl Fn(BatchSize) + Send + 'static {
        let (images, errors, batches) = (self.images.clone(), self.image_errors.clone(), self.batches.clone());
        move |size| {
            images.inc_by(size.images as u64);
            errors.inc_by(size.errors as u64);
            batches.observe(size.images as f64);
        }
    }
}

impl Default for Metrics {
    fn default() -> Metrics {
        Metrics::new()
    }
}

/// Returns why a request with this status was refused; `None` if it was not.
fn rejection(status: StatusCode) -> Option<&'static str> {
    match status {
        StatusCode::UNAUTHORIZED => Some("unauthorized"),
        StatusCode::FORBIDDEN => Some("forbidden"),
        StatusCode::REQUEST_TIMEOUT => Some("timeout"),
        StatusCode::PAYLOAD_TOO_LARGE => Some("too_large"),
        StatusCode::TOO_MANY_REQUESTS => Some("too_many"),
        StatusCode::SERVICE_UNAVAILABLE => Some("busy"),
        StatusCode::INSUFFICIENT_STORAGE => Some("storage"),
        _ => None,
    }
}

async fn show(State(server): State<Shared>) -> Result<Response, Problem> {
    let metrics = &server.metrics;
    metrics.queued_cells.set(i64::try_from(server.engine.queued_cells()).unwrap_or(i64::MAX));
    metrics.queued_jobs.set(i64::try_from(server.engine.queued_jobs()).unwrap_or(i64::MAX));
    let mut text = String::new();
    encode(&mut text, &metrics.registry).map_err(Problem::internal)?;
    Ok(([(header::CONTENT_TYPE, MEDIA_TYPE)], text).into_response())
}
