//! Converts the library's errors to Python exceptions, which contain the path of the file.

use giemsa::image::ImageError;
use giemsa::model::ModelError;
use pyo3::PyErr;
use std::path::Path;

mod exceptions {
    pyo3::import_exception!(giemsa._errors, ImageError);
    pyo3::import_exception!(giemsa._errors, ModelError);
}

/// Returns `giemsa.ImageError`.
pub fn image_error(error: &ImageError) -> PyErr {
    exceptions::ImageError::new_err((error.to_string(), error.path().to_owned()))
}

/// Returns `giemsa.ImageError` for an image of unusable pixels.
pub fn pixel_error(name: &str, problem: &str) -> PyErr {
    exceptions::ImageError::new_err((format!("{name}: {problem}"), name.to_owned()))
}

/// Returns `giemsa.ModelError`. `path` is the file of the model.
pub fn model_error(error: &ModelError, path: &Path) -> PyErr {
    let (message, name) = (error.to_string(), path.display().to_string());
    let message = if message.contains(&name) { message } else { format!("{name}: {message}") };
    exceptions::ModelError::new_err((message, path.to_owned()))
}

/// Prints no message for a panic of a decoder, which becomes an `ImageError`.
pub fn silence_decoders() {
    let report = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        if !giemsa::image::is_decoding() {
            report(panic);
        }
    }));
}
