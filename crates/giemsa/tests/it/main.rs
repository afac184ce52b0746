//! One test binary, one module per theme.

// Helpers of tests, too, fail by panicking.
#![allow(clippy::unwrap_used)]

mod augment;
#[cfg(feature = "synthetic")]
mod cell_images;
#[cfg(all(feature = "report", feature = "synthetic"))]
mod count_page;
mod cross_validation;
mod dataset;
mod documents;
mod evaluation;
#[cfg(feature = "fetch")]
mod fetch;
#[cfg(feature = "fetch")]
mod folder;
mod hostile_images;
#[cfg(feature = "formats")]
mod hostile_keras;
mod hostile_models;
mod images;
#[cfg(feature = "formats")]
mod keras_files;
mod model_file;
mod network_golden;
#[cfg(all(feature = "formats", feature = "synthetic"))]
mod onnx;
#[cfg(feature = "report")]
mod page;
#[cfg(feature = "report")]
mod report;
mod runs;
#[cfg(feature = "fetch")]
mod server;
#[cfg(feature = "synthetic")]
mod smear;
#[cfg(feature = "synthetic")]
mod synthetic;
mod train;
