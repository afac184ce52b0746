//! Files without metadata: without names, places, times and embedded previews.
//!
//! PNG and JPEG are not encoded again. What a browser or a decoder needs for the pixels stays, everything else goes.

use crate::store::StoredFile;
use giemsa::image::decode_bytes;
use giemsa::report::{ReportError, png_bytes};
use image::RgbImage;
use std::path::Path;

const PNG_SIGNATURE: &[u8] = b"\x89PNG\r\n\x1a\n";
/// The chunks that determine the pixels.
const PNG_CHUNKS: [&[u8]; 5] = [b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND"];

/// Returns a file with these pixels without its metadata. A format that browsers do not show becomes a PNG, as does a file whose
/// parts cannot be told apart.
///
/// # Errors
/// If the pixels cannot be encoded.
pub fn without_metadata(bytes: &[u8], pixels: &RgbImage) -> Result<StoredFile, ReportError> {
    let stripped = strip_png(bytes).map(|bytes| ("image/png", bytes));
    let stripped = stripped.or_else(|| strip_jpeg(bytes).map(|bytes| ("image/jpeg", bytes)));
    let is_same = |bytes: &[u8]| decode_bytes(bytes, Path::new("")).is_ok_and(|decoded| decoded.pixels == *pixels);
    let (media_type, bytes) = match stripped {
        Some((media_type, bytes)) if is_same(&bytes) => (media_type, bytes),
        _ => ("image/png", png_bytes(pixels)?),
    };
    Ok(StoredFile { media_type: media_type.to_owned(), bytes })
}

/// Returns the chunks of a PNG that determine its pixels; `None` if the file is not a sequence of chunks.
fn strip_png(bytes: &[u8]) -> Option<Vec<u8>> {
    let mut rest = bytes.strip_prefix(PNG_SIGNATURE)?;
    let mut kept = PNG_SIGNATURE.to_vec();
    loop {
        let (length, _) = rest.split_first_chunk::<4>()?;
        // Length, type and checksum have four bytes each.
        let end = usize::try_from(u32::from_be_bytes(*length)).ok()?.checked_add(12)?;
        let (chunk, after) = rest.split_at_checked(end)?;
        let kind = &chunk[4..8];
        if PNG_CHUNKS.contains(&kind) {
            kept.extend_from_slice(chunk);
        }
        if kind == b"IEND" {
            return Some(kept);
        }
        rest = after;
    }
}

/// Returns a JPEG up to its end without comments and the segments of applications, except those that determine the colours;
/// `None` if the file is not a sequence of segments.
fn strip_jpeg(bytes: &[u8]) -> Option<Vec<u8>> {
    let mut rest = bytes.strip_prefix(b"\xff\xd8")?;
    let mut kept = b"\xff\xd8".to_vec();
    loop {
        rest = rest.strip_prefix(b"\xff")?;
        let (&marker, after) = rest.split_first()?;
        match marker {
            // A fill byte: the next one is the marker.
            0xff => continue,
            0xd9 => {
                kept.extend([0xff, marker]);
                return Some(kept);
            }
            0x01 | 0xd0..=0xd7 => {
                kept.extend([0xff, marker]);
                rest = after;
                continue;
            }
            _ => {}
        }
        let (length, _) = after.split_first_chunk::<2>()?;
        let (segment, after) = after.split_at_checked(usize::from(u16::from_be_bytes(*length)))?;
        let payload = segment.get(2..)?;
        match marker {
            0xe0 => keep_jfif(payload, &mut kept),
            0xee => keep_adobe(payload, &mut kept),
            0xe1..=0xed | 0xef | 0xfe => {}
            _ => {
                kept.extend([0xff, marker]);
                kept.extend_from_slice(segment);
            }
        }
        rest = after;
        if marker == 0xda {
            let (scan, after) = rest.split_at(scan_length(rest)?);
            kept.extend_from_slice(scan);
            rest = after;
        }
    }
}

/// Keeps version and density of a JFIF header without its preview.
fn keep_jfif(payload: &[u8], kept: &mut Vec<u8>) {
    if let Some(header) = payload.get(..12).filter(|header| header.starts_with(b"JFIF\0")) {
        kept.extend([0xff, 0xe0, 0, 16]);
        kept.extend_from_slice(header);
        kept.extend([0, 0]);
    }
}

/// Keeps the colour transform of an Adobe header.
fn keep_adobe(payload: &[u8], kept: &mut Vec<u8>) {
    if let Some(header) = payload.get(..12).filter(|header| header.starts_with(b"Adobe")) {
        kept.extend([0xff, 0xee, 0, 14]);
        kept.extend_from_slice(header);
    }
}

/// Returns the length of the compressed data before the next marker.
fn scan_length(bytes: &[u8]) -> Option<usize> {
    let is_marker = |pair: &[u8]| pair[0] == 0xff && !matches!(pair[1], 0x00 | 0xd0..=0xd7);
    bytes.windows(2).position(is_marker)
}
