//! Limits on the size of images, checked on the header before any pixel is allocated.

use super::error::Fault;

/// The longest supported side, in pixels.
pub const MAX_SIDE_PX: u32 = 8192;

/// The most supported pixels. The cameras of current telephones take photographs of up to 50 megapixels.
pub const MAX_PIXELS: u64 = 50_000_000;

/// The most memory that decoding may use, in bytes, summed over all threads.
///
/// An image needs 3 bytes per pixel, so that every image of [`MAX_PIXELS`] fits, but more in these formats:
///
/// - JPEG needs its file in addition. If it is progressive or has a scan per channel, the decoder keeps all coefficients
///   until the last scan: 9 bytes per pixel, or 6 with halved chroma, so that 18 or 27 megapixels fit.
/// - TIFF with 16 bits per sample needs 6 bytes per pixel, or 8 with alpha (27 or 20 megapixels); with 32 bits, 12 or 16.
///   Separate planes need a copy in addition, and JPEG inside TIFF 12 bytes per pixel of a strip or tile.
/// - TIFF and BMP with alpha, and ink in TIFF, need 4 bytes per pixel (41 megapixels).
pub const MAX_MEMORY_BYTES: u64 = 165_000_000;

/// The largest supported file: the largest image uncompressed with four 16-bit channels, plus the metadata.
pub const MAX_FILE_BYTES: u64 = 8 * MAX_PIXELS + MAX_METADATA_BYTES;

/// The most metadata of a file.
const MAX_METADATA_BYTES: u64 = 16 << 20;

/// The most pixels that one byte can encode: 8 pixels of 1 bit times the maximum ratio of deflate (1032) or of TIFF's
/// LZW (1365), rounded up.
const MAX_PIXELS_PER_BYTE: u64 = 16_384;

/// Rejects an image without pixels, with a side longer than [`MAX_SIDE_PX`], with more than [`MAX_PIXELS`], or with more
/// pixels than its file can contain.
pub(super) fn check_size(width: u32, height: u32, file_bytes: u64) -> Result<(), Fault> {
    let sides = 1..=MAX_SIDE_PX;
    let pixels = u64::from(width) * u64::from(height);
    if !sides.contains(&width) || !sides.contains(&height) || pixels > MAX_PIXELS {
        return Err(Fault::UnsupportedSize { width, height });
    }
    if pixels > MAX_PIXELS_PER_BYTE.saturating_mul(file_bytes) {
        return Err(Fault::ImplausibleSize { width, height, file_bytes });
    }
    Ok(())
}
