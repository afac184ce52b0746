//! Plots and pages people look at.

pub mod evaluation;
mod evaluation_plots;
