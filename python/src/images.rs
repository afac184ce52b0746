//! Converts Python objects to images: paths, bytes, PIL images and NumPy arrays.

use crate::pixels::{is_pil_image, pixels_of_array, pixels_of_pil};
use giemsa::image::{ImageError, decode_bytes, decode_file};
use giemsa::model::ImageSource;
use image::RgbImage;
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;
use pyo3::types::{PyByteArray, PyBytes, PyIterator, PyString};
use std::borrow::Cow;
use std::path::{Path, PathBuf};

/// An image that Python passed, without references to the interpreter. The name of an image without a file is that of its
/// place, such as `images[3]`.
pub enum Image {
    File(PathBuf),
    Bytes(PathBuf, PyBackedBytes),
    Pixels(PathBuf, RgbImage),
}

/// Images that are converted at once, before Ctrl-C is noticed.
pub const BLOCK: usize = 400;

const EXPECTED: &str = "a path, the bytes of an image file, a PIL image or a NumPy array of uint8 with the shape \
                        (height, width, 3), in RGB";

impl Image {
    /// Returns the image for the library.
    pub fn source(&self) -> ImageSource<'_> {
        match self {
            Image::File(path) => ImageSource::File(path),
            Image::Bytes(path, bytes) => ImageSource::Bytes { path, bytes },
            Image::Pixels(path, pixels) => ImageSource::Pixels { path, pixels },
        }
    }

    /// Returns the path or the name.
    pub fn path(&self) -> &Path {
        match self {
            Image::File(path) | Image::Bytes(path, _) | Image::Pixels(path, _) => path,
        }
    }

    /// Decodes the image.
    pub fn pixels(&self) -> Result<Cow<'_, RgbImage>, ImageError> {
        match self {
            Image::File(path) => decode_file(path).map(|decoded| Cow::Owned(decoded.pixels)),
            Image::Bytes(path, bytes) => decode_bytes(bytes, path).map(|decoded| Cow::Owned(decoded.pixels)),
            Image::Pixels(_, pixels) => Ok(Cow::Borrowed(pixels)),
        }
    }
}

/// Converts one image; `name` is used if it has no path.
pub fn image(object: &Bound<'_, PyAny>, name: &str) -> PyResult<Image> {
    if is_bytes(object) {
        return Ok(Image::Bytes(name.into(), object.extract()?));
    }
    if is_path(object)? {
        return Ok(Image::File(object.extract()?));
    }
    if is_pil_image(object)? {
        return Ok(Image::Pixels(name.into(), pixels_of_pil(object, name)?));
    }
    if is_array(object)? {
        return Ok(Image::Pixels(name.into(), pixels_of_array(object, name)?));
    }
    let found = object.get_type().qualname()?;
    Err(PyTypeError::new_err(format!("{name}: expected {EXPECTED}, found {found}")))
}

/// Returns whether the object is one image rather than a list of images.
pub fn is_one_image(object: &Bound<'_, PyAny>) -> PyResult<bool> {
    let has_three_axes = || Ok::<_, PyErr>(is_array(object)? && object.getattr("ndim")?.extract::<usize>()? == 3);
    Ok(is_bytes(object) || is_path(object)? || is_pil_image(object)? || has_three_axes()?)
}

fn is_bytes(object: &Bound<'_, PyAny>) -> bool {
    object.is_instance_of::<PyBytes>() || object.is_instance_of::<PyByteArray>()
}

fn is_path(object: &Bound<'_, PyAny>) -> PyResult<bool> {
    Ok(object.is_instance_of::<PyString>() || object.hasattr("__fspath__")?)
}

fn is_array(object: &Bound<'_, PyAny>) -> PyResult<bool> {
    object.hasattr("__array_interface__")
}

/// Converts a list of images block by block, and passes the blocks to `each`.
pub fn image_blocks(images: &Bound<'_, PyAny>, mut each: impl FnMut(Vec<Image>) -> PyResult<()>) -> PyResult<()> {
    let mut objects = image_list(images)?;
    let mut converted = 0;
    loop {
        let block = next_block(&mut objects, BLOCK, converted, "images")?;
        if block.is_empty() {
            return Ok(());
        }
        converted += block.len();
        each(block)?;
    }
}

/// Converts the next images of a list, after the first `converted` ones. An empty list is an error.
pub fn next_block(
    objects: &mut Bound<'_, PyIterator>,
    length: usize,
    converted: usize,
    name: &str,
) -> PyResult<Vec<Image>> {
    let convert = |(object, index): (PyResult<Bound<'_, PyAny>>, usize)| image(&object?, &format!("{name}[{index}]"));
    let block: Vec<Image> = objects.take(length).zip(converted..).map(convert).collect::<PyResult<_>>()?;
    if block.is_empty() && converted == 0 {
        return Err(PyValueError::new_err(format!("{name}: expected at least one image, found none")));
    }
    Ok(block)
}

/// Returns an iterator over a list of images, or over the images of an array with four axes.
fn image_list<'py>(images: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyIterator>> {
    let found = images.get_type().qualname()?;
    if is_one_image(images)? {
        return Err(PyTypeError::new_err(format!(
            "images: expected a list of images, found one ({found}): write [image]"
        )));
    }
    if is_array(images)? {
        let (axes, dtype) = (images.getattr("ndim")?.extract::<usize>()?, images.getattr("dtype")?.to_string());
        let is_list_of_paths = axes == 1 && (dtype == "object" || dtype.starts_with("<U") || dtype.starts_with("str"));
        if !is_list_of_paths && (axes != 4 || dtype != "uint8") {
            return Err(PyValueError::new_err(format!(
                "images: expected an array of uint8 with the shape (images, height, width, 3), in RGB, found {dtype} with \
                 the shape {}",
                images.getattr("shape")?
            )));
        }
    }
    images.try_iter().map_err(|_| PyTypeError::new_err(format!("images: expected a list of images, found {found}")))
}
