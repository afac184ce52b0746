//! The images in a tensor: files, or pixels.
//!
//! Pixels are those of the image of a cell, of any size. They go through the preprocessing of the model like those of a file, so
//! pixels of type FP32 are rounded to 8 bits.

use super::InferenceError;
use super::binary::split_elements;
use super::elements::{Element, read_elements};
use crate::engine::{CellContent, CellImage};
use crate::settings::Limits;
use axum::body::Bytes;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use image::RgbImage;

/// The name of the input.
pub const INPUT: &str = "image";

/// An input.
#[derive(Debug)]
pub struct Tensor<'a> {
    /// The type of its elements.
    pub datatype: &'a str,
    /// Its shape.
    pub shape: &'a [u64],
    /// Its elements.
    pub data: Data<'a>,
}

/// The elements of a tensor.
#[derive(Debug)]
pub enum Data<'a> {
    /// JSON: a list, or lists in lists.
    Json(&'a str),
    /// Binary data.
    Binary(Bytes),
}

/// Returns the images of a tensor. Nothing is allocated for a shape before its data is there.
///
/// # Errors
/// If type, shape and data do not fit each other, or are above a limit.
pub fn read_images(tensor: &Tensor<'_>, limits: &Limits) -> Result<Vec<CellImage>, InferenceError> {
    let contents: Vec<CellContent> = match tensor.datatype {
        "BYTES" => {
            let [count] = *tensor.shape else { return Err(wrong_shape(tensor, "[N]")) };
            files(&tensor.data, check_count(count, limits)?)?.into_iter().map(CellContent::File).collect()
        }
        "UINT8" => pixels(tensor, limits, 1, |bytes| bytes.first().copied(), byte_of_integer)?,
        "FP32" => pixels(tensor, limits, 4, byte_of_four_bytes, byte_of_fraction)?,
        other => {
            let expected = format!("the datatype of '{INPUT}' is BYTES, UINT8 or FP32, not '{other}'");
            return Err(InferenceError::bad_request(expected));
        }
    };
    Ok(contents.into_iter().map(|content| CellImage { name: INPUT.into(), content }).collect())
}

fn wrong_shape(tensor: &Tensor<'_>, expected: &str) -> InferenceError {
    let (datatype, shape) = (tensor.datatype, tensor.shape.iter().take(8).collect::<Vec<_>>());
    InferenceError::bad_request(format!("the shape of '{INPUT}' of type {datatype} is {expected}, not {shape:?}"))
}

fn check_count(count: u64, limits: &Limits) -> Result<usize, InferenceError> {
    match usize::try_from(count) {
        Ok(count) if (1..=limits.parts).contains(&count) => Ok(count),
        _ => Err(InferenceError::bad_request(format!("expected 1 to {} images, found {count}", limits.parts))),
    }
}

/// Returns the files of a tensor of type BYTES.
fn files(data: &Data<'_>, count: usize) -> Result<Vec<Bytes>, InferenceError> {
    let json = match data {
        Data::Binary(bytes) => return split_elements(bytes, count),
        Data::Json(json) => json,
    };
    let mut files = Vec::new();
    read_elements(json, count, &mut |element| {
        let Element::Text(text) = element else { return Err("expected files as base64 strings".to_owned()) };
        let file = STANDARD.decode(text);
        files.push(file.map_err(|error| format!("element {}: expected base64: {error}", files.len()))?.into());
        Ok(())
    })?;
    Ok(files)
}

/// Returns the images of a tensor of pixels. Elements have `size` bytes; the functions convert an element to a byte of a pixel.
fn pixels(
    tensor: &Tensor<'_>,
    limits: &Limits,
    size: usize,
    of_bytes: fn(&[u8]) -> Option<u8>,
    of_number: fn(f64) -> Option<u8>,
) -> Result<Vec<CellContent>, InferenceError> {
    let [count, height, width, 3] = *tensor.shape else { return Err(wrong_shape(tensor, "[N, height, width, 3]")) };
    let count = check_count(count, limits)?;
    let (width, height, image_bytes) = check_size(width, height, limits)?;
    let elements = image_bytes.checked_mul(count).ok_or_else(|| wrong_shape(tensor, "smaller"))?;
    let out_of_range = |index: usize| format!("element {index}: expected 0..=255 for UINT8, and 0.0..=1.0 for FP32");
    let mut bytes = Vec::new();
    match &tensor.data {
        Data::Binary(data) if elements.checked_mul(size) == Some(data.len()) => {
            let converted = data.chunks_exact(size).enumerate().map(|(i, element)| of_bytes(element).ok_or(i));
            bytes = converted.collect::<Result<_, _>>().map_err(|i| InferenceError::bad_request(out_of_range(i)))?;
        }
        Data::Binary(data) => {
            let message = format!("the shape has {elements} elements of {size} bytes, the data has {}", data.len());
            return Err(InferenceError::bad_request(message));
        }
        Data::Json(json) => read_elements(json, elements, &mut |element| {
            let Element::Number(number) = element else { return Err("expected pixels as numbers".to_owned()) };
            bytes.push(of_number(number).ok_or_else(|| out_of_range(bytes.len()))?);
            Ok(())
        })?,
    }
    let images = bytes.chunks_exact(image_bytes).map(|image| RgbImage::from_raw(width, height, image.to_vec()));
    Ok(images.flatten().map(CellContent::Pixels).collect())
}

/// Returns width and height, and the number of bytes of an image.
fn check_size(width: u64, height: u64, limits: &Limits) -> Result<(u32, u32, usize), InferenceError> {
    let pixels = width.checked_mul(height).filter(|pixels| (1..=limits.cell_pixels).contains(pixels));
    let size = pixels.and_then(|pixels| {
        Some((width.try_into().ok()?, height.try_into().ok()?, usize::try_from(pixels).ok()?.checked_mul(3)?))
    });
    size.ok_or_else(|| {
        let limit = limits.cell_pixels;
        InferenceError::bad_request(format!(
            "the images are {width}x{height} pixels; the image of a cell has 1 to {limit}: \
             send photographs of a smear to /api/photos"
        ))
    })
}

/// Converts an element of type UINT8 in JSON.
fn byte_of_integer(number: f64) -> Option<u8> {
    (number.fract() == 0.0 && (0.0..=255.0).contains(&number)).then_some(number as u8)
}

/// Converts a value of type FP32, in 0..=1, to the nearest of 256 steps.
fn byte_of_fraction(number: f64) -> Option<u8> {
    // JSON and binary data of the same f32 give the same byte.
    let step = (f64::from(number as f32) * 255.0).round();
    (0.0..=255.0).contains(&step).then_some(step as u8)
}

fn byte_of_four_bytes(bytes: &[u8]) -> Option<u8> {
    byte_of_fraction(f32::from_le_bytes(bytes.try_into().ok()?).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(datatype: &str, shape: &[u64], data: Data<'_>) -> Result<Vec<CellImage>, InferenceError> {
        let limits = Limits { parts: 3, cell_pixels: 6, ..Limits::default() };
        read_images(&Tensor { datatype, shape, data }, &limits)
    }

    fn bytes_of(images: Result<Vec<CellImage>, InferenceError>) -> Vec<Vec<u8>> {
        let content = |image: CellImage| match image.content {
            CellContent::File(bytes) => bytes.to_vec(),
            CellContent::Pixels(pixels) => pixels.into_raw(),
        };
        images.unwrap().into_iter().map(content).collect()
    }

    #[test]
    fn reads_flat_and_nested_pixels() {
        let expected = [vec![0, 1, 2, 3, 4, 5], vec![250, 251, 252, 253, 254, 255]];
        let flat = "[0, 1, 2, 3, 4, 5, 250, 251, 252, 253, 254, 255.0]";
        let nested = "[[[[0,1,2]],[[3,4,5]]],[[[250,251,252]],[[253,254,255]]]]";
        let binary = Bytes::from(expected.concat());
        for data in [Data::Json(flat), Data::Json(nested), Data::Binary(binary)] {
            let images = read("UINT8", &[2, 2, 1, 3], data).unwrap();
            let CellContent::Pixels(pixels) = &images[0].content else { panic!("no pixels") };
            assert_eq!(pixels.dimensions(), (1, 2));
            assert_eq!(bytes_of(Ok(images)), expected);
        }
    }

    #[test]
    fn fractions_are_rounded_to_8_bits() {
        // 0.002 * 255 = 0.51, 0.00196 * 255 = 0.4998, 0.5 * 255 = 127.5, 1.0019 * 255 = 255.48.
        let values = [0.0f32, 0.002, 0.00196, 0.5, 1.0019, 1.0];
        let binary = Bytes::from(values.map(f32::to_le_bytes).concat());
        let json = format!("{values:?}");
        for data in [Data::Json(&json), Data::Binary(binary)] {
            assert_eq!(bytes_of(read("FP32", &[1, 1, 2, 3], data)), [[0, 1, 0, 128, 255, 255]]);
        }
    }

    #[test]
    fn reads_files_in_base64() {
        assert_eq!(bytes_of(read("BYTES", &[2], Data::Json(r#"["YWI=", ""]"#))), [b"ab".to_vec(), Vec::new()]);
        assert_eq!(bytes_of(read("BYTES", &[1], Data::Binary(Bytes::from_static(b"\x01\0\0\0a")))), [b"a"]);
    }

    #[test]
    fn what_does_not_fit_is_an_error_and_allocates_nothing() {
        let huge = u64::MAX;
        let json = |datatype, shape: &[u64], text| read(datatype, shape, Data::Json(text)).unwrap_err();
        let nan = Bytes::from([f32::NAN; 3].map(f32::to_le_bytes).concat());
        let deep = "[".repeat(100_000);
        for error in [
            json("FP64", &[1], "[1]"),
            json("BYTES", &[], "[]"),
            json("BYTES", &[0], "[]"),
            json("BYTES", &[1, 1], r#"["YQ=="]"#),
            json("BYTES", &[4], "[]"),
            json("BYTES", &[huge], "[]"),
            json("BYTES", &[1], r#"["not base64"]"#),
            json("BYTES", &[1], "[5]"),
            json("BYTES", &[2], r#"["YQ=="]"#),
            json("BYTES", &[1], r#"["YQ==", "YQ=="]"#),
            json("UINT8", &[1, 1, 1, 4], "[1, 2, 3, 4]"),
            json("UINT8", &[3, 1], "[1, 2, 3]"),
            json("UINT8", &[1, huge, huge, 3], "[1, 2, 3]"),
            json("UINT8", &[1, 0, 1, 3], "[]"),
            json("UINT8", &[1, 1, 7, 3], "[1, 2, 3]"),
            json("UINT8", &[1, 1, 1, 3], "[1, 2]"),
            json("UINT8", &[1, 1, 1, 3], "[1, 2, 3, 4]"),
            json("UINT8", &[1, 1, 1, 3], "[1, 2, 256]"),
            json("UINT8", &[1, 1, 1, 3], "[1, 2, 0.5]"),
            json("UINT8", &[1, 1, 1, 3], "[1, 2, -1]"),
            json("UINT8", &[1, 1, 1, 3], "[1, 2, null]"),
            json("UINT8", &[1, 1, 1, 3], r#"{"a": [1, 2, 3]}"#),
            json("UINT8", &[1, 1, 1, 3], "5"),
            json("UINT8", &[1, 1, 1, 3], &deep),
            json("FP32", &[1, 1, 1, 3], "[1.0, 2.0, 0.5]"),
            json("FP32", &[1, 1, 1, 3], "[1e300, 0, 0]"),
            read("FP32", &[1, 1, 1, 3], Data::Binary(nan)).unwrap_err(),
            read("FP32", &[3, 2, 3, 3], Data::Binary(Bytes::from_static(b"ab"))).unwrap_err(),
            read("UINT8", &[1, 1, 1, 3], Data::Binary(Bytes::from_static(b"abcd"))).unwrap_err(),
        ] {
            assert_eq!(error.status, 400, "{error:?}");
            assert!(error.message.len() < 200, "{error:?}");
        }
    }
}
