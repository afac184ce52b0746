//! One test binary, a module a theme.

mod model_file;
mod train;
