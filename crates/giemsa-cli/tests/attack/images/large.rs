//! Large images in small files: black, and compressed to a thousandth of their pixels.

use super::predict_folder;
use crate::table::Row;
use png::{BitDepth, ColorType, Compression, Encoder};
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

/// Just below the largest number of pixels that is read, and above it.
const SIDES: [u32; 2] = [7_000, 8_000];
/// Copies of each image, so that threads compete for memory.
const COPIES: usize = 3;

/// Lets the program classify a folder of large images.
pub fn attack() -> Row {
    let folder = tempfile::tempdir().unwrap();
    let colours = [ColorType::Grayscale, ColorType::GrayscaleAlpha, ColorType::Rgb, ColorType::Rgba];
    let mut files = 0;
    for side in SIDES {
        for (colour, depth) in colours.into_iter().flat_map(|c| [(c, BitDepth::Eight), (c, BitDepth::Sixteen)]) {
            let path = folder.path().join(format!("{colour:?}-{depth:?}-{side}.png"));
            write_black(&path, side, colour, depth);
            for copy in 1..COPIES {
                std::fs::copy(&path, path.with_extension(format!("{copy}.png"))).unwrap();
            }
            files += COPIES;
        }
    }
    let mut row = Row::new("large images, `giemsa predict` on a folder");
    predict_folder(&mut row, folder.path(), files);
    row
}

/// Writes a black PNG row by row.
fn write_black(path: &Path, side: u32, colour: ColorType, depth: BitDepth) {
    let mut encoder = Encoder::new(BufWriter::new(File::create(path).unwrap()), side, side);
    encoder.set_color(colour);
    encoder.set_depth(depth);
    encoder.set_compression(Compression::Fast);
    let mut writer = encoder.write_header().unwrap();
    let mut stream = writer.stream_writer().unwrap();
    let row = vec![0; side as usize * colour.samples() * (depth as usize / 8)];
    (0..side).for_each(|_| stream.write_all(&row).unwrap());
    stream.finish().unwrap();
}
