//! PNG, on a path of its own: it is what cell images come as, and decoding them is most of a prediction's time.

use super::decode::{ColourMode, Decoded, Fault, MAX_SIDE_PX, check_size};
use image::RgbImage;
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
    let length = reader.output_buffer_size().ok_or_else(|| broken("more pixels than memory"))?;
    let mut data = vec![0; length];
    reader.next_frame(&mut data).map_err(broken)?;
    // What follows the pixels is read too, so that a file which was cut off there is seen to be cut off.
    reader.finish().map_err(broken)?;
    let (colour, depth) = reader.output_color_type();
    let data = to_rgb(data, colour, depth);
    let pixels = RgbImage::from_raw(width, height, data).ok_or_else(|| broken("too few pixels"))?;
    Ok(Decoded { pixels, colour_mode })
}

/// Reads up to the first pixel; palettes and bit depths below 8 are set to be expanded.
fn open(bytes: &[u8]) -> Result<Reader<Cursor<&[u8]>>, Fault> {
    let limit_bytes = 8 * (MAX_SIDE_PX as usize).pow(2);
    let mut decoder = Decoder::new_with_limits(Cursor::new(bytes), Limits { bytes: limit_bytes });
    let header = decoder.read_header_info().map_err(broken)?;
    check_size(header.width, header.height, bytes.len())?;
    decoder.set_ignore_text_chunk(true);
    decoder.set_ignore_iccp_chunk(true);
    decoder.set_transformations(Transformations::EXPAND);
    decoder.read_info().map_err(broken)
}

fn broken(found: impl std::fmt::Display) -> Fault {
    Fault::broken("PNG", found)
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

/// Samples of 8 or 16 bits in any layout to 8-bit RGB.
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

/// 0..=65535 to 0..=255, to the nearest.
pub(super) fn to_8_bits(value: u16) -> u8 {
    ((u32::from(value) + 128) / 257) as u8
}

/// A colour of this opacity over black, to the nearest.
pub(super) fn on_black(value: u8, alpha: u8) -> u8 {
    ((u32::from(value) * u32::from(alpha) + 127) / 255) as u8
}
