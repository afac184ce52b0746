//! Decodes BMP with the `image` crate.

use super::decode::{Header, Opened, Source};
use super::decoded::{ColourMode, rgb_in_place, rgb_on_black};
use super::error::Fault;
use image::codecs::bmp::BmpDecoder;
use image::{ColorType, ImageDecoder, ImageFormat};
use std::io::SeekFrom;

pub(super) fn open<'a>(
    source: &'a mut dyn Source,
    check: impl Fn(u32, u32) -> Result<(), Fault>,
) -> Result<Opened<'a>, Fault> {
    let bits = bits_per_pixel(source).map_err(corrupt)?;
    let decoder = BmpDecoder::new(source).map_err(corrupt)?;
    let (width, height) = decoder.dimensions();
    check(width, height)?;
    let with_alpha = decoder.color_type() == ColorType::Rgba8;
    let colour_mode = match bits {
        ..=8 => ColourMode::Palette,
        _ if with_alpha => ColourMode::Rgba,
        _ => ColourMode::Rgb,
    };
    let pixels = width as usize * height as usize;
    let memory_bytes = pixels as u64 * if with_alpha { 4 } else { 3 };
    let read = |samples: &mut [u8]| decoder.read_image(samples).map_err(corrupt);
    let decode = move || {
        if with_alpha { rgb_in_place(pixels, read, rgb_on_black) } else { rgb_in_place(pixels, read, |rgb| rgb) }
    };
    Ok(Opened { header: Header { width, height, colour_mode, memory_bytes, alone: false }, decode: Box::new(decode) })
}

/// Reads the bits per pixel, which the `image` crate does not expose: at byte 24 after the old header of 12 bytes, else
/// at byte 28.
fn bits_per_pixel(source: &mut dyn Source) -> std::io::Result<u16> {
    let mut start = [0; 30];
    source.read_exact(&mut start)?;
    source.seek(SeekFrom::Start(0))?;
    let at = if start[14] == 12 { 24 } else { 28 };
    Ok(u16::from_le_bytes([start[at], start[at + 1]]))
}

fn corrupt(reason: impl std::fmt::Display) -> Fault {
    Fault::corrupt(ImageFormat::Bmp, reason)
}
