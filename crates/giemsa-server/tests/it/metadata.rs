//! Files without metadata.

use giemsa::image::decode_bytes;
use giemsa_server::case::metadata::without_metadata;
use image::{DynamicImage, ExtendedColorType, GrayImage, ImageEncoder, ImageFormat, Rgb, RgbImage};
use std::io::Cursor;

const PLACE: &[u8] = b"GPS 12.3456 N 65.4321 E";

fn pixels() -> RgbImage {
    RgbImage::from_fn(90, 70, |x, y| Rgb([(x * 2) as u8, (y * 3) as u8, (x ^ y) as u8]))
}

fn encoded(image: &DynamicImage, format: ImageFormat) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    image.write_to(&mut bytes, format).unwrap();
    bytes.into_inner()
}

fn has_place(bytes: &[u8]) -> bool {
    bytes.windows(PLACE.len()).any(|window| window == PLACE)
}

/// Checks that the stored file has the same pixels and no metadata, and returns whether it is still in its format.
#[track_caller]
fn check(bytes: &[u8]) -> String {
    assert!(has_place(bytes));
    let decoded = decode_bytes(bytes, "a".as_ref()).unwrap().pixels;
    let stored = without_metadata(bytes, &decoded).unwrap();
    assert!(!has_place(&stored.bytes));
    assert_eq!(decode_bytes(&stored.bytes, "a".as_ref()).unwrap().pixels, decoded);
    stored.media_type
}

/// A segment of a JPEG, or none.
fn segment(marker: u8, payload: &[u8]) -> Vec<u8> {
    let mut segment = vec![0xff, marker];
    segment.extend((payload.len() as u16 + 2).to_be_bytes());
    segment.extend(payload);
    segment
}

/// Returns a JPEG with segments after its start, and bytes after its end.
fn jpeg_with(segments: &[Vec<u8>], after: &[u8]) -> Vec<u8> {
    let jpeg = encoded(&pixels().into(), ImageFormat::Jpeg);
    [&jpeg[..2], &segments.concat(), &jpeg[2..], after].concat()
}

#[test]
fn a_jpeg_loses_its_metadata_and_keeps_its_compressed_pixels() {
    let tagged = |head: &[u8]| [head, PLACE].concat();
    let places = [
        jpeg_with(&[segment(0xe1, &tagged(b"Exif\0\0"))], b""),
        jpeg_with(&[segment(0xe2, &tagged(b"ICC_PROFILE\0"))], b""),
        jpeg_with(&[segment(0xed, &tagged(b"Photoshop 3.0\0")), segment(0xfe, PLACE), segment(0xef, PLACE)], b""),
        // A preview in the header, a second image, and fill bytes.
        jpeg_with(&[segment(0xe0, &tagged(b"JFXX\0"))], b""),
        jpeg_with(&[vec![0xff; 3], segment(0xe1, PLACE)], PLACE),
    ];
    for bytes in places {
        assert_eq!(check(&bytes), "image/jpeg");
    }
    // What is left is the file before the metadata was added.
    let bytes = jpeg_with(&[segment(0xe1, PLACE)], PLACE);
    let decoded = decode_bytes(&bytes, "a".as_ref()).unwrap().pixels;
    assert_eq!(without_metadata(&bytes, &decoded).unwrap().bytes, encoded(&pixels().into(), ImageFormat::Jpeg));
}

#[test]
fn the_colour_transform_of_a_jpeg_stays() {
    // An Adobe segment with transform 0: the components are red, green and blue.
    let adobe = segment(0xee, b"Adobe\0\x64\0\0\0\0\0");
    let jpeg = encoded(&pixels().into(), ImageFormat::Jpeg);
    // The encoder's JFIF header, which promises other colours, goes.
    let bytes = [&jpeg[..2], &adobe, &segment(0xfe, PLACE), &jpeg[20..]].concat();
    let other = decode_bytes(&bytes, "a".as_ref()).unwrap().pixels;
    assert_ne!(other, decode_bytes(&jpeg, "a".as_ref()).unwrap().pixels);
    assert_eq!(check(&bytes), "image/jpeg");
}

fn chunk(kind: &[u8; 4], payload: &[u8]) -> Vec<u8> {
    let content = [&kind[..], payload].concat();
    let mut chunk = (payload.len() as u32).to_be_bytes().to_vec();
    chunk.extend(&content);
    chunk.extend(crc(&content).to_be_bytes());
    chunk
}

/// Computes the CRC-32 of PNG (ISO/IEC 15948, annex D).
fn crc(bytes: &[u8]) -> u32 {
    let step = |crc: u32, _| if crc & 1 == 1 { 0xedb8_8320 ^ (crc >> 1) } else { crc >> 1 };
    !bytes.iter().fold(!0, |crc, byte| (0..8).fold(crc ^ u32::from(*byte), step))
}

/// Returns a PNG with chunks after its header, and bytes after its end.
fn png_with(image: &DynamicImage, chunks: &[Vec<u8>], after: &[u8]) -> Vec<u8> {
    let png = encoded(image, ImageFormat::Png);
    // The signature has 8 bytes, and the first chunk 25.
    [&png[..33], &chunks.concat(), &png[33..], after].concat()
}

#[test]
fn a_png_loses_its_metadata_and_keeps_its_compressed_pixels() {
    let images: [DynamicImage; 3] = [
        pixels().into(),
        GrayImage::from_fn(30, 20, |x, y| image::Luma([(x * y) as u8])).into(),
        DynamicImage::from(pixels()).to_rgba16().into(),
    ];
    for image in &images {
        for kind in [b"tEXt", b"eXIf", b"iTXt", b"prVt"] {
            assert_eq!(check(&png_with(image, &[chunk(kind, PLACE)], b"")), "image/png");
        }
        assert_eq!(check(&png_with(image, &[chunk(b"tIME", b"\x07\xe9\x01\x01\0\0\0")], PLACE)), "image/png");
    }
    let bytes = png_with(&images[0], &[chunk(b"tEXt", PLACE)], PLACE);
    assert_eq!(without_metadata(&bytes, &pixels()).unwrap().bytes, encoded(&images[0], ImageFormat::Png));
}

#[test]
fn other_formats_become_png() {
    let mut bmp = encoded(&pixels().into(), ImageFormat::Bmp);
    bmp.extend(PLACE);
    assert_eq!(check(&bmp), "image/png");
    let mut grey = Vec::new();
    let encoder = image::codecs::bmp::BmpEncoder::new(&mut grey);
    encoder.write_image(&[7; 64], 8, 8, ExtendedColorType::L8).unwrap();
    let decoded = decode_bytes(&grey, "a".as_ref()).unwrap().pixels;
    assert_eq!(without_metadata(&grey, &decoded).unwrap().media_type, "image/png");
}

/// Whatever the bytes are, the stored file has the pixels that were found, and nothing panics.
#[test]
fn hostile_files_are_stored_as_their_pixels() {
    let pixels = pixels();
    let jpeg = jpeg_with(&[segment(0xe1, PLACE), segment(0xee, b"Adobe")], PLACE);
    let png = png_with(&pixels.clone().into(), &[chunk(b"tEXt", PLACE)], PLACE);
    for bytes in [jpeg, png] {
        for length in (0..bytes.len()).step_by(7) {
            let mut changed = bytes.clone();
            changed[length] ^= 0xff;
            let mut long = bytes.clone();
            long.splice(length..length, [0xff, 0xff, 0xff, 0xff]);
            for hostile in [&bytes[..length], &changed, &long] {
                let stored = without_metadata(hostile, &pixels).unwrap();
                let decoded = decode_bytes(&stored.bytes, "a".as_ref()).unwrap().pixels;
                assert!(decoded == pixels && !has_place(&stored.bytes), "{length}");
            }
        }
    }
}
