//! Decodes JPEG, TIFF and BMP with the `image` crate.

use super::decoded::{ColourMode, Decoded, on_black};
use super::error::Fault;
use super::limits::{MAX_SIDE_PX, check_size};
use image::{DynamicImage, ExtendedColorType, ImageDecoder, ImageFormat, ImageReader, Limits, RgbImage};
use std::io::Cursor;

pub(super) fn size(bytes: &[u8], format: ImageFormat) -> Result<(u32, u32, ColourMode), Fault> {
    let decoder = open(bytes, format)?;
    let (width, height) = decoder.dimensions();
    Ok((width, height, colour_mode(bytes, format, decoder.original_color_type())))
}

pub(super) fn decode(bytes: &[u8], format: ImageFormat) -> Result<Decoded, Fault> {
    let decoder = open(bytes, format)?;
    if format == ImageFormat::Jpeg && !has_jpeg_end(bytes) {
        return Err(Fault::corrupt(format, "the file is truncated"));
    }
    let colour_mode = colour_mode(bytes, format, decoder.original_color_type());
    let image = DynamicImage::from_decoder(decoder).map_err(|error| Fault::corrupt(format, error))?;
    Ok(Decoded { pixels: to_rgb(image), colour_mode })
}

fn open(bytes: &[u8], format: ImageFormat) -> Result<impl ImageDecoder + '_, Fault> {
    let mut reader = ImageReader::with_format(Cursor::new(bytes), format);
    let mut limits = Limits::default();
    limits.max_alloc = Some(2 * 8 * u64::from(MAX_SIDE_PX).pow(2));
    reader.limits(limits);
    let decoder = reader.into_decoder().map_err(|error| Fault::corrupt(format, error))?;
    let (width, height) = decoder.dimensions();
    check_size(width, height, bytes.len())?;
    Ok(decoder)
}

fn colour_mode(bytes: &[u8], format: ImageFormat, colour: ExtendedColorType) -> ColourMode {
    if format == ImageFormat::Bmp && bmp_bits(bytes).is_some_and(|bits| bits <= 8) {
        return ColourMode::Palette;
    }
    match colour {
        ExtendedColorType::Rgb8 => ColourMode::Rgb,
        ExtendedColorType::Rgba8 => ColourMode::Rgba,
        ExtendedColorType::L1 | ExtendedColorType::L2 | ExtendedColorType::L4 | ExtendedColorType::L8 => {
            ColourMode::Grey
        }
        ExtendedColorType::La8 => ColourMode::GreyAlpha,
        ExtendedColorType::Rgb16 => ColourMode::Rgb16,
        ExtendedColorType::Rgba16 => ColourMode::Rgba16,
        ExtendedColorType::L16 => ColourMode::Grey16,
        _ => ColourMode::Other,
    }
}

/// Reads the bits per pixel, which the `image` crate does not expose: at byte 24 after the old header of 12 bytes, else
/// at byte 28.
fn bmp_bits(bytes: &[u8]) -> Option<u16> {
    let at = if bytes.get(14) == Some(&12) { 24 } else { 28 };
    Some(u16::from_le_bytes([*bytes.get(at)?, *bytes.get(at + 1)?]))
}

/// Returns whether the end marker follows the last scan. The decoder would fill a truncated image with grey.
///
/// Segments are skipped by their length, because a thumbnail inside one may contain its own end marker. After a
/// segment comes either the next marker or the data of a scan, where 0xff is followed by 0 or by a restart marker.
fn has_jpeg_end(bytes: &[u8]) -> bool {
    let mut at = 2;
    while let Some(&[first, marker]) = bytes.get(at..at + 2) {
        at += match (first, marker) {
            (0xff, 0xd9) => return true,
            (0xff, 0x00 | 0x01 | 0xd0..=0xd7) => 2,
            (0xff, 0xff) => 1,
            (0xff, _) => match bytes.get(at + 2..at + 4) {
                Some(&[high, low]) => 2 + usize::from(u16::from_be_bytes([high, low])),
                _ => return false,
            },
            _ => 1,
        };
    }
    false
}

fn to_rgb(image: DynamicImage) -> RgbImage {
    match image {
        DynamicImage::ImageRgb8(pixels) => pixels,
        image if image.color().has_alpha() => {
            let (width, height) = (image.width(), image.height());
            let rgba = image.into_rgba8();
            RgbImage::from_fn(width, height, |x, y| {
                let [r, g, b, alpha] = rgba.get_pixel(x, y).0;
                image::Rgb([r, g, b].map(|value| on_black(value, alpha)))
            })
        }
        image => image.into_rgb8(),
    }
}
