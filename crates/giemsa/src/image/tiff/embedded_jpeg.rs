//! Checks of JPEG inside TIFF. The `tiff` crate allocates as many pixels as a JPEG header announces, however small the
//! strip or tile is.

use super::super::error::Fault;
use super::super::jpeg;
use super::{Decoder, corrupt};
use std::io::{Read, SeekFrom};
use tiff::decoder::ChunkType;
use tiff::tags::{CompressionMethod, Tag};
use zune_jpeg::JpegDecoder;
use zune_jpeg::zune_core::bytestream::ZCursor;

/// Memory per pixel of a strip or tile: four channels of 8 bits, and their coefficients of 16 bits.
const PIXEL_BYTES: u64 = 12;

/// Returns the memory for decoding one strip or tile; 0 without JPEG.
pub(super) fn memory_bytes(decoder: &mut Decoder, height: u32, file_bytes: u64) -> Result<u64, Fault> {
    if !is_used(decoder)? {
        return Ok(0);
    }
    let (width, rows) = decoder.chunk_dimensions();
    // The sampling of a channel may round each side up.
    let padded = |length: u32| u64::from(length).next_multiple_of(32);
    let largest = chunks(decoder)?.into_iter().map(|(_, bytes)| bytes.min(file_bytes)).max().unwrap_or(0);
    Ok(padded(width).saturating_mul(padded(rows.min(height))).saturating_mul(PIXEL_BYTES) + 2 * largest)
}

/// Rejects a JPEG image that is larger than its strip or tile, or has too many scans.
pub(super) fn check(decoder: &mut Decoder) -> Result<(), Fault> {
    if !is_used(decoder)? {
        return Ok(());
    }
    let (width, height) = decoder.chunk_dimensions();
    let tables = match decoder.find_tag(Tag::JPEGTables).map_err(corrupt)? {
        Some(tables) => tables.into_u8_vec().map_err(corrupt)?,
        None => Vec::new(),
    };
    for (offset, bytes) in chunks(decoder)? {
        // The tables are an image without a scan, and the end of one image and the start of the other are left out.
        let mut jpeg = tables.get(..tables.len().saturating_sub(2)).unwrap_or_default().to_vec();
        let start = jpeg.len();
        decoder.inner().seek(SeekFrom::Start(offset)).map_err(corrupt)?;
        decoder.inner().take(bytes).read_to_end(&mut jpeg).map_err(corrupt)?;
        if start > 0 {
            jpeg.drain(start..jpeg.len().min(start + 2));
        }
        jpeg::find_end(jpeg.get(2..).unwrap_or_default())?;
        let mut header = JpegDecoder::new(ZCursor::new(&jpeg));
        header.decode_headers().map_err(corrupt)?;
        let fits = |(x, y): (usize, usize)| x <= width as usize && y <= height as usize;
        if !header.dimensions().is_some_and(fits) {
            return Err(corrupt("a JPEG image is larger than its strip or tile"));
        }
    }
    Ok(())
}

/// Returns whether the strips or tiles are JPEG images.
pub(super) fn is_used(decoder: &mut Decoder) -> Result<bool, Fault> {
    let compression = decoder.find_tag_unsigned::<u16>(Tag::Compression).map_err(corrupt)?;
    Ok(compression == Some(CompressionMethod::ModernJPEG.to_u16()))
}

/// Returns the offset and the length of every strip or tile.
fn chunks(decoder: &mut Decoder) -> Result<Vec<(u64, u64)>, Fault> {
    let (offsets, lengths) = match decoder.get_chunk_type() {
        ChunkType::Strip => (Tag::StripOffsets, Tag::StripByteCounts),
        ChunkType::Tile => (Tag::TileOffsets, Tag::TileByteCounts),
    };
    let mut values = |tag| decoder.get_tag_u64_vec(tag).map_err(corrupt);
    Ok(values(offsets)?.into_iter().zip(values(lengths)?).collect())
}
