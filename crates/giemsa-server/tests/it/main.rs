//! Tests of the server without a socket: requests go to the router.

#![allow(clippy::unwrap_used)] // Helpers of tests, too, fail by panicking.

mod case;
mod cases;
mod cells;
mod images;
mod request;
mod review;
