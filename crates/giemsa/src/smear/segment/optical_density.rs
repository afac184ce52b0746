//! From colours to optical density: how much more than the empty slide around it a pixel absorbs.
//!
//! The light of the empty slide varies slowly over a photograph: uneven illumination and vignetting. Its logarithm is
//! fitted, channel by channel, by a polynomial in column and row.

use super::grid::Grid;
use rayon::prelude::*;

/// Optical density of each channel, as natural logarithms of the empty slide's light over the pixel's.
pub(super) type Densities = Grid<[f32; 3]>;

/// Tiles along the longer side of the photograph.
const TILES: usize = 24;
/// A tile is represented by the pixel that this fraction of its pixels do not exceed in brightness.
const BRIGHT: f32 = 0.9;
/// A tile with fewer of its pixels in the field is not used.
const LEAST_OF_TILE: f32 = 0.5;
/// Terms of the polynomial: 1, x, y, x², xy, y².
const TERMS: usize = 6;
/// Repetitions of the fit without tiles that are darker than it, which lie within cells.
const REFITS: usize = 6;
/// Tiles this much darker than the fit are left out, in optical density.
const DARKER: f32 = 0.06;

/// The light of the empty slide: the coefficients of each channel's polynomial.
#[derive(Clone, Debug)]
pub(super) struct EmptySlide {
    coefficients: [[f32; TERMS]; 3],
}

/// A bright spot: its place as fractions of the photograph's sides, and the logarithms of its colour.
#[derive(Clone, Copy)]
struct Spot {
    terms: [f32; TERMS],
    colour: [f32; 3],
}

impl EmptySlide {
    /// Fits the light of the empty slide to a reduced photograph.
    ///
    /// `is_empty` selects the pixels of empty slide if they are known from an earlier fit.
    pub fn fit(colours: &Grid<[u8; 3]>, field: &Grid<bool>, is_empty: Option<&Grid<bool>>) -> EmptySlide {
        let logarithms = logarithms();
        EmptySlide::fit_without_darker(match is_empty {
            None => bright_spots(colours, field, &logarithms),
            Some(empty) => empty_spots(colours, empty, &logarithms),
        })
    }

    /// Computes the optical density of a photograph, reduced by any factor, within the field, and 0 outside.
    pub fn densities(&self, colours: &Grid<[u8; 3]>, field: &Grid<bool>) -> Densities {
        let logarithms = logarithms();
        let (width, height) = (colours.width, colours.height);
        let mut densities: Densities = Grid::like(colours);
        densities.values.par_chunks_exact_mut(width).enumerate().for_each(|(row, line)| {
            // Along a row, the polynomial of two variables is one of the column.
            let y = row as f32 / height as f32;
            let of_x = self.coefficients.map(|[one, x, y1, xx, xy, yy]| [one + y1 * y + yy * y * y, x + xy * y, xx]);
            let step = 1.0 / width as f32;
            for (column, density) in line.iter_mut().enumerate() {
                let pixel = row * width + column;
                if field.values[pixel] {
                    let x = column as f32 * step;
                    let colour = colours.values[pixel];
                    for ((density, [a, b, c]), byte) in density.iter_mut().zip(of_x).zip(colour) {
                        *density = a + x * (b + x * c) - logarithms[usize::from(byte)];
                    }
                }
            }
        });
        densities
    }
}

fn logarithms() -> [f32; 256] {
    std::array::from_fn(|byte| (byte as f32).max(1.0).ln())
}

/// Returns one spot per tile: its pixel of the brightness that is typical of empty slide.
fn bright_spots(colours: &Grid<[u8; 3]>, field: &Grid<bool>, logarithms: &[f32]) -> Vec<Spot> {
    let mut spots = Vec::new();
    for_each_tile(colours, |pixels| {
        let mut inside: Vec<usize> = pixels.iter().copied().filter(|&pixel| field.values[pixel]).collect();
        if inside.len() as f32 >= LEAST_OF_TILE * pixels.len() as f32 && !inside.is_empty() {
            let rank = ((inside.len() - 1) as f32 * BRIGHT) as usize;
            let brightness = |&pixel: &usize| colours.values[pixel].iter().map(|&c| u32::from(c)).sum::<u32>();
            let (_, &mut pixel, _) = inside.select_nth_unstable_by_key(rank, brightness);
            spots.push(spot(colours, pixel, colours.values[pixel].map(|c| logarithms[usize::from(c)])));
        }
    });
    spots
}

/// Returns one spot per tile with enough empty slide: the mean of its logarithms.
fn empty_spots(colours: &Grid<[u8; 3]>, empty: &Grid<bool>, logarithms: &[f32]) -> Vec<Spot> {
    let mut spots = Vec::new();
    for_each_tile(colours, |pixels| {
        let (mut sum, mut count) = ([0.0; 3], 0_u32);
        for &pixel in pixels.iter().filter(|&&pixel| empty.values[pixel]) {
            (0..3).for_each(|c| sum[c] += logarithms[usize::from(colours.values[pixel][c])]);
            count += 1;
        }
        if count as usize * 10 >= pixels.len() && count > 0 {
            spots.push(spot(colours, pixels[pixels.len() / 2], sum.map(|sum: f32| sum / count as f32)));
        }
    });
    spots
}

fn for_each_tile(colours: &Grid<[u8; 3]>, mut each: impl FnMut(&[usize])) {
    let side = (colours.width.max(colours.height) / TILES).max(4);
    let mut pixels = Vec::with_capacity(side * side);
    for top in (0..colours.height).step_by(side) {
        for left in (0..colours.width).step_by(side) {
            pixels.clear();
            for y in top..(top + side).min(colours.height) {
                pixels.extend((left..(left + side).min(colours.width)).map(|x| y * colours.width + x));
            }
            each(&pixels);
        }
    }
}

fn spot(colours: &Grid<[u8; 3]>, pixel: usize, colour: [f32; 3]) -> Spot {
    let (x, y) = colours.place(pixel);
    Spot { terms: terms(x as f32 / colours.width as f32, y as f32 / colours.height as f32), colour }
}

fn terms(x: f32, y: f32) -> [f32; TERMS] {
    [1.0, x, y, x * x, x * y, y * y]
}

impl EmptySlide {
    /// Fits the polynomials by least squares, and again without the spots that are darker than the fit.
    fn fit_without_darker(mut spots: Vec<Spot>) -> EmptySlide {
        let mut slide = EmptySlide::fit_all(&spots);
        for _ in 0..REFITS {
            let darker = |spot: &Spot| (0..3).map(|c| slide.at(spot.terms)[c] - spot.colour[c]).sum::<f32>() / 3.0;
            let kept: Vec<Spot> = spots.iter().filter(|spot| darker(spot) < DARKER).copied().collect();
            if kept.len() == spots.len() || kept.len() < 2 * TERMS {
                break;
            }
            spots = kept;
            slide = EmptySlide::fit_all(&spots);
        }
        slide
    }

    fn fit_all(spots: &[Spot]) -> EmptySlide {
        EmptySlide { coefficients: std::array::from_fn(|channel| least_squares(spots, channel)) }
    }

    fn at(&self, terms: [f32; TERMS]) -> [f32; 3] {
        self.coefficients.map(|channel| channel.iter().zip(&terms).map(|(a, b)| a * b).sum())
    }
}

/// Solves the normal equations by Gaussian elimination, with a small ridge so that they have a solution.
fn least_squares(spots: &[Spot], channel: usize) -> [f32; TERMS] {
    let mut matrix = [[0.0_f64; TERMS + 1]; TERMS];
    for spot in spots {
        for (row, term) in matrix.iter_mut().zip(spot.terms) {
            let values = spot.terms.into_iter().chain([spot.colour[channel]]);
            row.iter_mut().zip(values).for_each(|(sum, value)| *sum += f64::from(term * value));
        }
    }
    let ridge = 1e-4 * spots.len().max(1) as f64;
    (1..TERMS).for_each(|i| matrix[i][i] += ridge);
    matrix[0][0] += 1e-12;
    for column in 0..TERMS {
        let pivot_row = matrix[column];
        for row in (0..TERMS).filter(|&row| row != column) {
            let factor = matrix[row][column] / pivot_row[column];
            (0..=TERMS).for_each(|j| matrix[row][j] -= factor * pivot_row[j]);
        }
    }
    std::array::from_fn(|i| (matrix[i][TERMS] / matrix[i][i]) as f32)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Uneven light, and dark discs that transmit half of it.
    fn photograph() -> (Grid<[u8; 3]>, Grid<bool>) {
        let disc = |x: f32, y: f32| (x % 30.0 - 15.0).hypot(y % 30.0 - 15.0) < 9.0;
        let place = |i: usize| ((i % 240) as f32, (i / 240) as f32);
        let colour = |i: usize| {
            let (x, y) = place(i);
            let light = 230.0 * (-0.3 * (x / 240.0 - 0.3).powi(2) - 0.2 * y / 180.0).exp();
            [light, 0.9 * light, 0.8 * light].map(|value| (if disc(x, y) { value / 2.0 } else { value }) as u8)
        };
        let colours = Grid { width: 240, height: 180, values: (0..240 * 180).map(colour).collect() };
        let is_cell = (0..240 * 180).map(|i| disc(place(i).0, place(i).1)).collect();
        (colours, Grid { width: 240, height: 180, values: is_cell })
    }

    #[test]
    fn flattens_uneven_light() {
        let (colours, is_cell) = photograph();
        let field = Grid { values: vec![true; colours.values.len()], ..Grid::like(&colours) };
        let densities = EmptySlide::fit(&colours, &field, None).densities(&colours, &field);
        for (density, &is_cell) in densities.values.iter().zip(&is_cell.values) {
            let expected = if is_cell { 2_f32.ln() } else { 0.0 };
            assert!(density.iter().all(|value| (value - expected).abs() < 0.04), "{density:?} {expected}");
        }
    }

    #[test]
    fn is_finite_for_a_black_photograph_and_zero_outside_the_field() {
        let black = Grid { width: 9, height: 7, values: vec![[0; 3]; 63] };
        let field = Grid { width: 9, height: 7, values: (0..63).map(|i| i > 30).collect() };
        let densities = EmptySlide::fit(&black, &field, None).densities(&black, &field);
        assert!(densities.values.iter().flatten().all(|value| value.is_finite()));
        assert_eq!(densities.values[30], [0.0; 3]);
    }
}
