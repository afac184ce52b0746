//! One test binary, a module a theme.

mod cli;
mod fetch;
mod model_file;
mod train;
