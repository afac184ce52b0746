//! A decoded image, and the conversions to 8-bit RGB that all formats share.

use super::error::Fault;
use super::memory;
use image::RgbImage;

/// The colour mode of an image file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
#[allow(missing_docs)]
pub enum ColourMode {
    Rgb,
    Rgba,
    Grey,
    GreyAlpha,
    Palette,
    Rgb16,
    Rgba16,
    Grey16,
    Other,
}

impl ColourMode {
    /// Returns the name that JSON output uses, such as `grey_alpha`.
    pub fn name(self) -> &'static str {
        match self {
            ColourMode::Rgb => "rgb",
            ColourMode::Rgba => "rgba",
            ColourMode::Grey => "grey",
            ColourMode::GreyAlpha => "grey_alpha",
            ColourMode::Palette => "palette",
            ColourMode::Rgb16 => "rgb16",
            ColourMode::Rgba16 => "rgba16",
            ColourMode::Grey16 => "grey16",
            ColourMode::Other => "other",
        }
    }
}

/// A decoded image at its original size.
#[derive(Clone, Debug)]
pub struct Decoded {
    /// The pixels with 8 bits per channel. Alpha is blended onto black, 16 bits are scaled down, and grey and palette
    /// images are expanded to RGB.
    pub pixels: RgbImage,
    /// The colour mode of the file.
    pub colour_mode: ColourMode,
}

/// Scales a 16-bit sample to 8 bits, rounded to nearest.
pub(super) fn to_8_bits(value: u16) -> u8 {
    ((u32::from(value) + 128) / 257) as u8
}

/// Scales 16-bit samples of a pixel to 8 bits.
pub(super) fn all_to_8_bits<const N: usize>(pixel: &[u8], from_bytes: fn([u8; 2]) -> u16) -> [u8; N] {
    std::array::from_fn(|i| to_8_bits(from_bytes([pixel[2 * i], pixel[2 * i + 1]])))
}

/// Blends grey with an opacity onto black.
pub(super) fn grey_on_black([grey, alpha]: [u8; 2]) -> [u8; 3] {
    [on_black(grey, alpha); 3]
}

/// Blends a colour with an opacity onto black.
pub(super) fn rgb_on_black([r, g, b, alpha]: [u8; 4]) -> [u8; 3] {
    [r, g, b].map(|value| on_black(value, alpha))
}

/// Blends a sample of this opacity onto black, rounded to nearest.
fn on_black(value: u8, alpha: u8) -> u8 {
    ((u32::from(value) * u32::from(alpha) + 127) / 255) as u8
}

/// Reads the samples of `pixels` pixels, and converts each pixel of `N` bytes to RGB, in one buffer.
///
/// Pixels of fewer than three bytes are read into the end of the buffer, so that none is overwritten before it is
/// converted.
pub(super) fn rgb_in_place<const N: usize>(
    pixels: usize,
    read: impl FnOnce(&mut [u8]) -> Result<(), Fault>,
    to_rgb: impl Fn([u8; N]) -> [u8; 3],
) -> Result<Vec<u8>, Fault> {
    let mut bytes = memory::zeros(pixels * N.max(3));
    let start = bytes.len() - pixels * N;
    read(&mut bytes[start..])?;
    for i in 0..pixels {
        let mut pixel = [0; N];
        pixel.copy_from_slice(&bytes[start + i * N..][..N]);
        bytes[i * 3..][..3].copy_from_slice(&to_rgb(pixel));
    }
    memory::shorten(&mut bytes, pixels * 3);
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn converts_pixels_of_any_length_in_place() {
        let numbered = |bytes: &mut [u8]| {
            (0..).zip(bytes).for_each(|(i, byte)| *byte = i);
            Ok(())
        };
        assert_eq!(rgb_in_place(3, numbered, |[grey]| [grey, 100, grey]).unwrap(), [0, 100, 0, 1, 100, 1, 2, 100, 2]);
        assert_eq!(rgb_in_place(2, numbered, |[a, b]| [b, a, 9]).unwrap(), [1, 0, 9, 3, 2, 9]);
        assert_eq!(rgb_in_place(2, numbered, |[r, g, b]: [u8; 3]| [b, g, r]).unwrap(), [2, 1, 0, 5, 4, 3]);
        assert_eq!(rgb_in_place(2, numbered, |[a, _, c, d]: [u8; 4]| [a, c, d]).unwrap(), [0, 2, 3, 4, 6, 7]);
    }
}
