//! A decoded image, and the conversions to 8-bit RGB that all formats share.

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

/// Blends a colour of this opacity onto black, rounded to nearest.
pub(super) fn on_black(value: u8, alpha: u8) -> u8 {
    ((u32::from(value) * u32::from(alpha) + 127) / 255) as u8
}
