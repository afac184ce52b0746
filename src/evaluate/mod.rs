//! Evaluation.

pub mod counts;
