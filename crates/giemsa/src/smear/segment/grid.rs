//! Values on the pixels of a reduced photograph.

use image::RgbImage;
use rayon::prelude::*;

/// One value per pixel, row by row.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Grid<T> {
    pub width: usize,
    pub height: usize,
    pub values: Vec<T>,
}

impl<T: Clone + Default> Grid<T> {
    /// Creates a grid of the same size as another one.
    pub fn like<U>(other: &Grid<U>) -> Grid<T> {
        Grid { width: other.width, height: other.height, values: vec![T::default(); other.values.len()] }
    }
}

impl<T> Grid<T> {
    /// Returns column and row of a pixel.
    pub fn place(&self, index: usize) -> (usize, usize) {
        (index % self.width, index / self.width)
    }

    /// Returns the four neighbours of a pixel.
    pub fn neighbours4(&self, index: usize) -> impl Iterator<Item = usize> + use<T> {
        let (x, y) = self.place(index);
        let (width, height) = (self.width, self.height);
        [
            (x > 0).then(|| index - 1),
            (x + 1 < width).then(|| index + 1),
            (y > 0).then(|| index - width),
            (y + 1 < height).then(|| index + width),
        ]
        .into_iter()
        .flatten()
    }

    /// Returns the eight neighbours of a pixel.
    pub fn neighbours8(&self, index: usize) -> impl Iterator<Item = usize> + use<T> {
        let (x, y) = self.place(index);
        let (width, height) = (self.width, self.height);
        let columns = x.saturating_sub(1)..(x + 2).min(width);
        let rows = y.saturating_sub(1)..(y + 2).min(height);
        rows.flat_map(move |row| columns.clone().map(move |column| row * width + column))
            .filter(move |&neighbour| neighbour != index)
    }

    /// Returns whether a pixel lies on the edge of the grid.
    pub fn is_on_edge(&self, index: usize) -> bool {
        let (x, y) = self.place(index);
        x == 0 || y == 0 || x + 1 == self.width || y + 1 == self.height
    }
}

/// Reduces a photograph: each pixel of the result is the mean colour of a square of `factor` pixels. What does not fill a
/// square at the right and lower edges is left out, unless the photograph is smaller than a square.
pub(crate) fn reduce(photograph: &RgbImage, factor: usize) -> Grid<[u8; 3]> {
    let (width, height) = (photograph.width() as usize, photograph.height() as usize);
    let factor = factor.min(width).min(height).max(1);
    let (columns, rows) = (width / factor, height / factor);
    let bytes = photograph.as_raw();
    if factor == 1 {
        return Grid { width, height, values: bytes.as_chunks::<3>().0.to_vec() };
    }
    let mut values = vec![[0; 3]; columns * rows];
    let area = (factor * factor) as u32;
    values.par_chunks_exact_mut(columns).enumerate().for_each_init(
        || vec![0_u32; columns * 3],
        |sums, (row, target)| {
            sums.fill(0);
            for line in bytes[row * factor * width * 3..].chunks_exact(width * 3).take(factor) {
                for (sum, square) in sums.as_chunks_mut::<3>().0.iter_mut().zip(line.chunks_exact(factor * 3)) {
                    for pixel in square.as_chunks::<3>().0 {
                        sum[0] += u32::from(pixel[0]);
                        sum[1] += u32::from(pixel[1]);
                        sum[2] += u32::from(pixel[2]);
                    }
                }
            }
            for (pixel, sum) in target.iter_mut().zip(sums.as_chunks::<3>().0) {
                *pixel = sum.map(|channel| ((channel + area / 2) / area) as u8);
            }
        },
    );
    Grid { width: columns, height: rows, values }
}
