//! The model: loading, prediction and explanation.

use crate::errors::{image_error, model_error};
use crate::images::{BLOCK, Image, image, image_blocks};
use crate::pool::{compute, compute_attached};
use giemsa::checksum::sha256_of_bytes;
use giemsa::classes::Class;
use giemsa::image::ImageError;
use giemsa::model::explain::occlusion;
use giemsa::model::{Model, ModelError, Prediction, Tta};
use giemsa::smear::count_if_field;
use image::RgbImage;
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;
use pyo3::types::PyBytes;
use std::path::{Path, PathBuf};

/// A model with the bytes of its file.
#[pyclass(frozen, module = "giemsa._giemsa")]
pub struct NativeModel {
    pub model: Model,
    path: PathBuf,
    /// The content of the file; `None` for the built-in model.
    bytes: Option<Vec<u8>>,
    /// SHA-256 of the file.
    #[pyo3(get)]
    sha256: String,
}

/// The probability of *Parasitized*, that of a red cell, the class, and the class of any image.
type Row = (f64, Option<f64>, Option<&'static str>, &'static str);
/// A row of `score_batch`: the probability, the class, and the reason why there is no class.
type ScoredRow = (Option<f64>, Option<&'static str>, Option<String>);

#[pymethods]
impl NativeModel {
    /// Reads a model file, or returns the built-in model.
    #[staticmethod]
    fn load(py: Python<'_>, path: Option<PathBuf>) -> PyResult<NativeModel> {
        let Some(path) = path else { return NativeModel::new(py, None, "the built-in model".into()) };
        let bytes = Model::read_bytes(&path).map_err(|error| model_error(&error, &path))?;
        NativeModel::new(py, Some(bytes), path)
    }

    /// Reads a model from the bytes of a model file; `path` is its name.
    #[staticmethod]
    fn from_bytes(py: Python<'_>, bytes: Vec<u8>, path: PathBuf) -> PyResult<NativeModel> {
        NativeModel::new(py, Some(bytes), path)
    }

    /// Returns the path and the content of the file; `None` for the built-in model.
    fn file<'py>(&self, py: Python<'py>) -> (PathBuf, Option<Bound<'py, PyBytes>>) {
        (self.path.clone(), self.bytes.as_ref().map(|bytes| PyBytes::new(py, bytes)))
    }

    #[getter]
    fn card(&self) -> Option<&str> {
        self.model.card.as_deref()
    }

    #[getter]
    fn threshold(&self) -> f64 {
        shortest(self.model.threshold)
    }

    #[getter]
    fn recipe(&self) -> &str {
        &self.model.recipe.name
    }

    /// Predicts the classes of images. The first one that cannot be read raises an `ImageError`.
    fn predict(
        &self,
        py: Python<'_>,
        images: &Bound<'_, PyAny>,
        tta: bool,
        threads: Option<i64>,
    ) -> PyResult<Vec<Row>> {
        let mut rows = Vec::new();
        image_blocks(images, |block| {
            for result in self.predict_block(py, &block, tta, threads)? {
                rows.push(row(result.map_err(|error| image_error(&error))?));
            }
            py.check_signals()
        })?;
        Ok(rows)
    }

    /// Predicts the classes of encoded images. An image that cannot be used is a row with an error.
    fn score(
        &self,
        py: Python<'_>,
        images: Vec<Option<PyBackedBytes>>,
        tta: bool,
        threads: Option<i64>,
    ) -> PyResult<Vec<ScoredRow>> {
        let mut rows = Vec::with_capacity(images.len());
        let mut images = images.into_iter().peekable();
        while images.peek().is_some() {
            let block: Vec<Option<Image>> =
                images.by_ref().take(BLOCK).map(|bytes| Some(Image::Bytes(PathBuf::new(), bytes?))).collect();
            let is_null: Vec<bool> = block.iter().map(Option::is_none).collect();
            let present: Vec<Image> = block.into_iter().flatten().collect();
            let mut results = self.predict_block(py, &present, tta, threads)?.into_iter();
            rows.extend(is_null.into_iter().filter_map(|is_null| match is_null {
                true => Some((None, None, Some("the image is null".to_owned()))),
                false => results.next().map(scored_row),
            }));
            py.check_signals()?;
        }
        Ok(rows)
    }

    /// Computes an occlusion map: its rows, columns and values.
    fn explain(
        &self,
        py: Python<'_>,
        object: &Bound<'_, PyAny>,
        threads: Option<i64>,
    ) -> PyResult<(usize, usize, Vec<f32>)> {
        let source = image(object, "image")?;
        let map = compute(py, threads, || {
            source
                .pixels()
                .map_err(|error| image_error(&error))
                .and_then(|pixels| occlusion(&self.model, &pixels).map_err(|error| model_error(&error, &self.path)))
        })??;
        Ok((map.height, map.width, map.values))
    }
}

impl NativeModel {
    fn new(py: Python<'_>, bytes: Option<Vec<u8>>, path: PathBuf) -> PyResult<NativeModel> {
        let content: &[u8] = bytes.as_deref().unwrap_or(Model::BUILTIN);
        let model = Model::from_bytes(content, &path).map_err(|error| model_error(&error, &path))?;
        let sha256 = sha256_of_bytes(content);
        // The first prediction prepares the weights. No process can fork before it is done, because this thread holds the
        // interpreter's lock.
        compute_attached(py, || drop(model.predict(&RgbImage::new(1, 1))))?;
        Ok(NativeModel { model, path, bytes, sha256 })
    }

    /// Returns the file, for messages.
    pub fn path(&self) -> &Path {
        &self.path
    }

    fn predict_block(
        &self,
        py: Python<'_>,
        images: &[Image],
        tta: bool,
        threads: Option<i64>,
    ) -> PyResult<Vec<Result<Prediction, ImageError>>> {
        let predicted = compute(py, threads, || {
            let sources: Vec<_> = images.iter().map(Image::source).collect();
            self.model.predictor(tta_of(tta)).refusing_fields(count_if_field).predict_sources(&sources)
        })?;
        predicted.map_err(|error: ModelError| model_error(&error, &self.path))
    }
}

/// Returns the test-time augmentation.
pub fn tta_of(tta: bool) -> Tta {
    if tta { Tta::Dihedral8 } else { Tta::None }
}

fn row(prediction: Prediction) -> Row {
    let red_cell = prediction.probability_red_cell.map(f64::from);
    let class = prediction.class.map(Class::name);
    (prediction.probability_parasitized.into(), red_cell, class, prediction.class_of_any_image.name())
}

fn scored_row(result: Result<Prediction, ImageError>) -> ScoredRow {
    match result.map(row) {
        Ok((probability, _, Some(class), _)) => (Some(probability), Some(class), None),
        Ok((probability, _, None, _)) => (Some(probability), None, Some("not a red cell".to_owned())),
        Err(error) => (None, None, Some(error.reason())),
    }
}

/// Returns the shortest decimal number of an `f32`, as the program prints it.
fn shortest(value: f32) -> f64 {
    value.to_string().parse().unwrap_or(value.into())
}
