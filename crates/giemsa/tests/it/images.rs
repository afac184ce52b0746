//! Decoding image files of every layout, intact and damaged, and resizing, against `tests/reference/image_golden.py`.

use giemsa::image::{Decoded, ImageError, decode_bytes, decode_file, read_size, read_size_of_bytes};
use giemsa::input::InputError;
use giemsa::preprocess::{Preprocessing, Resize};
use image::RgbImage;
use serde::Deserialize;
use std::path::Path;

#[derive(Deserialize)]
pub struct Golden {
    width: u32,
    height: u32,
    pub files: Vec<GoldenFile>,
    resized: Vec<GoldenResize>,
}

#[derive(Deserialize)]
pub struct GoldenFile {
    pub format: String,
    pub colour_mode: String,
    pub file: String,
    pixels: String,
}

#[derive(Deserialize)]
struct GoldenResize {
    resize: String,
    height: u32,
    width: u32,
    side: usize,
    pixels: String,
}

pub fn golden() -> Golden {
    serde_json::from_str(include_str!("../../../../tests/reference/image_golden.json")).unwrap()
}

pub fn from_hex(text: &str) -> Vec<u8> {
    (0..text.len()).step_by(2).map(|i| u8::from_str_radix(&text[i..i + 2], 16).unwrap()).collect()
}

fn largest_difference(a: &[u8], b: &[u8]) -> u8 {
    assert_eq!(a.len(), b.len());
    a.iter().zip(b).map(|(a, b)| a.abs_diff(*b)).max().unwrap_or(0)
}

/// Decodes with a meaningless name, because the format is detected from the content.
pub fn decode(bytes: &[u8]) -> Result<Decoded, ImageError> {
    decode_bytes(bytes, Path::new("cell.txt"))
}

/// Returns one file per format and colour mode.
fn one_of_each() -> Vec<(String, Vec<u8>)> {
    let mut kept: Vec<(String, Vec<u8>)> = Vec::new();
    for case in golden().files {
        let name = format!("{} {}", case.format, case.colour_mode);
        if kept.iter().all(|(known, _)| *known != name) {
            kept.push((name, from_hex(&case.file)));
        }
    }
    kept
}

#[test]
fn decodes_every_layout_of_every_format() {
    let golden = golden();
    assert_eq!(golden.files.len(), 50);
    for (i, case) in golden.files.iter().enumerate() {
        let name = format!("{i}: {} {}", case.format, case.colour_mode);
        let decoded = decode(&from_hex(&case.file)).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(decoded.pixels.dimensions(), (golden.width, golden.height), "{name}");
        let mode = serde_json::to_value(decoded.colour_mode).unwrap();
        assert_eq!(mode, case.colour_mode.as_str(), "{name}");
        // Two JPEG decoders may round the inverse cosine transform and the colours differently.
        let allowed = if case.format == "jpeg" { 3 } else { 0 };
        let difference = largest_difference(decoded.pixels.as_raw(), &from_hex(&case.pixels));
        assert!(difference <= allowed, "{name}: {difference} grey levels apart");
    }
}

#[test]
fn resizes_as_pillow_and_as_the_definition() {
    for (i, case) in golden().resized.iter().enumerate() {
        let (resize, allowed) = match case.resize.as_str() {
            "nearest" => (Resize::StretchNearest, 0),
            _ => (Resize::Fit, 1),
        };
        let image = golden_image(case.height, case.width);
        let bytes = Preprocessing::new(case.side, resize).to_bytes(&image);
        let difference = largest_difference(&bytes, &from_hex(&case.pixels));
        assert!(difference <= allowed, "{i}: {difference} grey levels apart");
    }
}

/// Returns `samples(3, 8, height, width)` of the script.
fn golden_image(height: u32, width: u32) -> RgbImage {
    RgbImage::from_fn(width, height, |column, row| {
        image::Rgb([0, 1, 2].map(|c| ((row * 7919 + column * 104_729 + c * 31_337 + row * column * 577) % 256) as u8))
    })
}

#[test]
fn rejects_a_truncated_file_unless_no_pixel_is_missing() {
    for (name, bytes) in one_of_each() {
        let whole = decode(&bytes).unwrap();
        for length in 0..bytes.len() {
            match decode(&bytes[..length]) {
                Err(error @ ImageError::Input(_)) => panic!("{name}, {length} bytes: {error}"),
                Err(error) => assert!(error.path() == "cell.txt" && !error.reason().is_empty(), "{name}: {error}"),
                Ok(part) => {
                    assert!(!name.starts_with("png") && !name.starts_with("jpeg"), "{name}, {length} bytes: no error");
                    assert_eq!(part.pixels, whole.pixels, "{name}, {length} of {} bytes", bytes.len());
                }
            }
        }
    }
}

#[test]
fn never_panics_on_a_bit_flip_and_detects_it_in_a_png() {
    for (name, bytes) in one_of_each() {
        let whole = decode(&bytes).unwrap();
        for bit in 0..bytes.len() * 8 {
            let mut damaged = bytes.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            if let Ok(decoded) = decode(&damaged)
                && name.starts_with("png")
            {
                // An ancillary chunk may be damaged: the pixels are still correct.
                assert_eq!(decoded.pixels, whole.pixels, "{name}: bit {bit}");
            }
        }
    }
}

#[test]
fn rejects_a_header_with_too_many_pixels() {
    let mut png = from_hex(&golden().files[0].file);
    png[16..24].copy_from_slice(&[0, 0, 0xea, 0x60, 0, 0, 0xea, 0x60]);
    let checksum = crc32(&png[12..29]);
    png[29..33].copy_from_slice(&checksum.to_be_bytes());
    let error = decode(&png).unwrap_err();
    assert!(matches!(error, ImageError::UnsupportedSize { width: 60000, height: 60000, .. }), "{error}");
    assert_eq!(
        error.reason(),
        "the image is 60000x60000 pixels; sides of 1 to 8192 pixels and at most 50 megapixels are supported"
    );

    png[16..24].copy_from_slice(&[0, 0, 0x20, 0, 0, 0, 0x10, 0]);
    let checksum = crc32(&png[12..29]);
    png[29..33].copy_from_slice(&checksum.to_be_bytes());
    let error = decode(&png).unwrap_err();
    assert!(matches!(error, ImageError::ImplausibleSize { width: 8192, height: 4096, .. }), "{error}");

    for (name, mut bytes) in one_of_each() {
        if let Some(at) = name.starts_with("jpeg").then(|| find(&bytes, &[0, 5, 0, 7])).flatten() {
            bytes[at..at + 4].copy_from_slice(&[0xea, 0x60, 0xea, 0x60]);
        } else if name.starts_with("bmp") {
            bytes[18..26].copy_from_slice(&[0x60, 0xea, 0, 0, 0x60, 0xea, 0, 0]);
        } else {
            continue;
        }
        let error = decode(&bytes).unwrap_err().to_string();
        assert!(error.contains("60000"), "{name}: {error}");
    }
}

pub fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes.windows(wanted.len()).position(|window| window == wanted)
}

/// Computes the checksum of a PNG chunk, bit by bit (PNG specification, annex D).
pub fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |crc, &byte| {
        (0..8).fold(crc ^ u32::from(byte), |crc, _| (crc >> 1) ^ (0xedb8_8320 * (crc & 1)))
    })
}

#[test]
fn describes_content_that_is_not_an_image() {
    assert!(matches!(decode(b""), Err(ImageError::Empty { .. })));
    let cases: [(&[u8], &str); 4] = [
        (b"slide,label\n1,0\n", "text"),
        (b"GIF89a\x01\0\x01\0", "a GIF image"),
        (b"RIFF\x10\0\0\0WEBPVP8 ", "a WebP image"),
        (b"\x00\x01\x02\x03\xfe", "bytes that start with 00 01 02 03 fe"),
    ];
    for (bytes, found) in cases {
        let error = decode(bytes).unwrap_err();
        assert_eq!(error.to_string(), format!("cell.txt: expected a PNG, JPEG, TIFF or BMP image, found {found}"));
        assert_eq!(error.reason(), format!("expected a PNG, JPEG, TIFF or BMP image, found {found}"));
    }
}

#[test]
fn detects_the_format_from_the_content_and_reports_missing_files() {
    let folder = tempfile::tempdir().unwrap();
    let golden = golden();
    for case in &golden.files {
        let path = folder.path().join("cell.gif");
        std::fs::write(&path, from_hex(&case.file)).unwrap();
        let decoded = decode_file(&path).unwrap();
        assert_eq!(read_size(&path).unwrap(), (golden.width, golden.height, decoded.colour_mode));
        let bytes = std::fs::read(&path).unwrap();
        assert_eq!(read_size_of_bytes(&bytes, &path).unwrap(), read_size(&path).unwrap());
    }
    let missing = folder.path().join("missing.png");
    let error = decode_file(&missing).unwrap_err();
    assert!(matches!(&error, ImageError::Input(error) if error.path().ends_with("missing.png")), "{error}");
    assert!(matches!(decode_file(folder.path()), Err(ImageError::Input(InputError::NotAFile { .. }))));
}

#[test]
fn keeps_an_image_of_the_input_size() {
    let image = golden_image(12, 12);
    for resize in [Resize::StretchNearest, Resize::Fit] {
        assert_eq!(Preprocessing::new(12, resize).to_bytes(&image), image.as_raw().as_slice());
    }
}

#[test]
fn keeps_a_uniform_image_uniform_at_any_size() {
    for (width, height, side) in [(1, 300, 7), (300, 1, 64), (33, 32, 32), (2, 3, 1), (131, 127, 64), (5, 9, 200)] {
        let image = RgbImage::from_pixel(width, height, image::Rgb([200, 100, 50]));
        let bytes = Preprocessing::new(side, Resize::Fit).to_bytes(&image);
        let (mut drawn, mut black) = (0_u32, 0_u32);
        for pixel in bytes.chunks(3) {
            match *pixel {
                [200, 100, 50] => drawn += 1,
                [0, 0, 0] => black += 1,
                _ => panic!("{width}x{height} to {side}: {pixel:?}"),
            }
        }
        assert_eq!((drawn + black) as usize, side * side);
        let expected = (side * side) as f64 * f64::from(width.min(height)) / f64::from(width.max(height));
        assert!((f64::from(drawn) - expected).abs() <= side as f64, "{width}x{height} to {side}: {drawn} drawn");
    }
}
