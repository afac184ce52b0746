//! Decodes PNG with the `png` crate directly: cell images are PNG files, and decoding takes most of the time of a
//! prediction.

use super::decoded::{ColourMode, Decoded, on_black, to_8_bits};
use super::error::Fault;
use super::limits::{MAX_SIDE_PX, check_size};
use image::{ImageFormat, RgbImage};
use png::{BitDepth, ColorType, Decoder, Limits, Reader, Transformations};
use std::io::Cursor;

pub(super) fn size(bytes: &[u8]) -> Result<(u32, u32, ColourMode), Fault> {
    let reader = open(bytes)?;
    let info = reader.info();
    Ok((info.width, info.height, colour_mode(info.color_type, info.bit_depth)))
}

pub(super) fn decode(bytes: &[u8]) -> Result<Decoded, Fault> {
    let mut reader = open(bytes)?;
    let info = reader.info();
    let (width, height) = (info.width, info.height);
    let colour_mode = colour_mode(info.color_type, info.bit_depth);
    let length = reader.output_buffer_size().ok_or_else(|| corrupt("more pixels than fit into memory"))?;
    let mut data = vec![0; length];
    reader.next_frame(&mut data).map_err(corrupt)?;
    // Reads the rest of the file too, to detect one that is truncated after the pixels.
    reader.finish().map_err(corrupt)?;
    let (colour, depth) = reader.output_color_type();
    let data = to_rgb(data, colour, depth);
    let pixels = RgbImage::from_raw(width, height, data).ok_or_else(|| corrupt("too few pixels"))?;
    Ok(Decoded { pixels, colour_mode })
}

/// Reads up to the first pixel, and sets palettes and bit depths below 8 to be expanded.
fn open(bytes: &[u8]) -> Result<Reader<Cursor<&[u8]>>, Fault> {
    let limit_bytes = 8 * (MAX_SIDE_PX as usize).pow(2);
    let mut decoder = Decoder::new_with_limits(Cursor::new(bytes), Limits { bytes: limit_bytes });
    let header = decoder.read_header_info().map_err(corrupt)?;
    check_size(header.width, header.height, bytes.len())?;
    decoder.set_ignore_text_chunk(true);
    decoder.set_ignore_iccp_chunk(true);
    decoder.set_transformations(Transformations::EXPAND);
    decoder.read_info().map_err(corrupt)
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

/// Converts 8-bit or 16-bit samples of any layout to 8-bit RGB.
fn to_rgb(mut data: Vec<u8>, colour: ColorType, depth: BitDepth) -> Vec<u8> {
    if depth == BitDepth::Sixteen {
        data = data.as_chunks::<2>().0.iter().map(|&two| to_8_bits(u16::from_be_bytes(two))).collect();
    }
    match colour {
        ColorType::Grayscale => data.iter().flat_map(|&grey| [grey; 3]).collect(),
        ColorType::GrayscaleAlpha => {
            data.as_chunks::<2>().0.iter().flat_map(|&[grey, alpha]| [on_black(grey, alpha); 3]).collect()
        }
        ColorType::Rgba => {
            let pixels = data.as_chunks::<4>().0.iter();
            pixels.flat_map(|&[r, g, b, alpha]| [r, g, b].map(|value| on_black(value, alpha))).collect()
        }
        ColorType::Rgb | ColorType::Indexed => data,
    }
}
