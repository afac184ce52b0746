//! Evaluation.

pub mod counts;
pub mod loss;
