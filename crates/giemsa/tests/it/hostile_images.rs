//! Images made to break a decoder, and unusual images that are not.

use crate::images::{crc32, decode, find, from_hex, golden};
use giemsa::image::{ImageError, MAX_MEMORY_BYTES};

/// Returns the golden files of a format and a colour mode.
fn files(format: &str, colour_mode: &str) -> Vec<Vec<u8>> {
    let wanted = |case: &crate::images::GoldenFile| case.format == format && case.colour_mode == colour_mode;
    golden().files.iter().filter(|case| wanted(case)).map(|case| from_hex(&case.file)).collect()
}

fn png_chunk(name: &[u8], data: &[u8]) -> Vec<u8> {
    let named = [name, data].concat();
    [&(data.len() as u32).to_be_bytes(), &named[..], &crc32(&named).to_be_bytes()].concat()
}

#[test]
fn rejects_a_palette_whose_length_is_no_multiple_of_3() {
    for png in files("png", "palette") {
        let at = find(&png, b"PLTE").unwrap() - 4;
        let length = u32::from_be_bytes(*png[at..].first_chunk().unwrap()) as usize;
        for palette in (0..=768).filter(|length| length % 3 != 0) {
            let chunk = png_chunk(b"PLTE", &vec![7; palette]);
            let error = decode(&[&png[..at], &chunk, &png[at + 12 + length..]].concat()).unwrap_err();
            assert!(matches!(error, ImageError::Corrupt { .. }), "{palette} bytes: {error}");
        }
    }
}

/// Returns the position of the first scan.
fn scan(jpeg: &[u8]) -> usize {
    let at = find(jpeg, &[0xff, 0xda]).unwrap();
    at + 2 + usize::from(u16::from_be_bytes([jpeg[at + 2], jpeg[at + 3]]))
}

#[test]
fn rejects_a_jpeg_whose_scan_is_too_short() {
    for mode in ["rgb", "grey"] {
        let jpeg = files("jpeg", mode).into_iter().find(|jpeg| find(jpeg, &[0xff, 0xc2]).is_none()).unwrap();
        let whole = decode(&jpeg).unwrap();
        let (start, end) = (scan(&jpeg), jpeg.len() - 2);
        let mut rejected = 0;
        for length in start..end {
            match decode(&[&jpeg[..length], &[0xff, 0xd9]].concat()) {
                Ok(part) => assert_eq!(part.pixels, whole.pixels, "{mode}: {length} of {end} bytes"),
                Err(error) => {
                    assert!(matches!(error, ImageError::Corrupt { .. }), "{error}");
                    rejected += 1;
                }
            }
        }
        // The last byte may contain only padding.
        assert!(rejected + 1 >= end - start, "{mode}: {rejected} of {}", end - start);
    }
}

#[test]
fn decodes_jpegs_with_unusual_bytes_between_and_after_the_segments() {
    for jpeg in [files("jpeg", "rgb"), files("jpeg", "grey")].concat() {
        let whole = decode(&jpeg).unwrap();
        // After the first segment, which has 18 bytes.
        let (start, rest) = jpeg.split_at(20);
        let end = jpeg.len() - 2;
        let segment = |marker: u8, content: &[u8]| {
            [&[0xff, marker], &(content.len() as u16 + 2).to_be_bytes()[..], content].concat()
        };
        let cases: [(&str, Vec<u8>); 7] = [
            ("zeros between segments", [start, &[0; 9], rest].concat()),
            ("fill bytes before a marker", [start, &[0xff; 9], rest].concat()),
            ("a thumbnail", [start, &segment(0xe1, &jpeg), rest].concat()),
            ("short and long segments", [start, &segment(0xe0, b"AVI"), &segment(0xe2, &[7; 65_000]), rest].concat()),
            ("fill bytes before the end", [&jpeg[..end], &[0xff; 3], &jpeg[end..]].concat()),
            ("padding after the end", [&jpeg[..], &[0; 100]].concat()),
            ("a second image", [&jpeg[..], &jpeg[..]].concat()),
        ];
        for (name, bytes) in cases {
            let decoded = decode(&bytes).unwrap_or_else(|error| panic!("{name}: {error}"));
            assert_eq!(decoded.pixels, whole.pixels, "{name}");
        }
    }
}

#[test]
fn rejects_a_jpeg_with_many_scans_or_tables() {
    let jpeg = files("jpeg", "rgb").into_iter().find(|jpeg| find(jpeg, &[0xff, 0xc2]).is_some()).unwrap();
    let end = jpeg.len() - 2;
    let last_scan = jpeg.windows(2).rposition(|bytes| bytes == [0xff, 0xda]).unwrap();
    let scans = jpeg[last_scan..end].repeat(40);
    let error = decode(&[&jpeg[..end], &scans, &jpeg[end..]].concat()).unwrap_err();
    assert_eq!(error.reason(), "damaged JPEG image: too many scans");
    let table = find(&jpeg, &[0xff, 0xdb]).unwrap();
    let tables = jpeg[table..table + 69].repeat(5000);
    let error = decode(&[&jpeg[..table], &tables, &jpeg[table..]].concat()).unwrap_err();
    assert_eq!(error.reason(), "damaged JPEG image: too many tables");
}

#[test]
fn rejects_an_image_that_needs_too_much_memory() {
    let mut jpeg = files("jpeg", "rgb").into_iter().find(|jpeg| find(jpeg, &[0xff, 0xc2]).is_some()).unwrap();
    let at = find(&jpeg, &[0, 5, 0, 7]).unwrap();
    jpeg[at..at + 4].copy_from_slice(&[0x1b, 0x58, 0x1b, 0x58]);
    jpeg.extend([0; 4096]);
    let error = decode(&jpeg).unwrap_err();
    let ImageError::TooMuchMemory { width: 7000, height: 7000, memory_bytes, .. } = error else { panic!("{error}") };
    // Three bytes per pixel, and 875 x 875 blocks of 64 coefficients of two bytes in three channels.
    assert_eq!(memory_bytes, 3 * 49_000_000 + 3 * 875 * 875 * 128 + jpeg.len() as u64);
    let expected = format!(
        "the image is 7000x7000 pixels; decoding its format needs {} MB of memory, and at most {} MB are supported",
        memory_bytes.div_ceil(1_000_000),
        MAX_MEMORY_BYTES / 1_000_000
    );
    assert_eq!(error.reason(), expected);
}

const SHORT: u16 = 3;
const LONG: u16 = 4;

/// Returns a little-endian TIFF file with one strip.
fn tiff(width: u32, height: u32, tags: &[(u16, u16, u32, u32)], data: &[u8]) -> Vec<u8> {
    let common = [(256, LONG, 1, width), (257, LONG, 1, height), (273, LONG, 1, 8), (279, LONG, 1, data.len() as u32)];
    let mut tags: Vec<_> = [tags, &common].concat();
    tags.sort();
    tags.dedup_by_key(|tag| tag.0);
    let mut file = b"II*\0".to_vec();
    file.extend((8 + data.len() as u32).to_le_bytes());
    file.extend(data);
    file.extend((tags.len() as u16).to_le_bytes());
    for (tag, kind, count, value) in tags {
        file.extend([tag.to_le_bytes(), kind.to_le_bytes()].concat());
        file.extend([count.to_le_bytes(), value.to_le_bytes()].concat());
    }
    file.extend([0; 4]);
    file
}

#[test]
fn decodes_layouts_of_tiff_that_pillow_does_not_write() {
    let bytes = |values: &[u16]| values.iter().flat_map(|value| value.to_le_bytes()).collect::<Vec<u8>>();
    let floats = |values: &[f32]| values.iter().flat_map(|value| value.to_le_bytes()).collect::<Vec<u8>>();
    // Bits, photometric interpretation, samples, planar configuration, additional tags, samples, and expected pixels.
    type Case<'a> = (&'a str, u32, u32, u32, u32, &'a [(u16, u16, u32, u32)], Vec<u8>, [u8; 6]);
    let float = &[(339, SHORT, 1, 3)];
    let alpha = &[(338, SHORT, 1, 2)];
    let cases: [Case; 8] = [
        ("planes", 8, 2, 3, 2, &[], vec![1, 4, 2, 5, 3, 6], [1, 2, 3, 4, 5, 6]),
        ("planes of 16 bits", 16, 2, 3, 2, &[], bytes(&[257, 1028, 514, 1285, 771, 1542]), [1, 2, 3, 4, 5, 6]),
        ("16 bits", 16, 2, 3, 1, &[], bytes(&[0, 128, 129, 385, 386, 65535]), [0, 0, 1, 1, 2, 255]),
        (
            "16 bits with alpha",
            16,
            2,
            4,
            1,
            alpha,
            bytes(&[65535, 257, 0, 65535, 65535, 0, 514, 0]),
            [255, 1, 0, 0, 0, 0],
        ),
        ("floats", 32, 2, 3, 1, float, floats(&[0.0, 1.0, 2.0, -1.0, 0.5, f32::NAN]), [0, 255, 255, 0, 128, 255]),
        ("ink", 8, 5, 4, 1, &[], vec![0, 100, 255, 0, 0, 0, 0, 255], [255, 155, 0, 0, 0, 0]),
        ("an extra sample", 8, 2, 4, 1, &[(338, SHORT, 1, 0)], vec![1, 2, 3, 9, 4, 5, 6, 9], [1, 2, 3, 4, 5, 6]),
        ("1 bit", 1, 1, 1, 1, &[], vec![0b0100_0000], [0, 0, 0, 255, 255, 255]),
    ];
    for (name, bits, photometric, samples, planar, more, data, expected) in cases {
        let mut tags = vec![(258, SHORT, 1, bits), (262, SHORT, 1, photometric), (277, SHORT, 1, samples)];
        tags.push((284, SHORT, 1, planar));
        let mut file = tiff(2, 1, &[&tags, more].concat(), &data);
        if planar == 2 {
            // A strip per plane: their places are at the end of the file.
            let plane = data.len() as u32 / 3;
            let end = file.len() as u32;
            let mut set = |tag: u16, at: u32| {
                let entry = file.windows(4).position(|bytes| bytes == [tag as u8, (tag >> 8) as u8, 4, 0]).unwrap();
                file[entry + 4..entry + 12].copy_from_slice(&[3_u32.to_le_bytes(), at.to_le_bytes()].concat());
            };
            set(273, end);
            set(279, end + 12);
            file.extend([8, 8 + plane, 8 + 2 * plane, plane, plane, plane].map(u32::to_le_bytes).concat());
        }
        let decoded = decode(&file).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(decoded.pixels.as_raw(), &expected, "{name}");
    }
}

#[test]
fn rejects_a_tiff_with_text_or_too_many_values_where_numbers_are_expected() {
    let grey = [(258, SHORT, 1, 8), (262, SHORT, 1, 1)];
    assert!(decode(&tiff(2, 1, &grey, &[1, 2])).is_ok());
    for tag in [258, 262, 277, 284, 317, 338, 339] {
        for (kind, count) in [(2, 0x4000_0000), (2, 5), (SHORT, 0x4000_0000), (1, 300_000)] {
            let grey = grey.into_iter().filter(|&(other, ..)| other != tag);
            let tags: Vec<_> = grey.chain([(tag, kind, count, 8)]).collect();
            let error = decode(&tiff(2, 1, &tags, &[1, 2])).unwrap_err();
            let expected = format!("damaged TIFF image: the tag {tag} has {count} values of the type {kind}");
            assert_eq!(error.reason(), expected);
        }
    }
    // A description may be long, and is not read.
    assert!(decode(&tiff(2, 1, &[&grey[..], &[(270, 2, 0x4000_0000, 8)]].concat(), &[1, 2])).is_ok());
}

#[test]
fn rejects_a_tiff_with_more_samples_outside_the_image_than_in_the_largest_image() {
    let tags = [(258, SHORT, 1, 8), (262, SHORT, 1, 2), (277, SHORT, 1, 60_000), (338, SHORT, 59_997, 8)];
    let file = tiff(8000, 1, &tags, &[0; 120_000]);
    assert_eq!(decode(&file).unwrap_err().reason(), "damaged TIFF image: too many samples outside the image");
}

#[test]
fn rejects_a_jpeg_in_a_tiff_that_is_larger_than_its_strip() {
    let jpeg = files("jpeg", "grey").remove(0);
    let tags = [(258, SHORT, 1, 8), (259, SHORT, 1, 7), (262, SHORT, 1, 1)];
    let fits = decode(&tiff(7, 5, &tags, &jpeg)).unwrap();
    assert_eq!(fits.pixels, decode(&jpeg).unwrap().pixels);
    for (width, height) in [(6, 5), (7, 4)] {
        let error = decode(&tiff(width, height, &tags, &jpeg)).unwrap_err();
        assert_eq!(error.reason(), "damaged TIFF image: a JPEG image is larger than its strip or tile");
    }
}
