//! Trains, evaluates and runs small neural networks that classify red blood cells, cut from photographs of Giemsa-stained
//! thin blood smears, as malaria-parasitized or uninfected.
//!
//! For research use only, not for diagnosis.
//!
//! ```
//! use giemsa::model::Model;
//!
//! let model = Model::embedded()?;
//! let cell = image::RgbImage::from_pixel(80, 90, image::Rgb([225, 170, 180]));
//! let prediction = model.predict(&cell)?;
//! match prediction.class {
//!     Some(class) => println!("{class}: P(Parasitized) = {:.3}", prediction.probability_parasitized),
//!     None => println!("not a red cell"),
//! }
//! # Ok::<(), giemsa::model::ModelError>(())
//! ```
//!
//! - [`model`]: recipes, model files, predictions and saliency maps.
//! - [`dataset`]: folders of labelled images, patients, splits, and the cache of decoded images.
//! - [`train`]: the training loop, run folders, cross-validation and pretraining.
//! - [`evaluate`]: metrics with confidence intervals by patient, calibration, comparison of models.
//! - [`smear`]: finds and counts the cells on photographs of smears; the parasitaemia of a slide.
//! - [`nn`]: the network engine. [`image`] and [`preprocess`]: from a file to the input of a network.
//!
//! # Features
//!
//! None is on by default.
//!
//! - `report`: charts, contact sheets and self-contained HTML pages.
//! - `formats`: ONNX, Keras and PyTorch files.
//! - `fetch`: download and verify the NIH cell images.
//! - `synthetic`: draw synthetic cells and photographs of smears, for demonstrations and tests.

pub mod checksum;
pub mod classes;
pub mod dataset;
mod distribution;
pub mod evaluate;
#[cfg(feature = "fetch")]
pub mod fetch;
pub mod image;
pub mod input;
pub mod model;
pub mod nn;
pub mod output;
pub mod preprocess;
pub mod process;
mod random;
#[cfg(feature = "report")]
pub mod report;
pub mod smear;
#[cfg(feature = "synthetic")]
pub mod synthetic;
pub mod train;

/// The notice that accompanies every result.
pub const RESEARCH_ONLY: &str = "For research use only, not for diagnosis.";
