//! The neural network engine: layers, loss, optimizer, and the sequential [`Network`] that contains them.

mod aligned_vec;
pub mod architecture;
pub(crate) mod batch_norm;
mod conv;
mod dense;
mod dropout;
pub mod kernels;
mod layer;
mod loss;
pub mod network;
mod parameter;
mod pooling;

pub use architecture::{Activation, ArchitectureError, LayerError, LayerSpec, LayerSummary, Resource, Shape};
pub use loss::NO_TARGET;
pub use network::{Network, StepResult, StepSettings, Tensor};
