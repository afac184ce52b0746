//! Models: recipes (layers and training settings, as data), model files, predictions and their explanation, and the
//! built-in model.
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

mod cell_errors;
pub(crate) mod container;
mod error;
pub mod explain;
pub mod file;
#[cfg(feature = "formats")]
pub mod format;
mod names;
pub mod predictor;
mod ranges;
pub mod recipe;
mod recipe_file;
pub mod rows;
mod sources;

pub use cell_errors::CellErrors;
pub use error::{ModelError, PredictError};
pub use explain::SaliencyMap;
pub use file::Model;
pub use predictor::{Logits, Prediction, Predictor, Tta, predict_logits};
pub use recipe::Recipe;
pub use recipe_file::{Place, RecipeError};
pub use sources::ImageSource;
