//! The engine: layers, loss, optimizer, and the sequential network that joins them.

mod aligned_vec;
pub mod architecture;
mod batch_norm;
mod conv;
mod dense;
mod dropout;
pub mod kernels;
mod layer;
mod loss;
pub mod network;
mod parameter;
mod pooling;

pub use architecture::{Activation, ArchitectureError, LayerSpec, LayerSummary, Shape};
pub use network::{Network, StepResult, StepSettings, Tensor};
