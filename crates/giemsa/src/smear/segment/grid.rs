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

/// Returns the factor by which a photograph can be reduced that is nearest to a wanted one: at least 1, and at most its
/// shorter side.
pub(crate) fn possible_factor(photograph: &RgbImage, wanted: usize) -> usize {
    wanted.min(photograph.width() as usize).min(photograph.height() as usize).max(1)
}

/// Reduces a photograph: each pixel of the result is the mean colour of a square of `factor` pixels, a [`possible_factor`].
/// What does not fill a square at the right and lower edges is left out.
pub(crate) fn reduce(photograph: &RgbImage, factor: usize) -> Grid<[u8; 3]> {
    let (width, height) = (photograph.width() as usize, photograph.height() as usize);
    let (columns, rows) = (width / factor, height / factor);
    let bytes = photograph.as_raw();
    if factor == 1 {
        return Grid { width, height, values: bytes.as_chunks::<3>().0.to_vec() };
    }
    let mut values = vec![[0; 3]; columns * rows];
    let area = (factor * factor) as u32;
    values.par_chunks_exact_mut(columns).enumerate().for_each_init(
        || vec![0_u32; width * 3],
        |sums, (row, target)| {
            // Whole rows are added first, because the compiler makes vector instructions of it.
            sums.fill(0);
            for line in bytes[row * factor * width * 3..].chunks_exact(width * 3).take(factor) {
                sums.iter_mut().zip(line).for_each(|(sum, &byte)| *sum += u32::from(byte));
            }
            for (pixel, square) in target.iter_mut().zip(sums.chunks_exact(factor * 3)) {
                let mut sum = [area / 2; 3];
                for column in square.as_chunks::<3>().0 {
                    (0..3).for_each(|channel| sum[channel] += column[channel]);
                }
                *pixel = sum.map(|channel| (channel / area) as u8);
            }
        },
    );
    Grid { width: columns, height: rows, values }
}

#[cfg(test)]
mod tests {
    use super::*;
    use image::Rgb;

    #[test]
    fn reduces_to_means_and_leaves_the_rest_out() {
        let photograph = RgbImage::from_fn(5, 4, |x, y| Rgb([(10 * x) as u8, (20 * y) as u8, 7]));
        let reduced = reduce(&photograph, 2);
        assert_eq!((reduced.width, reduced.height), (2, 2));
        assert_eq!(reduced.values, [[5, 10, 7], [25, 10, 7], [5, 50, 7], [25, 50, 7]]);
        assert_eq!(reduce(&photograph, 1).values[6], [10, 20, 7]);
    }

    #[test]
    fn neighbours_stay_within_the_grid() {
        let grid = Grid { width: 3, height: 2, values: vec![0; 6] };
        assert_eq!(grid.neighbours4(0).collect::<Vec<_>>(), [1, 3]);
        assert_eq!(grid.neighbours8(4).collect::<Vec<_>>(), [0, 1, 2, 3, 5]);
    }
}
