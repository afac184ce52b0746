//! One test binary, a module a theme.

// Helpers of tests, too, fail by panicking.
#![allow(clippy::unwrap_used)]

mod augment;
#[cfg(feature = "cli")]
mod cli;
#[cfg(feature = "cli")]
mod fetch;
