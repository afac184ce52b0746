//! Tests of the server. Most requests go to the router, without a socket.

#![allow(clippy::unwrap_used)] // Helpers of tests, too, fail by panicking.

mod case;
mod cases;
mod cells;
mod durability;
mod exports;
mod guard_login;
mod guard_requests;
mod guard_shutdown;
mod guard_sockets;
mod images;
mod inference;
mod metadata;
mod metrics;
mod openapi;
mod photos;
mod request;
mod review;
mod socket;
