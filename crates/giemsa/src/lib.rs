//! Trains, judges and runs small neural networks that tell malaria-parasitized red blood cells from healthy ones.
//!
//! For research use only: nothing here is a diagnosis.

#[doc(hidden)] // Becomes private.
pub mod checksum;
pub mod classes;
pub mod dataset;
pub mod evaluate;
#[cfg(feature = "fetch")]
pub mod fetch;
#[doc(hidden)] // Replaced by `output::write_atomically`.
pub mod files {
    pub use crate::output::write_atomically as write_whole;
}
pub mod image;
pub mod model;
pub mod nn;
pub mod output;
pub mod preprocess;
#[doc(hidden)] // Becomes private.
pub mod random;
#[cfg(feature = "report")]
pub mod report;
#[cfg(feature = "synthetic")]
pub mod synthetic;
pub mod train;

/// Said wherever a result is given.
pub const RESEARCH_ONLY: &str = "For research use only, not for diagnosis.";
