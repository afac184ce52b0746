//! Decodes TIFF with the `tiff` crate: the first image of a file.

mod directory;
mod embedded_jpeg;

use super::decode::{Header, Opened, Source};
use super::decoded::{ColourMode, all_to_8_bits, rgb_in_place, rgb_on_black, to_8_bits};
use super::error::Fault;
use super::limits::MAX_FILE_BYTES;
use super::memory;
use image::ImageFormat;
use std::io::SeekFrom;
use tiff::ColorType;
use tiff::decoder::Limits;
use tiff::tags::{SampleFormat, Tag};

type Decoder<'a> = tiff::decoder::Decoder<&'a mut dyn Source>;

pub(super) fn open<'a>(
    source: &'a mut dyn Source,
    file_bytes: u64,
    check: impl Fn(u32, u32) -> Result<(), Fault>,
) -> Result<Opened<'a>, Fault> {
    directory::check(source)?;
    source.seek(SeekFrom::Start(0)).map_err(corrupt)?;
    let mut decoder = Decoder::new(source).map_err(corrupt)?;
    let (width, height) = decoder.dimensions().map_err(corrupt)?;
    check(width, height)?;
    let colour = colour(&mut decoder)?;
    let pixel_bytes = pixel_bytes(colour);
    let mut memory_bytes = u64::from(width) * u64::from(height) * pixel_bytes.max(3) as u64;
    if is_planar(&mut decoder)? {
        // The planes are read into a buffer of their own.
        memory_bytes += u64::from(width) * u64::from(height) * pixel_bytes as u64;
    }
    memory_bytes += chunk_row_bytes(&mut decoder, colour, width, height)?;
    memory_bytes += embedded_jpeg::memory_bytes(&mut decoder, height, file_bytes)?;
    let mut limits = Limits::unlimited();
    limits.intermediate_buffer_size = file_bytes as usize;
    let mut decoder = decoder.with_limits(limits);
    let alone = embedded_jpeg::is_used(&mut decoder)?;
    let header = Header { width, height, colour_mode: colour_mode(colour), memory_bytes, alone };
    Ok(Opened { header, decode: Box::new(move || decode(decoder, colour)) })
}

/// Returns the layout of the samples, if it is supported.
fn colour(decoder: &mut Decoder) -> Result<ColorType, Fault> {
    let colour = decoder.colortype().map_err(corrupt)?;
    let formats = decoder.find_tag_unsigned_vec::<u16>(Tag::SampleFormat).map_err(corrupt)?.unwrap_or_default();
    let float = formats.first() == Some(&SampleFormat::IEEEFP.to_u16());
    let integer = formats.iter().all(|&format| format == SampleFormat::Uint.to_u16());
    match colour {
        ColorType::Gray(1 | 8 | 16) | ColorType::RGB(8 | 16) | ColorType::RGBA(8 | 16) | ColorType::CMYK(8 | 16)
            if integer =>
        {
            Ok(colour)
        }
        ColorType::RGB(32) | ColorType::RGBA(32) if float => Ok(colour),
        _ => Err(corrupt(format!("samples of the type {colour:?} are not supported"))),
    }
}

fn colour_mode(colour: ColorType) -> ColourMode {
    match colour {
        ColorType::Gray(16) => ColourMode::Grey16,
        ColorType::Gray(_) => ColourMode::Grey,
        ColorType::RGB(8) => ColourMode::Rgb,
        ColorType::RGB(16) => ColourMode::Rgb16,
        ColorType::RGBA(8) => ColourMode::Rgba,
        ColorType::RGBA(16) => ColourMode::Rgba16,
        _ => ColourMode::Other,
    }
}

fn pixel_bytes(colour: ColorType) -> usize {
    usize::from(colour.num_samples()) * usize::from(colour.bit_depth()).div_ceil(8)
}

fn is_planar(decoder: &mut Decoder) -> Result<bool, Fault> {
    Ok(decoder.find_tag_unsigned(Tag::PlanarConfiguration).map_err(corrupt)? == Some(2_u16))
}

/// Returns the bytes in a row of a strip or tile, which may be wider than the image, and may contain samples that are
/// not decoded. They are decompressed, nevertheless.
fn chunk_row_bytes(decoder: &mut Decoder, colour: ColorType, width: u32, height: u32) -> Result<u64, Fault> {
    let samples: u64 = decoder.find_tag_unsigned(Tag::SamplesPerPixel).map_err(corrupt)?.unwrap_or(1);
    let pixel_bytes = samples * u64::from(colour.bit_depth()).div_ceil(8);
    let chunk_width = u64::from(decoder.chunk_dimensions().0);
    let height = u64::from(height);
    let row_bytes = u64::from(width).next_multiple_of(chunk_width).saturating_mul(pixel_bytes);
    let expected = u64::from(width) * height * self::pixel_bytes(colour) as u64;
    if row_bytes.saturating_mul(height) > MAX_FILE_BYTES.max(expected) {
        return Err(corrupt("too many samples outside the image"));
    }
    Ok(chunk_width.saturating_mul(pixel_bytes))
}

/// Decodes the samples, and converts them to 8-bit RGB.
fn decode(mut decoder: Decoder, colour: ColorType) -> Result<Vec<u8>, Fault> {
    embedded_jpeg::check(&mut decoder)?;
    let (width, height) = decoder.dimensions().map_err(corrupt)?;
    let pixels = width as usize * height as usize;
    let from = u16::from_ne_bytes;
    let read = |samples: &mut [u8]| read(&mut decoder, colour, width as usize, samples);
    match colour {
        ColorType::Gray(16) => rgb_in_place(pixels, read, |grey| [to_8_bits(from(grey)); 3]),
        ColorType::Gray(_) => rgb_in_place(pixels, read, |[grey]| [grey; 3]),
        ColorType::RGB(16) => rgb_in_place(pixels, read, |rgb: [u8; 6]| all_to_8_bits(&rgb, from)),
        ColorType::RGB(32) => rgb_in_place(pixels, read, |rgb: [u8; 12]| floats_to_8_bits(&rgb)),
        ColorType::RGBA(8) => rgb_in_place(pixels, read, rgb_on_black),
        ColorType::RGBA(16) => rgb_in_place(pixels, read, |rgba: [u8; 8]| rgb_on_black(all_to_8_bits(&rgba, from))),
        ColorType::RGBA(32) => rgb_in_place(pixels, read, |rgba: [u8; 16]| rgb_on_black(floats_to_8_bits(&rgba))),
        ColorType::CMYK(8) => {
            rgb_in_place(pixels, read, |cmyk: [u8; 4]| cmyk_to_rgb(cmyk.map(f32::from), 255.0).map(|v| v as u8))
        }
        ColorType::CMYK(_) => rgb_in_place(pixels, read, |cmyk: [u8; 8]| {
            let values = [0, 2, 4, 6].map(|i| f32::from(from([cmyk[i], cmyk[i + 1]])));
            cmyk_to_rgb(values, 65535.0).map(|value| to_8_bits(value as u16))
        }),
        _ => rgb_in_place(pixels, read, |rgb| rgb),
    }
}

/// Reads the samples, the channels of a pixel side by side.
fn read(decoder: &mut Decoder, colour: ColorType, width: usize, samples: &mut [u8]) -> Result<(), Fault> {
    if colour == ColorType::Gray(1) {
        let mut packed = memory::zeros(width.div_ceil(8) * (samples.len() / width));
        decoder.read_image_bytes(&mut packed).map_err(corrupt)?;
        for (row, bits) in samples.chunks_exact_mut(width).zip(packed.chunks_exact(width.div_ceil(8))) {
            row.iter_mut().enumerate().for_each(|(x, grey)| *grey = (bits[x / 8] >> (7 - x % 8) & 1) * 255);
        }
    } else if is_planar(decoder)? {
        let mut planes = memory::zeros(samples.len());
        decoder.read_image_bytes(&mut planes).map_err(corrupt)?;
        let sample_bytes = usize::from(colour.bit_depth() / 8);
        let channels = usize::from(colour.num_samples());
        for (channel, plane) in planes.chunks_exact(samples.len() / channels).enumerate() {
            let pixels = samples.chunks_exact_mut(sample_bytes * channels);
            for (pixel, sample) in pixels.zip(plane.chunks_exact(sample_bytes)) {
                pixel[channel * sample_bytes..][..sample_bytes].copy_from_slice(sample);
            }
        }
    } else {
        decoder.read_image_bytes(samples).map_err(corrupt)?;
    }
    Ok(())
}

/// Scales 32-bit samples of 0 to 1 to 8 bits. A sample that is not a number becomes 1.
fn floats_to_8_bits<const N: usize>(pixel: &[u8]) -> [u8; N] {
    std::array::from_fn(|i| {
        let value = f32::from_ne_bytes(std::array::from_fn(|byte| pixel[4 * i + byte]));
        let value = if value.is_nan() { 1.0 } else { value.clamp(0.0, 1.0) };
        (value * 255.0).round() as u8
    })
}

/// Converts ink to light.
fn cmyk_to_rgb([c, m, y, k]: [f32; 4], most: f32) -> [f32; 3] {
    let light = 1.0 - k / most;
    [c, m, y].map(|ink| (most - ink) * light)
}

fn corrupt(reason: impl std::fmt::Display) -> Fault {
    Fault::corrupt(ImageFormat::Tiff, reason)
}
