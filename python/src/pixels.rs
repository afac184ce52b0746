//! Converts PIL images and NumPy arrays to pixels.

use crate::errors::pixel_error;
use giemsa::image::{MAX_PIXELS, MAX_SIDE_PX};
use image::RgbImage;
use pyo3::buffer::PyBuffer;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;

/// Returns whether the object is a PIL image, without importing PIL.
pub fn is_pil_image(object: &Bound<'_, PyAny>) -> PyResult<bool> {
    let modules = object.py().import("sys")?.getattr("modules")?;
    let module = modules.call_method1("get", ("PIL.Image",))?;
    if module.is_none() { Ok(false) } else { object.is_instance(&module.getattr("Image")?) }
}

/// Converts a PIL image. Alpha is blended onto black, as in image files.
pub fn pixels_of_pil(object: &Bound<'_, PyAny>, name: &str) -> PyResult<RgbImage> {
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

pub fn pixels_of_array(array: &Bound<'_, PyAny>, name: &str) -> PyResult<RgbImage> {
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
