//! The engine: layers, loss, optimizer, and the sequential network that joins them.

pub mod architecture;
pub mod init;
pub mod kernels;
pub mod network;

pub use architecture::{Activation, LayerSpec, Shape};
pub use network::{Network, StepSettings, Tensor};
