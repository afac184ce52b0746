//! Converts Python objects to images: paths, bytes, PIL images and NumPy arrays.

use crate::errors::pixel_error;
use giemsa::image::{MAX_PIXELS, MAX_SIDE_PX};
use giemsa::model::ImageSource;
use image::RgbImage;
use pyo3::buffer::PyBuffer;
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;
use pyo3::types::{PyByteArray, PyBytes, PyString};
use std::path::{Path, PathBuf};

/// An image that Python passed, without references to the interpreter. The name of an image without a file is that of its
/// place, such as `images[3]`.
pub enum Image {
    File(PathBuf),
    Bytes(PathBuf, PyBackedBytes),
    Pixels(PathBuf, RgbImage),
}

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
}

/// Converts one image; `name` is used if it has no path.
pub fn image(object: &Bound<'_, PyAny>, name: &str) -> PyResult<Image> {
    if object.is_instance_of::<PyBytes>() || object.is_instance_of::<PyByteArray>() {
        return Ok(Image::Bytes(name.into(), object.extract()?));
    }
    if object.is_instance_of::<PyString>() || object.hasattr("__fspath__")? {
        return Ok(Image::File(object.extract()?));
    }
    if is_pil_image(object)? {
        return Ok(Image::Pixels(name.into(), pixels_of_pil(object, name)?));
    }
    if object.hasattr("__array_interface__")? {
        return Ok(Image::Pixels(name.into(), pixels_of_array(object, name)?));
    }
    let found = object.get_type().qualname()?;
    Err(PyTypeError::new_err(format!("{name}: expected {EXPECTED}, found {found}")))
}

/// Returns an iterator over a list of images, or over the images of an array with four axes.
pub fn image_list<'py>(images: &Bound<'py, PyAny>) -> PyResult<Bound<'py, pyo3::types::PyIterator>> {
    let one =
        |what: &str| PyTypeError::new_err(format!("images: expected a list of images, found {what}: write [image]"));
    if object_is_one_image(images)? {
        return Err(one(&images.get_type().qualname()?.to_string()));
    }
    if images.hasattr("__array_interface__")? {
        let (axes, dtype) = (images.getattr("ndim")?.extract::<usize>()?, images.getattr("dtype")?.to_string());
        let shape = images.getattr("shape")?;
        match axes {
            // An array of paths.
            1 if dtype == "object" || dtype.starts_with("<U") || dtype.starts_with("str") => {}
            3 => return Err(one(&format!("an array with the shape {shape}, one image"))),
            4 if dtype == "uint8" => {}
            _ => {
                return Err(PyValueError::new_err(format!(
                    "images: expected an array of uint8 with the shape (images, height, width, 3), in RGB, \
                     found {dtype} with the shape {shape}"
                )));
            }
        }
    }
    images.try_iter().map_err(|_| {
        let found = images.get_type().qualname().map_or_else(|_| "another object".to_owned(), |name| name.to_string());
        PyTypeError::new_err(format!("images: expected a list of images, found {found}"))
    })
}

fn object_is_one_image(object: &Bound<'_, PyAny>) -> PyResult<bool> {
    let is_bytes = object.is_instance_of::<PyBytes>() || object.is_instance_of::<PyByteArray>();
    let is_path = object.is_instance_of::<PyString>() || object.hasattr("__fspath__")?;
    Ok(is_bytes || is_path || is_pil_image(object)?)
}

/// Returns whether the object is a PIL image, without importing PIL.
fn is_pil_image(object: &Bound<'_, PyAny>) -> PyResult<bool> {
    let modules = object.py().import("sys")?.getattr("modules")?;
    let module = modules.call_method1("get", ("PIL.Image",))?;
    if module.is_none() { Ok(false) } else { object.is_instance(&module.getattr("Image")?) }
}

/// Converts a PIL image. Alpha is blended onto black, as in image files.
fn pixels_of_pil(object: &Bound<'_, PyAny>, name: &str) -> PyResult<RgbImage> {
    let (width, height): (u32, u32) = object.getattr("size")?.extract()?;
    check_size(height as usize, width as usize, name)?;
    let mode: String = object.getattr("mode")?.extract()?;
    let unreadable = |error: PyErr| pixel_error(name, &format!("PIL cannot read the image: {error}"));
    let rgb = match mode.as_str() {
        "RGB" => object.clone(),
        "1" | "L" | "YCbCr" | "CMYK" | "HSV" | "LAB" => object.call_method1("convert", ("RGB",)).map_err(unreadable)?,
        "P" | "PA" | "LA" | "La" | "RGBA" | "RGBa" => blended_onto_black(object).map_err(unreadable)?,
        _ => {
            return Err(pixel_error(
                name,
                &format!("expected a PIL image with 8 bits per channel, found the mode {mode}"),
            ));
        }
    };
    let bytes: Vec<u8> = rgb.call_method0("tobytes").map_err(unreadable)?.extract::<PyBackedBytes>()?.to_vec();
    RgbImage::from_raw(width, height, bytes).ok_or_else(|| pixel_error(name, "the PIL image has too few pixels"))
}

fn blended_onto_black<'py>(object: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
    let rgba = object.call_method1("convert", ("RGBA",))?;
    let black =
        object.py().import("PIL.Image")?.call_method1("new", ("RGBA", object.getattr("size")?, (0, 0, 0, 255)))?;
    black.call_method1("alpha_composite", (rgba,))?;
    black.call_method1("convert", ("RGB",))
}

fn pixels_of_array(array: &Bound<'_, PyAny>, name: &str) -> PyResult<RgbImage> {
    let shape: Vec<usize> = array.getattr("shape")?.extract()?;
    let dtype = array.getattr("dtype")?.to_string();
    let expected = |advice: &str| {
        let shape = array.getattr("shape").map_or_else(|_| String::new(), |shape| shape.to_string());
        PyValueError::new_err(format!(
            "{name}: expected an array of uint8 with the shape (height, width, 3), in RGB, found {dtype} with the shape \
             {shape}{advice}"
        ))
    };
    if dtype != "uint8" {
        let is_float = dtype.starts_with("float");
        let advice = if is_float { ": convert values in 0..=1 by (255 * x).round().astype('uint8')" } else { "" };
        return Err(expected(advice));
    }
    let (height, width) = match shape[..] {
        [height, width, 3] => (height, width),
        [3, _, _] => return Err(expected(": move the channels to the end by x.transpose(1, 2, 0)")),
        [_, _] | [_, _, 1] => return Err(expected(": a grey image cannot show the stain")),
        [_, _, 4] => return Err(expected(": remove the alpha channel by x[:, :, :3]")),
        _ => return Err(expected("")),
    };
    check_size(height, width, name)?;
    let buffer = PyBuffer::<u8>::get(array)?;
    let pixels = RgbImage::from_raw(width as u32, height as u32, buffer.to_vec(array.py())?);
    pixels.ok_or_else(|| pixel_error(name, "the array has too few values"))
}

/// Checks that an image has pixels, and not more than an image file may have.
fn check_size(height: usize, width: usize, name: &str) -> PyResult<()> {
    let sides = 1..=MAX_SIDE_PX as usize;
    if sides.contains(&height) && sides.contains(&width) && (height * width) as u64 <= MAX_PIXELS {
        return Ok(());
    }
    let megapixels = MAX_PIXELS / 1_000_000;
    let problem = format!(
        "the image is {width}x{height} pixels; sides of 1 to {MAX_SIDE_PX} pixels and at most {megapixels} megapixels are \
         supported"
    );
    Err(pixel_error(name, &problem))
}
