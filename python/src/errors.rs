//! Converts the library's errors to Python exceptions, which contain the path of the file.

use giemsa::image::ImageError;
use giemsa::model::ModelError;
use giemsa::smear::CountError;
use giemsa::train::TrainError;
use pyo3::PyErr;
use std::path::Path;

mod exceptions {
    pyo3::import_exception!(giemsa._errors, ImageError);
    pyo3::import_exception!(giemsa._errors, ModelError);
    pyo3::import_exception!(giemsa._errors, DataError);
    pyo3::import_exception!(giemsa._errors, TrainError);
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
    other_model_error(message, path)
}

/// Returns `giemsa.ModelError` for a file of another tool.
pub fn other_model_error(message: String, path: &Path) -> PyErr {
    exceptions::ModelError::new_err((message, path.to_owned()))
}

/// Returns `giemsa.ImageError` for a photograph that cannot be counted.
pub fn count_error(error: &CountError, path: &Path) -> PyErr {
    exceptions::ImageError::new_err((error.to_string(), path.to_owned()))
}

/// Returns `giemsa.DataError` for a folder.
pub fn data_error(message: String, folder: &Path) -> PyErr {
    exceptions::DataError::new_err((message, folder.to_owned()))
}

/// Returns the exception for an error of training: that of its cause, if it is one of the data. `folder` is the folder with
/// the data, or of the run.
pub fn train_error(error: &TrainError, folder: &Path) -> PyErr {
    let message = match error {
        TrainError::Divide { source, .. } => format!("{error}: {source}"),
        _ => error.to_string(),
    };
    match error {
        TrainError::Image(error) => image_error(error),
        TrainError::Dataset(_)
        | TrainError::Divide { .. }
        | TrainError::MissingPatient { .. }
        | TrainError::TooManyUnreadable { .. }
        | TrainError::SharedImages { .. } => data_error(message, folder),
        _ => other_train_error(message, folder),
    }
}

/// Returns `giemsa.TrainError`.
pub fn other_train_error(message: String, folder: &Path) -> PyErr {
    exceptions::TrainError::new_err((message, folder.to_owned()))
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
