//! Limits on the size of images, checked on the header before any pixel is allocated.

use super::error::Fault;

/// The longest supported side, in pixels.
pub const MAX_SIDE_PX: u32 = 8192;

/// The largest supported file: the largest image uncompressed with four 16-bit channels, plus 16 MiB of metadata.
pub const MAX_FILE_BYTES: u64 = 8 * (MAX_SIDE_PX as u64).pow(2) + (16 << 20);

/// The most pixels that one byte can encode: 8 pixels of 1 bit times the maximum ratio of deflate (1032) or of TIFF's
/// LZW (1365), rounded up.
const MAX_PIXELS_PER_BYTE: u64 = 16_384;

/// Rejects an image without pixels, with a side longer than [`MAX_SIDE_PX`], or with more pixels than its file can
/// contain.
pub(super) fn check_size(width: u32, height: u32, file_bytes: usize) -> Result<(), Fault> {
    if !(1..=MAX_SIDE_PX).contains(&width) || !(1..=MAX_SIDE_PX).contains(&height) {
        return Err(Fault::UnsupportedSize { width, height });
    }
    if u64::from(width) * u64::from(height) > MAX_PIXELS_PER_BYTE * file_bytes as u64 {
        return Err(Fault::ImplausibleSize { width, height, file_bytes });
    }
    Ok(())
}
