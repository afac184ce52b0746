//! Combines all geometric transformations into one affine map.
//!
//! Angle, shift, shear, zoom, their order and the centre are those of Keras' `apply_affine_transform`, which maps a pixel
//! of the output to its position in the input.

use crate::model::recipe::Augmentation;
use crate::random::Random;

/// The parameters of a geometric transformation.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Geometry {
    /// Keras' `theta`.
    pub rotation_degrees: f32,
    /// Keras' `tx` along a row and `ty` down a column, applied before the rotation.
    pub shift_px: [f32; 2],
    /// Keras' `shear`.
    pub shear_degrees: f32,
    /// Keras' `zx` along a row and `zy` down a column. Values above 1 show more of the image.
    pub zoom: [f32; 2],
    /// Mirrors left and right, after the above.
    pub flip_horizontal: bool,
    /// Mirrors top and bottom, after the above.
    pub flip_vertical: bool,
    /// The number of clockwise rotations by 90 degrees, applied last.
    pub quarter_turns: usize,
}

impl Default for Geometry {
    /// Returns the identity.
    fn default() -> Geometry {
        Geometry {
            rotation_degrees: 0.0,
            shift_px: [0.0; 2],
            shear_degrees: 0.0,
            zoom: [1.0; 2],
            flip_horizontal: false,
            flip_vertical: false,
            quarter_turns: 0,
        }
    }
}

impl Geometry {
    /// Draws random parameters within the settings.
    pub(super) fn draw(settings: &Augmentation, side: usize, random: &mut Random) -> Geometry {
        let mut within = |limit: f32| if limit > 0.0 { random.range(-limit, limit) } else { 0.0 };
        let rotation_degrees = within(settings.rotation_degrees);
        let shift_px = [0; 2].map(|_| within(settings.shift) * side as f32);
        let shear_degrees = within(settings.shear_degrees);
        let scale = within((1.0 + settings.scale).ln()).exp();
        let zoom = [0; 2].map(|_| (1.0 + within(settings.zoom)) * scale);
        Geometry {
            rotation_degrees,
            shift_px,
            shear_degrees,
            zoom,
            flip_horizontal: settings.horizontal_flip && random.chance(0.5),
            flip_vertical: settings.vertical_flip && random.chance(0.5),
            quarter_turns: if settings.quarter_turns { random.below(4) } else { 0 },
        }
    }
}

/// A map from a pixel (x, y) of the output to its position in the input: `row = row[0]·y + row[1]·x + row[2]`, and the
/// same for `column`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Affine {
    /// The coefficients of the output row and column, and the offset, for the input row.
    pub row: [f64; 3],
    /// The coefficients of the output row and column, and the offset, for the input column.
    pub column: [f64; 3],
}

/// A 2×2 matrix for vectors (x, y), by rows.
type Matrix = [[f64; 2]; 2];

fn product(a: Matrix, b: Matrix) -> Matrix {
    std::array::from_fn(|i| std::array::from_fn(|j| a[i][0] * b[0][j] + a[i][1] * b[1][j]))
}

/// Computes the affine map of a transformation about the centre of an image of `side` pixels.
pub fn affine_for(geometry: &Geometry, side: usize) -> Affine {
    let (sin, cos) = f64::from(geometry.rotation_degrees).to_radians().sin_cos();
    let (shear_sin, shear_cos) = f64::from(geometry.shear_degrees).to_radians().sin_cos();
    let [zoom_x, zoom_y] = geometry.zoom.map(f64::from);
    let sign = |flip| if flip { -1.0 } else { 1.0 };
    // Exact, unlike the sine and cosine of 90 degrees, so that rotated pixels stay on the grid.
    let quarter_turn: Matrix = [[[1, 0], [0, 1]], [[0, 1], [-1, 0]], [[-1, 0], [0, -1]], [[0, -1], [1, 0]]]
        [geometry.quarter_turns % 4]
        .map(|row| row.map(f64::from));

    let rotation = [[cos, -sin], [sin, cos]];
    let steps = [
        [[1.0, -shear_sin], [0.0, shear_cos]],
        [[zoom_x, 0.0], [0.0, zoom_y]],
        [[sign(geometry.flip_horizontal), 0.0], [0.0, sign(geometry.flip_vertical)]],
        quarter_turn,
    ];
    let matrix = steps.into_iter().fold(rotation, product);
    let [shift_x, shift_y] = geometry.shift_px.map(f64::from);
    let centre = side as f64 / 2.0 - 0.5;
    let offset = |i: usize| {
        centre + rotation[i][0] * shift_x + rotation[i][1] * shift_y - (matrix[i][0] + matrix[i][1]) * centre
    };
    Affine { row: [matrix[1][1], matrix[1][0], offset(1)], column: [matrix[0][1], matrix[0][0], offset(0)] }
}
