//! The engine: layers, loss, optimizer, and the sequential network that joins them.

pub mod architecture;
mod conv;
mod dense;
mod dropout;
mod floats;
pub mod kernels;
mod layer;
mod loss;
pub mod network;
mod normalisation;
mod parameter;
mod pooling;

pub use architecture::{Activation, ArchitectureError, LayerSpec, LayerSummary, Shape};
pub use network::{Network, StepResult, StepSettings, Tensor};
