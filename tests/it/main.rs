//! One test binary, a module a theme.

mod cli;
mod evaluation;
mod fetch;
mod model_file;
mod train;
