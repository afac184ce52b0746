//! Tests of the server without a socket: requests go to the router.

mod cases;
mod cells;
mod inference;
mod metrics;
mod openapi;
mod request;
