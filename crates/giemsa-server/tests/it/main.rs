//! Tests of the server without a socket: requests go to the router.

#![allow(clippy::unwrap_used)] // Helpers of tests, too, fail by panicking.

mod case;
mod cases;
mod cells;
mod durability;
mod exports;
mod images;
mod inference;
mod metadata;
mod metrics;
mod openapi;
mod request;
mod review;
