//! What every request passes before a handler sees it, in this order: the host, the origin, the token, the share of the client,
//! and the size and pace of the body. [`protect`] is the one place where all of it is applied.

mod body;
mod clients;
mod headers;
mod host;
mod origin;
mod pace;
mod token;

pub use pace::Pace;

use crate::problem::Problem;
use crate::state::Shared;
use axum::Router;
use axum::body::Body;
use axum::extract::{ConnectInfo, Request, State};
use axum::http::{HeaderValue, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use body::{Intake, MemoryBudget};
use clients::{Clients, Place};
use http_body_util::BodyExt;
use std::any::Any;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use tower_http::catch_panic::CatchPanicLayer;

/// The largest rest of a body that is read and dropped when its request is refused, so that the connection can be used again.
const MOST_DISCARDED_BYTES: usize = 1 << 20;

struct Guard {
    server: Shared,
    clients: Clients,
    memory: MemoryBudget,
}

/// Returns a router that applies all guards, also to addresses that do not exist. It adds the route of the login.
pub fn protect(router: Router<Shared>, server: Shared) -> Router {
    let limits = &server.settings.limits;
    let guard = Guard {
        clients: Clients::new(limits.requests_per_client),
        memory: MemoryBudget::new(limits.bodies_bytes),
        server: server.clone(),
    };
    let router = router.merge(token::routes()).with_state(server);
    router.layer(CatchPanicLayer::custom(report_panic)).layer(from_fn_with_state(Arc::new(guard), answer))
}

/// Answers a request, or refuses it. Headers are added to both kinds of answers.
async fn answer(State(guard): State<Arc<Guard>>, request: Request, next: Next) -> Response {
    let headers = headers::SecurityHeaders::of(request.uri().path());
    let mut response = match guard.admit(&request) {
        Ok(place) => guard.pass(request, next, place).await,
        Err(refusal) => guard.refuse(request, *refusal).await,
    };
    headers.add_to(response.headers_mut());
    // The next connection of the client goes to another server.
    closing_if(!guard.server.is_ready(), response)
}

/// Asks the client to close the connection: if it sent another request on it, that would be lost.
fn closing_if(is_closing: bool, mut response: Response) -> Response {
    if is_closing {
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    response
}

impl Guard {
    /// Checks the headers of a request, and takes a place of its client.
    fn admit(&self, request: &Request) -> Result<Place, Box<Response>> {
        let refuse = |problem: Problem| Box::new(problem.into_response());
        let settings = &self.server.settings;
        host::check(request, &settings.hosts).map_err(refuse)?;
        origin::check(request).map_err(refuse)?;
        if let Some(token) = &settings.token {
            token::check(request, token)?;
        }
        body::check_length(request, &settings.limits, &self.memory).map_err(refuse)?;
        self.clients.enter(client_of(request)).ok_or_else(|| {
            refuse(Problem::unavailable("the server is busy: too many requests of this client are in work"))
        })
    }

    /// Passes a request on. Its place, and the memory of its body, are free when the handler has returned.
    async fn pass(&self, request: Request, next: Next, _place: Place) -> Response {
        let intake = Intake::new(&self.memory);
        let request = intake.watch(request, &self.server.settings.limits);
        let response = next.run(request).await;
        let response = intake.fault().map_or(response, IntoResponse::into_response);
        closing_if(intake.is_cut(), response)
    }

    /// Returns a refusal when the client has sent its body: a client that is still sending might not read the answer.
    async fn refuse(&self, request: Request, refusal: Response) -> Response {
        if request.headers().contains_key(header::EXPECT) {
            // The client waits for this answer before it sends.
            return refusal;
        }
        let intake = Intake::new(&self.memory);
        let mut body = intake.watch(request, &self.server.settings.limits).into_body();
        let mut left = MOST_DISCARDED_BYTES;
        while let Some(Ok(frame)) = body.frame().await {
            let Some(rest) = left.checked_sub(frame.data_ref().map_or(0, |data| data.len())) else { break };
            left = rest;
            intake.release();
        }
        drop(body);
        closing_if(intake.is_cut(), refusal)
    }
}

/// Returns the address of the client; without a connection, as in tests, an unspecified one.
fn client_of(request: &Request<Body>) -> IpAddr {
    let peer = request.extensions().get::<ConnectInfo<SocketAddr>>();
    peer.map_or(Ipv4Addr::UNSPECIFIED.into(), |peer| peer.0.ip())
}

fn report_panic(panic: Box<dyn Any + Send>) -> Response {
    let text = panic.downcast_ref::<&str>().copied().or(panic.downcast_ref::<String>().map(String::as_str));
    tracing::error!(panic = text.unwrap_or("not a text"), "a handler panicked");
    Problem::internal("a fault of the server; its log has the details").into_response()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Server, Settings};
    use axum::routing::get;
    use tower::ServiceExt;

    #[tokio::test]
    async fn a_panic_is_a_problem_with_all_headers() {
        async fn fail() -> Response {
            panic!("a test of panics")
        }
        let folder = tempfile::tempdir().unwrap();
        let server = Server::start(Settings { data: Some(folder.path().into()), ..Settings::default() }).unwrap();
        let router = protect(Router::new().route("/fail", get(fail)), server);
        let request = Request::get("/fail").header(header::HOST, "localhost").body(Body::empty()).unwrap();
        let response = router.oneshot(request).await.unwrap();
        assert_eq!(response.status(), 500);
        assert_eq!(response.headers()[header::CONTENT_TYPE], "application/problem+json");
        assert_eq!(response.headers()[header::X_CONTENT_TYPE_OPTIONS], "nosniff");
    }
}
