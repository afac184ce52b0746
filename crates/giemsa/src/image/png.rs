//! Decodes PNG with the `png` crate directly: cell images are PNG files, and decoding takes most of the time of a
//! prediction.

use super::decode::{Header, Opened, Source};
use super::decoded::{ColourMode, all_to_8_bits, grey_on_black, rgb_on_black, to_8_bits};
use super::error::Fault;
use super::memory;
use image::ImageFormat;
use png::{BitDepth, ColorType, Decoder, InterlaceInfo, Limits, Reader, Transformations};

/// The most memory that the decoder allocates for metadata and one row.
const LIMITS: Limits = Limits { bytes: 1 << 20 };

pub(super) fn open<'a>(
    source: &'a mut dyn Source,
    check: impl Fn(u32, u32) -> Result<(), Fault>,
) -> Result<Opened<'a>, Fault> {
    let mut decoder = Decoder::new_with_limits(source, LIMITS);
    let header = decoder.read_header_info().map_err(corrupt)?;
    let (width, height) = header.size();
    check(width, height)?;
    decoder.set_ignore_text_chunk(true);
    decoder.set_ignore_iccp_chunk(true);
    // Palettes and bit depths below 8 are expanded.
    decoder.set_transformations(Transformations::EXPAND);
    let reader = decoder.read_info().map_err(corrupt)?;
    let info = reader.info();
    // The decoder panics on such a palette.
    if info.palette.as_ref().is_some_and(|palette| palette.len() % 3 != 0) {
        return Err(corrupt("the length of the palette is not a multiple of 3"));
    }
    // An animation may begin with a frame that is smaller than the image.
    if info.frame_control.is_some_and(|frame| (frame.width, frame.height) != (width, height)) {
        return Err(corrupt("the first frame is smaller than the image"));
    }
    let colour_mode = colour_mode(info.color_type, info.bit_depth);
    let memory_bytes = 3 * u64::from(width) * u64::from(height);
    let header = Header { width, height, colour_mode, memory_bytes, alone: false };
    Ok(Opened { header, decode: Box::new(move || decode(reader)) })
}

fn decode(mut reader: Reader<&mut dyn Source>) -> Result<Vec<u8>, Fault> {
    let (width, height) = reader.info().size();
    let mut pixels = memory::zeros(width as usize * height as usize * 3);
    if reader.output_color_type() == (ColorType::Rgb, BitDepth::Eight) {
        reader.next_frame(&mut pixels).map_err(corrupt)?;
    } else {
        convert_rows(&mut reader, &mut pixels, width as usize * 3)?;
    }
    // Reads the rest of the file too, to detect one that is truncated after the pixels.
    reader.finish().map_err(corrupt)?;
    Ok(pixels)
}

/// Converts row by row, so that the samples of the whole image are never in memory.
fn convert_rows(reader: &mut Reader<&mut dyn Source>, pixels: &mut [u8], row_bytes: usize) -> Result<(), Fault> {
    let (colour, depth) = reader.output_color_type();
    let mut rgb = vec![0; row_bytes];
    let mut y = 0;
    while let Some(row) = reader.next_interlaced_row().map_err(corrupt)? {
        match row.interlace() {
            InterlaceInfo::Null(_) => {
                to_rgb(row.data(), colour, depth, &mut pixels[y * row_bytes..][..row_bytes]);
                y += 1;
            }
            InterlaceInfo::Adam7(pass) => {
                to_rgb(row.data(), colour, depth, &mut rgb);
                png::expand_interlaced_row(pixels, row_bytes, &rgb, pass, 24);
            }
        }
    }
    Ok(())
}

fn corrupt(reason: impl std::fmt::Display) -> Fault {
    Fault::corrupt(ImageFormat::Png, reason)
}

fn colour_mode(colour: ColorType, depth: BitDepth) -> ColourMode {
    match (colour, depth) {
        (ColorType::Indexed, _) => ColourMode::Palette,
        (ColorType::Rgb, BitDepth::Sixteen) => ColourMode::Rgb16,
        (ColorType::Rgb, _) => ColourMode::Rgb,
        (ColorType::Rgba, BitDepth::Sixteen) => ColourMode::Rgba16,
        (ColorType::Rgba, _) => ColourMode::Rgba,
        (ColorType::Grayscale, BitDepth::Sixteen) => ColourMode::Grey16,
        (ColorType::Grayscale, _) => ColourMode::Grey,
        (ColorType::GrayscaleAlpha, BitDepth::Sixteen) => ColourMode::Other,
        (ColorType::GrayscaleAlpha, _) => ColourMode::GreyAlpha,
    }
}

/// Converts 8-bit or big-endian 16-bit samples of any layout to 8-bit RGB.
fn to_rgb(samples: &[u8], colour: ColorType, depth: BitDepth, rgb: &mut [u8]) {
    let from = u16::from_be_bytes;
    match (colour, depth == BitDepth::Sixteen) {
        (ColorType::Grayscale, false) => convert(samples, rgb, |[grey]| [grey; 3]),
        (ColorType::Grayscale, true) => convert(samples, rgb, |grey: [u8; 2]| [to_8_bits(from(grey)); 3]),
        (ColorType::GrayscaleAlpha, false) => convert(samples, rgb, grey_on_black),
        (ColorType::GrayscaleAlpha, true) => {
            convert(samples, rgb, |pixel: [u8; 4]| grey_on_black(all_to_8_bits(&pixel, from)))
        }
        (ColorType::Rgb | ColorType::Indexed, false) => convert(samples, rgb, |pixel| pixel),
        (ColorType::Rgb | ColorType::Indexed, true) => {
            convert(samples, rgb, |pixel: [u8; 6]| all_to_8_bits(&pixel, from))
        }
        (ColorType::Rgba, false) => convert(samples, rgb, rgb_on_black),
        (ColorType::Rgba, true) => convert(samples, rgb, |pixel: [u8; 8]| rgb_on_black(all_to_8_bits(&pixel, from))),
    }
}

fn convert<const N: usize>(samples: &[u8], rgb: &mut [u8], to_rgb: impl Fn([u8; N]) -> [u8; 3]) {
    for (pixel, rgb) in samples.as_chunks().0.iter().zip(rgb.as_chunks_mut().0) {
        *rgb = to_rgb(*pixel);
    }
}
