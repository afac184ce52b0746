//! One test binary, one module per theme.

// Helpers of tests, too, fail by panicking.
#![allow(clippy::unwrap_used)]

mod cells;
mod cells_command;
mod cli;
mod count;
mod demo;
mod evaluate;
mod evaluation;
mod examples;
mod exit_codes;
mod explain;
mod fetch_command;
#[path = "../../../giemsa/tests/it/folder.rs"]
mod folder;
mod formats;
mod hostile_inputs;
mod hostile_models;
mod killed;
mod outputs;
mod own_microscope;
#[path = "../../../giemsa/tests/it/page.rs"]
mod page;
mod predict;
mod pretrain;
mod serve;
mod serve_stops;
#[allow(dead_code)] // The tests of the library use all of it.
#[path = "../../../giemsa/tests/it/server.rs"]
mod server;
mod show;
mod sites;
mod split;
mod stats;
mod summary;
mod train_command;
