//! Plots and pages people look at.
