//! Decodes JPEG with the `zune-jpeg` crate, in its strict mode.
//!
//! The decoder gets only those segments of the header on which pixels depend. So it needs no memory for metadata, and
//! bytes between segments, which cameras write and strict mode rejects, do not reach it.

use super::decode::{Header, Opened, Source};
use super::decoded::{ColourMode, rgb_in_place};
use super::error::Fault;
use super::memory;
use image::ImageFormat;
use std::io::{BufRead, Read};
use zune_jpeg::JpegDecoder;
use zune_jpeg::zune_core::bytestream::ZCursor;
use zune_jpeg::zune_core::colorspace::ColorSpace;
use zune_jpeg::zune_core::options::DecoderOptions;

/// The most segments of a file. Many tables or scans with little data would take long to decode.
const MAX_SEGMENTS: usize = 4096;

/// The most scans of a file; encoders write about ten.
const MAX_SCANS: usize = 32;

/// The most bytes of the header on which pixels depend; encoders write about a thousand.
const MAX_HEADER_BYTES: usize = 1 << 18;

/// Ends a scan with ones, stuffed with zeros. No Huffman code consists of ones, so that a scan which is too short is an
/// error; the decoder would fill the rest of the image with grey.
const SCAN_END: [u8; 18] = [0xff, 0, 0xff, 0, 0xff, 0, 0xff, 0, 0xff, 0, 0xff, 0, 0xff, 0, 0xff, 0, 0xff, 0xd9];

pub(super) fn open<'a>(
    source: &'a mut dyn Source,
    file_bytes: u64,
    check: impl Fn(u32, u32) -> Result<(), Fault>,
) -> Result<Opened<'a>, Fault> {
    let frame = read_frame(&mut *source)?;
    check(frame.width, frame.height)?;
    let colour_mode = if frame.sampling.len() == 1 { ColourMode::Grey } else { ColourMode::Rgb };
    let memory_bytes = file_bytes + frame.memory_bytes();
    let alone = frame.keeps_coefficients();
    let header = Header { width: frame.width, height: frame.height, colour_mode, memory_bytes, alone };
    Ok(Opened { header, decode: Box::new(move || decode(source, frame, file_bytes)) })
}

fn decode(source: &mut dyn Source, frame: Frame, file_bytes: u64) -> Result<Vec<u8>, Fault> {
    let scan = frame.header.len();
    let mut bytes = Vec::with_capacity(memory::capacity(scan + file_bytes as usize + SCAN_END.len()));
    bytes.extend(frame.header);
    source.take(file_bytes).read_to_end(&mut bytes).map_err(corrupt)?;
    let end = find_end(&bytes[scan..])?;
    bytes.truncate(scan + end);
    bytes.extend(SCAN_END);

    let options = DecoderOptions::default().set_strict_mode(true).set_max_width(usize::MAX).set_max_height(usize::MAX);
    let mut decoder = JpegDecoder::new_with_options(ZCursor::new(&bytes), options);
    decoder.decode_headers().map_err(corrupt)?;
    let grey = decoder.input_colorspace() == Some(ColorSpace::Luma);
    decoder.set_options(options.jpeg_set_out_colorspace(if grey { ColorSpace::Luma } else { ColorSpace::RGB }));
    let read = |samples: &mut [u8]| decoder.decode_into(samples).map_err(corrupt);
    let pixels = frame.width as usize * frame.height as usize;
    if grey { rgb_in_place(pixels, read, |[grey]| [grey; 3]) } else { rgb_in_place(pixels, read, |rgb| rgb) }
}

/// The header of a JPEG image, up to the first scan.
struct Frame {
    pub width: u32,
    pub height: u32,
    /// Horizontal and vertical sampling factors per channel.
    sampling: Vec<[u8; 2]>,
    progressive: bool,
    /// Number of channels in the first scan.
    scanned: usize,
    /// The segments on which pixels depend.
    header: Vec<u8>,
}

impl Frame {
    /// Returns whether the decoder keeps the coefficients of the whole image until the last scan.
    fn keeps_coefficients(&self) -> bool {
        self.progressive || self.scanned != self.sampling.len()
    }

    /// Returns the memory of the pixels, and of the coefficients if they are kept.
    fn memory_bytes(&self) -> u64 {
        let pixels = u64::from(self.width) * u64::from(self.height);
        if !self.keeps_coefficients() {
            return 3 * pixels;
        }
        let largest = |axis: usize| self.sampling.iter().map(|factors| factors[axis]).max().map_or(1, u32::from).max(1);
        let units = |length: u32, factor: u32| u64::from(length.div_ceil(8 * factor));
        let units = units(self.width, largest(0)) * units(self.height, largest(1));
        let blocks: u64 = self.sampling.iter().map(|&[x, y]| u64::from(x) * u64::from(y)).sum();
        3 * pixels + units * blocks * 64 * size_of::<i16>() as u64
    }
}

/// Reads the header of a JPEG image, and stops after the header of the first scan.
fn read_frame(mut source: impl BufRead) -> Result<Frame, Fault> {
    let mut header = vec![0; 2];
    source.read_exact(&mut header).map_err(corrupt)?;
    let mut frame = None;
    for _ in 0..MAX_SEGMENTS {
        let marker = next_marker(&mut source)?;
        if marker == 0xd9 {
            break;
        }
        let mut length = [0; 2];
        source.read_exact(&mut length).map_err(corrupt)?;
        let content_bytes =
            u16::from_be_bytes(length).checked_sub(2).ok_or_else(|| corrupt("a segment without length"))?;
        let mut content = Vec::new();
        source.by_ref().take(content_bytes.into()).read_to_end(&mut content).map_err(corrupt)?;
        if content.len() < content_bytes.into() {
            return Err(truncated());
        }
        if affects_pixels(marker, &content) {
            header.extend([0xff, marker]);
            header.extend(length);
            header.extend(&content);
        }
        if header.len() > MAX_HEADER_BYTES {
            return Err(corrupt("too many tables"));
        }
        match (marker, &mut frame) {
            // The codes between are tables and an extension.
            (0xc0..=0xc3 | 0xc5..=0xc7 | 0xc9..=0xcb | 0xcd..=0xcf, None) => {
                frame = Some(parse_frame(marker, &content)?)
            }
            (0xda, Some(_)) => {
                let frame =
                    frame.map(|frame| Frame { scanned: content.first().map_or(0, |&n| n.into()), header, ..frame });
                return frame.ok_or_else(|| corrupt("no image"));
            }
            _ => {}
        }
    }
    Err(corrupt("no image"))
}

/// Returns whether the decoder needs a segment: a frame, a table, a scan, the colours of Adobe, the tables of AVI.
fn affects_pixels(marker: u8, content: &[u8]) -> bool {
    match marker {
        0xc0..=0xcf | 0xda..=0xdd => true,
        0xe0 => content.starts_with(b"AVI1\0"),
        0xee => content.starts_with(b"Adobe") && content.len() >= 12,
        _ => false,
    }
}

fn parse_frame(marker: u8, content: &[u8]) -> Result<Frame, Fault> {
    let &[_, y1, y0, x1, x0, _, ref channels @ ..] = content else { return Err(truncated()) };
    let sampling = channels.as_chunks::<3>().0.iter().map(|[_, factors, _]| [factors >> 4, factors & 15]);
    Ok(Frame {
        width: u16::from_be_bytes([x1, x0]).into(),
        height: u16::from_be_bytes([y1, y0]).into(),
        sampling: sampling.collect(),
        progressive: marker == 0xc2,
        scanned: 0,
        header: Vec::new(),
    })
}

/// Skips bytes until a marker: 0xff, and a byte that is neither 0xff nor 0.
fn next_marker(source: &mut impl BufRead) -> Result<u8, Fault> {
    let mut last = 0;
    loop {
        let &byte = source.fill_buf().map_err(corrupt)?.first().ok_or_else(truncated)?;
        source.consume(1);
        match (last, byte) {
            (0xff, 1..=0xfe) => return Ok(byte),
            _ => last = byte,
        }
    }
}

/// Returns the length of the scans, up to the end marker.
///
/// Segments are skipped by their length, because a thumbnail inside one may contain its own end marker.
pub(super) fn find_end(bytes: &[u8]) -> Result<usize, Fault> {
    let (mut scans, mut segments) = (1, 0);
    let mut rest = bytes;
    loop {
        let marker = next_marker(&mut rest)?;
        match marker {
            0xd9 => return Ok(bytes.len() - rest.len() - 2),
            // Restart markers have no content.
            0x01 | 0xd0..=0xd7 => {}
            _ => {
                let &[high, low] = rest.first_chunk().ok_or_else(truncated)?;
                rest = rest.get(usize::from(u16::from_be_bytes([high, low]))..).ok_or_else(truncated)?;
                segments += 1;
                scans += usize::from(marker == 0xda);
            }
        }
        if scans > MAX_SCANS || segments > MAX_SEGMENTS {
            return Err(corrupt("too many scans"));
        }
    }
}

fn truncated() -> Fault {
    corrupt("the file is truncated")
}

fn corrupt(reason: impl std::fmt::Display) -> Fault {
    Fault::corrupt(ImageFormat::Jpeg, reason)
}
