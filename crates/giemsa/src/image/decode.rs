//! Decodes PNG, JPEG, TIFF and BMP. The format is detected from the content, never from the file name.

use super::boundary;
use super::decoded::{ColourMode, Decoded};
use super::error::{Fault, ImageError};
use super::limits::{MAX_FILE_BYTES, MAX_MEMORY_BYTES, check_size};
use super::memory::{self, Reservation};
use super::{bmp, jpeg, png, tiff};
use crate::input::{self, InputError};
use image::{ImageFormat, RgbImage};
use std::fs::File;
use std::io::{BufRead, BufReader, Cursor, Seek};
use std::path::Path;

/// The buffer of a file that is read while it is decoded; a file of a cell image fits into it.
const BUFFER_BYTES: u64 = 1 << 15;

/// Reads and decodes an image file.
///
/// Large images wait for memory: all threads together use at most [`MAX_MEMORY_BYTES`] to decode, without the images that
/// have been returned.
///
/// # Errors
/// If the file cannot be read, is not in a supported format, is damaged or truncated, or exceeds
/// [`MAX_SIDE_PX`](super::MAX_SIDE_PX), [`MAX_PIXELS`](super::MAX_PIXELS), [`MAX_MEMORY_BYTES`] or [`MAX_FILE_BYTES`]; and
/// if the decoder panics.
pub fn decode_file(path: &Path) -> Result<Decoded, ImageError> {
    decode_file_and(path, |decoded| decoded)
}

/// Decodes an image file, and passes it to `then` while its memory is still reserved.
///
/// `then` must not decode, nor wait for another thread that does: both could wait for memory for ever.
///
/// # Errors
/// See [`decode_file`].
pub(crate) fn decode_file_and<T>(path: &Path, then: impl FnOnce(Decoded) -> T) -> Result<T, ImageError> {
    let (file, file_bytes) = open_file(path)?;
    let (decoded, _reservation) = decode(&mut buffered(file, file_bytes), file_bytes, path)?;
    Ok(then(decoded))
}

/// Decodes an image in memory.
///
/// `path` appears in error messages only. An orientation stored in the metadata (EXIF) is ignored.
///
/// # Errors
/// See [`decode_file`].
///
/// ```
/// let error = giemsa::image::decode_bytes(b"hello", "notes.png".as_ref()).unwrap_err();
/// assert_eq!(error.to_string(), "notes.png: expected a PNG, JPEG, TIFF or BMP image, found text");
/// ```
pub fn decode_bytes(bytes: &[u8], path: &Path) -> Result<Decoded, ImageError> {
    let (decoded, _reservation) = decode(&mut Cursor::new(bytes), bytes.len() as u64, path)?;
    Ok(decoded)
}

/// Reads width, height and colour mode from the header of an image file.
///
/// # Errors
/// See [`decode_file`], except that damage after the header is not detected.
pub fn read_size(path: &Path) -> Result<(u32, u32, ColourMode), ImageError> {
    let (file, file_bytes) = open_file(path)?;
    size_in_header(&mut buffered(file, file_bytes), file_bytes, path)
}

/// Reads width, height and colour mode from the header of an image in memory.
///
/// # Errors
/// See [`decode_bytes`], except that damage after the header is not detected.
pub fn read_size_of_bytes(bytes: &[u8], path: &Path) -> Result<(u32, u32, ColourMode), ImageError> {
    size_in_header(&mut Cursor::new(bytes), bytes.len() as u64, path)
}

fn size_in_header(source: &mut dyn Source, file_bytes: u64, path: &Path) -> Result<(u32, u32, ColourMode), ImageError> {
    let format = detect_format(source, path)?;
    let header = boundary::catch(|| Ok(open(source, file_bytes, format)?.header));
    header.map(|header| (header.width, header.height, header.colour_mode)).map_err(|fault| fault.at(path))
}

/// The input of decoders: a file or bytes in memory.
pub(super) trait Source: BufRead + Seek + Send {}

impl<T: BufRead + Seek + Send> Source for T {}

/// The properties of an image that its header contains.
pub(super) struct Header {
    pub width: u32,
    pub height: u32,
    pub colour_mode: ColourMode,
    /// The memory that decoding needs, including the pixels in RGB.
    pub memory_bytes: u64,
    /// Whether the decoder itself allocates large buffers.
    pub alone: bool,
}

/// An image whose header has been read.
pub(super) struct Opened<'a> {
    pub header: Header,
    /// Decodes the pixels: `[height, width, 3]`, RGB.
    pub decode: Box<dyn FnOnce() -> Result<Vec<u8>, Fault> + Send + 'a>,
}

fn open_file(path: &Path) -> Result<(File, u64), InputError> {
    let (file, file_bytes) = input::open(path)?;
    if file_bytes > MAX_FILE_BYTES {
        return Err(InputError::TooLarge { path: path.to_owned(), limit_bytes: MAX_FILE_BYTES });
    }
    Ok((file, file_bytes))
}

fn buffered(file: File, file_bytes: u64) -> BufReader<File> {
    BufReader::with_capacity(file_bytes.clamp(1, BUFFER_BYTES) as usize, file)
}

/// Decodes an image, and returns it with the reservation of its memory.
fn decode(
    source: &mut dyn Source,
    file_bytes: u64,
    path: &Path,
) -> Result<(Decoded, Reservation<'static>), ImageError> {
    let format = detect_format(source, path)?;
    let decoded = boundary::catch(|| {
        let Opened { header, decode } = open(source, file_bytes, format)?;
        let Header { width, height, colour_mode, memory_bytes, alone } = header;
        if memory_bytes > MAX_MEMORY_BYTES {
            return Err(Fault::TooMuchMemory { width, height, memory_bytes });
        }
        let reservation = memory::reserve(memory_bytes);
        let bytes = if alone && memory::is_large(memory_bytes) { memory::run_alone(decode) } else { decode() }?;
        let pixels = RgbImage::from_raw(width, height, bytes);
        let pixels = pixels.ok_or_else(|| Fault::corrupt(format, "too few pixels"))?;
        Ok((Decoded { pixels, colour_mode }, reservation))
    });
    decoded.map_err(|fault| fault.at(path))
}

/// Reads the header of an image and checks its size.
fn open<'a>(source: &'a mut dyn Source, file_bytes: u64, format: ImageFormat) -> Result<Opened<'a>, Fault> {
    let check = |width, height| check_size(width, height, file_bytes);
    match format {
        ImageFormat::Png => png::open(source, check),
        ImageFormat::Jpeg => jpeg::open(source, file_bytes, check),
        ImageFormat::Tiff => tiff::open(source, file_bytes, check),
        _ => bmp::open(source, check),
    }
}

/// Detects the format from the first bytes.
fn detect_format(source: &mut dyn Source, path: &Path) -> Result<ImageFormat, ImageError> {
    const SIGNATURES: [(&[u8], ImageFormat); 7] = [
        (b"\x89PNG\r\n\x1a\n", ImageFormat::Png),
        (b"\xff\xd8\xff", ImageFormat::Jpeg),
        (b"II*\0", ImageFormat::Tiff),
        (b"MM\0*", ImageFormat::Tiff),
        (b"II+\0", ImageFormat::Tiff),
        (b"MM\0+", ImageFormat::Tiff),
        (b"BM", ImageFormat::Bmp),
    ];
    let bytes = source.fill_buf().map_err(|error| InputError::Io { path: path.to_owned(), source: error })?;
    match SIGNATURES.iter().find(|(start, _)| bytes.starts_with(start)) {
        Some(&(_, format)) => Ok(format),
        None if bytes.is_empty() => Err(ImageError::Empty { path: path.to_owned() }),
        None => Err(ImageError::UnknownFormat { path: path.to_owned(), found: describe(bytes) }),
    }
}

/// Returns whether the first 64 bytes of a file are those of an image rather than of text, which contains no byte 0.
pub(crate) fn starts_like_an_image(start: &[u8]) -> bool {
    detect_format(&mut Cursor::new(start), Path::new("")).is_ok() && start.contains(&0)
}

/// Describes content without a known signature, to help find the mistake.
fn describe(bytes: &[u8]) -> String {
    if bytes.starts_with(b"GIF8") {
        "a GIF image".to_owned()
    } else if bytes.starts_with(b"RIFF") && bytes.get(8..12) == Some(b"WEBP") {
        "a WebP image".to_owned()
    } else if bytes.iter().take(64).all(|&byte| byte.is_ascii_graphic() || byte.is_ascii_whitespace()) {
        "text".to_owned()
    } else {
        let start: Vec<String> = bytes.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
        format!("bytes that start with {}", start.join(" "))
    }
}
