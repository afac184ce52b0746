//! Resizes images to the square input of a network.

use image::RgbImage;

/// Stretches an image to `width` x `height` with nearest-neighbour sampling.
///
/// The source index is floor((x + 0.5) * source / target), as in Pillow's `Image.resize` with `NEAREST`.
///
/// # Panics
/// If the image has no pixels.
pub fn nearest(image: &RgbImage, width: usize, height: usize) -> Vec<u8> {
    let columns: Vec<usize> = nearest_indices(image.width() as usize, width).collect();
    let row_bytes = image.width() as usize * 3;
    let mut out = Vec::with_capacity(width * height * 3);
    for y in nearest_indices(image.height() as usize, height) {
        let row = image.as_raw()[y * row_bytes..][..row_bytes].as_chunks::<3>().0;
        out.extend(columns.iter().flat_map(|&x| row[x]));
    }
    out
}

fn nearest_indices(source: usize, target: usize) -> impl Iterator<Item = usize> {
    let scale = source as f64 / target as f64;
    // Sums, in double precision: on the border of two pixels, their rounding errors choose the pixel, as they do in Pillow.
    let centres = std::iter::successors(Some(scale * 0.5), move |centre| Some(centre + scale));
    centres.take(target).map(move |centre| (centre as usize).min(source - 1))
}

/// Fits an image into a square of `side` pixels, centred on black, and keeps its aspect ratio.
///
/// Shrinking averages the area that a pixel covers, with fractional weights at its edges; enlarging is bilinear between
/// pixel centres. Columns are resampled first, then rows.
///
/// # Panics
/// If the image has no pixels.
pub fn fit(image: &RgbImage, side: usize) -> Vec<u8> {
    let (width, height) = (image.width() as usize, image.height() as usize);
    let (new_width, new_height) = fitted_size(width, height, side);
    let (left, top) = ((side - new_width) / 2, (side - new_height) / 2);

    let columns = axis_weights(width, new_width);
    let mut out = vec![0; side * side * 3];
    let mut sums = vec![0.0; width * 3];
    for (y, row) in axis_weights(height, new_height).iter().enumerate() {
        sum_rows(&image.as_raw()[row.first * width * 3..], row, &mut sums);
        let start = ((top + y) * side + left) * 3;
        sum_columns(&sums, &columns, &mut out[start..start + new_width * 3]);
    }
    out
}

/// Returns width and height of an image that is fitted into a square of `side` pixels.
pub(crate) fn fitted_size(width: usize, height: usize, side: usize) -> (usize, usize) {
    let longest = width.max(height);
    let scaled = |length: usize| ((length * side * 2 + longest) / (longest * 2)).max(1);
    (scaled(width), scaled(height))
}

/// Computes the weighted sum of rows. Vertical first adds whole rows at once and leaves fewer rows to resample.
fn sum_rows(bytes: &[u8], rows: &Weights, sums: &mut [f32]) {
    sums.fill(0.0);
    for (&weight, row) in rows.weights.iter().zip(bytes.chunks_exact(sums.len())) {
        for (sum, &byte) in sums.iter_mut().zip(row) {
            *sum += weight * f32::from(byte);
        }
    }
}

fn sum_columns(row: &[f32], columns: &[Weights], out: &mut [u8]) {
    let row = row.as_chunks::<3>().0;
    for (column, target) in columns.iter().zip(out.as_chunks_mut::<3>().0) {
        let mut sum = [0.5; 3];
        for (&weight, pixel) in column.weights.iter().zip(&row[column.first..]) {
            for channel in 0..3 {
                sum[channel] += weight * pixel[channel];
            }
        }
        *target = sum.map(|value| value as u8);
    }
}

/// The weights of consecutive source pixels in one target pixel; they sum to 1.
struct Weights {
    first: usize,
    weights: Vec<f32>,
}

fn axis_weights(source: usize, target: usize) -> Vec<Weights> {
    let scale = source as f64 / target as f64;
    if scale >= 1.0 {
        (0..target).map(|i| area_weights(i as f64 * scale, (i + 1) as f64 * scale, source)).collect()
    } else {
        (0..target).map(|i| bilinear_weights((i as f64 + 0.5) * scale - 0.5, source)).collect()
    }
}

/// Weights the source pixels between two edges by area; pixel `i` covers `i..i + 1`.
fn area_weights(start: f64, end: f64, source: usize) -> Weights {
    let first = (start as usize).min(source - 1);
    let last = (end.ceil() as usize).clamp(first + 1, source);
    let covered = |i: usize| (end.min((i + 1) as f64) - start.max(i as f64)).max(0.0);
    let weights = (first..last).map(|i| (covered(i) / (end - start)) as f32).collect();
    Weights { first, weights }
}

/// Weights the two source pixels whose centres enclose a position; beyond the outermost centres, only that pixel.
fn bilinear_weights(position: f64, source: usize) -> Weights {
    let position = position.clamp(0.0, (source - 1) as f64);
    let first = position as usize;
    let fraction = (position - first as f64) as f32;
    let weights = if first + 1 < source { vec![1.0 - fraction, fraction] } else { vec![1.0] };
    Weights { first, weights }
}
