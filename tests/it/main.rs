//! One test binary, a module a theme.

// Helpers of tests, too, fail by panicking.
#![allow(clippy::unwrap_used)]

mod augment;
#[cfg(feature = "cli")]
mod cells;
#[cfg(feature = "cli")]
mod cli;
mod dataset;
#[cfg(feature = "cli")]
mod demo;
#[cfg(feature = "cli")]
mod evaluate;
mod evaluation;
#[cfg(feature = "cli")]
mod explain;
#[cfg(feature = "cli")]
mod fetch;
#[cfg(feature = "cli")]
mod fetch_command;
mod images;
#[cfg(feature = "cli")]
mod judging;
mod model_file;
mod network_golden;
mod phantom;
#[cfg(feature = "cli")]
mod predict;
#[cfg(feature = "cli")]
mod pretrain;
#[cfg(feature = "report")]
mod report;
#[cfg(feature = "cli")]
mod server;
#[cfg(feature = "cli")]
mod show;
#[cfg(feature = "cli")]
mod split;
#[cfg(feature = "cli")]
mod stats;
#[cfg(feature = "cli")]
mod summary;
mod train;
#[cfg(feature = "cli")]
mod train_command;
