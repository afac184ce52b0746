//! JPEG files with the name of this software.

use super::ReportError;
use crate::output::destination::SOFTWARE;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use image::RgbImage;
use image::codecs::jpeg::JpegEncoder;

/// Encodes an image as JPEG, with the name of this software in a comment. `quality` is in 1..=100.
///
/// # Errors
/// If the image has no pixels, or a side is longer than 65,535 pixels.
pub(super) fn jpeg_bytes(image: &RgbImage, quality: u8) -> Result<Vec<u8>, ReportError> {
    let mut bytes = Vec::new();
    JpegEncoder::new_with_quality(&mut bytes, quality).encode_image(image)?;
    // A comment may stand anywhere after the first segment, whose length is in the bytes 4 and 5.
    if let [_, _, _, _, high, low, ..] = bytes[..] {
        let first_end = 4 + usize::from(u16::from_be_bytes([high, low]));
        let length = (2 + SOFTWARE.len()) as u16;
        let comment = [&[0xff, 0xfe][..], &length.to_be_bytes(), SOFTWARE.as_bytes()].concat();
        bytes.splice(first_end..first_end, comment);
    }
    Ok(bytes)
}

/// Encodes an image as a JPEG file within a page.
///
/// # Errors
/// As [`jpeg_bytes`].
pub(super) fn jpeg_source(image: &RgbImage, quality: u8) -> Result<String, ReportError> {
    Ok(format!("data:image/jpeg;base64,{}", STANDARD.encode(jpeg_bytes(image, quality)?)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::decode_bytes;
    use crate::output::destination::is_own;
    use image::Rgb;

    #[test]
    fn a_comment_does_not_harm_the_image() {
        let bytes = jpeg_bytes(&RgbImage::from_pixel(20, 10, Rgb([200, 100, 50])), 90).unwrap();
        let decoded = decode_bytes(&bytes, "a.jpg".as_ref()).unwrap().pixels;
        assert_eq!(decoded.dimensions(), (20, 10));
        assert!(decoded.pixels().all(|pixel| pixel.0[0].abs_diff(200) < 5 && pixel.0[2].abs_diff(50) < 5));
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.jpg");
        std::fs::write(&path, bytes).unwrap();
        assert!(is_own(&path));
    }
}
