//! The Euclidean distance transform.

use super::grid::Grid;

/// Computes the distance in pixels from each `true` pixel to the nearest `false` pixel, and 0 for `false` pixels. Pixels
/// beyond the edge of the grid count as `true`.
///
/// After Felzenszwalb and Huttenlocher 2012, "Distance transforms of sampled functions", algorithm 1, by columns and then by
/// rows.
pub(crate) fn distance_to_outside(mask: &Grid<bool>) -> Grid<f32> {
    let (width, height) = (mask.width, mask.height);
    // Larger than any squared distance, and small enough for sums to be exact.
    let far = (width + height + 1).pow(2) as f32;
    let mut squares: Grid<f32> = Grid::like(mask);
    distances_in_columns(mask, far, &mut squares.values);
    let mut envelope = Envelope::new(width);
    let mut row = vec![0.0; width];
    for y in 0..height {
        let line = &mut squares.values[y * width..][..width];
        if line.iter().all(|&value| value == 0.0) {
            continue;
        }
        row.copy_from_slice(line);
        envelope.lower(&row, line);
    }
    squares.values.iter_mut().for_each(|value| *value = value.sqrt());
    squares
}

/// Computes the squared distance to the nearest `false` pixel of the same column.
fn distances_in_columns(mask: &Grid<bool>, far: f32, squares: &mut [f32]) {
    let (width, height) = (mask.width, mask.height);
    let mut above = vec![f32::INFINITY; width];
    for y in 0..height {
        for x in 0..width {
            above[x] = if mask.values[y * width + x] { above[x] + 1.0 } else { 0.0 };
            squares[y * width + x] = above[x];
        }
    }
    let mut below = vec![f32::INFINITY; width];
    for y in (0..height).rev() {
        for x in 0..width {
            let square = &mut squares[y * width + x];
            below[x] = if mask.values[y * width + x] { below[x] + 1.0 } else { 0.0 };
            let nearest = square.min(below[x]);
            *square = (nearest * nearest).min(far);
        }
    }
}

/// The lower envelope of parabolas.
struct Envelope {
    vertices: Vec<usize>,
    starts: Vec<f32>,
}

impl Envelope {
    fn new(length: usize) -> Envelope {
        Envelope { vertices: vec![0; length], starts: vec![0.0; length + 1] }
    }

    /// Computes the minimum over q of `(p - q)² + heights[q]` for each p.
    fn lower(&mut self, heights: &[f32], out: &mut [f32]) {
        let (vertices, starts) = (&mut self.vertices, &mut self.starts);
        let mut last = 0;
        vertices[0] = 0;
        starts[0] = f32::NEG_INFINITY;
        starts[1] = f32::INFINITY;
        let crossing = |q: usize, v: usize| {
            let raised = |i: usize| heights[i] + (i * i) as f32;
            (raised(q) - raised(v)) / (2.0 * (q - v) as f32)
        };
        for q in 1..heights.len() {
            let mut start = crossing(q, vertices[last]);
            while start <= starts[last] {
                last -= 1;
                start = crossing(q, vertices[last]);
            }
            last += 1;
            vertices[last] = q;
            starts[last] = start;
            starts[last + 1] = f32::INFINITY;
        }
        let mut current = 0;
        for (p, value) in out.iter_mut().enumerate() {
            while starts[current + 1] < p as f32 {
                current += 1;
            }
            let v = vertices[current];
            *value = (p.abs_diff(v).pow(2)) as f32 + heights[v];
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Random;

    #[test]
    fn agrees_with_the_definition() {
        let mut random = Random::keyed(&[7]);
        for (width, height, share) in [(1, 9, 0.3), (13, 1, 0.3), (17, 11, 0.1), (16, 23, 0.02)] {
            let values: Vec<bool> = (0..width * height).map(|_| !random.chance(share)).collect();
            if values.iter().all(|&inside| inside) {
                continue;
            }
            let mask = Grid { width, height, values };
            let distances = distance_to_outside(&mask);
            for pixel in 0..mask.values.len() {
                let (x, y) = mask.place(pixel);
                let square = |other: usize| {
                    let (a, b) = mask.place(other);
                    a.abs_diff(x).pow(2) + b.abs_diff(y).pow(2)
                };
                let nearest = (0..mask.values.len()).filter(|&other| !mask.values[other]).map(square).min();
                let expected = (nearest.unwrap() as f32).sqrt();
                assert!((distances.values[pixel] - expected).abs() < 1e-3, "{width}x{height} {pixel}");
            }
        }
    }

    #[test]
    fn is_finite_without_an_outside() {
        let mask = Grid { width: 5, height: 4, values: vec![true; 20] };
        assert!(distance_to_outside(&mask).values.iter().all(|distance| distance.is_finite()));
    }
}
