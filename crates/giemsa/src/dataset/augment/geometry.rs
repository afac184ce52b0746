//! One affine map for all that moves pixels.
//!
//! The meaning of angle, shift, shear and zoom, the order in which they are joined, and the centre they turn about are
//! those of Keras' `apply_affine_transform`, which takes a pixel of the result to its place in the image.

use super::canvas::Canvas;
use crate::model::recipe::Augmentation;
use crate::random::Random;

/// What moves an image's pixels.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Geometry {
    /// Keras' `theta`.
    pub rotation_degrees: f32,
    /// Keras' `tx` along a row and `ty` down a column, applied before the rotation.
    pub shift_px: [f32; 2],
    /// Keras' `shear`.
    pub shear_degrees: f32,
    /// Keras' `zx` along a row and `zy` down a column: above 1 more of the image is seen.
    pub zoom: [f32; 2],
    /// Mirror left and right, after the above.
    pub flip_horizontal: bool,
    /// Mirror top and bottom, after the above.
    pub flip_vertical: bool,
    /// Turns clockwise by so many times 90 degrees, last.
    pub quarter_turns: usize,
}

impl Default for Geometry {
    /// Leaves every pixel where it is.
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
    /// Draws within what the settings allow.
    pub(super) fn draw(settings: &Augmentation, side: usize, random: &mut Random) -> Geometry {
        let mut within = |reach: f32| if reach > 0.0 { random.range(-reach, reach) } else { 0.0 };
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

/// Where in the image a pixel of the result comes from: `row = row[0]·y + row[1]·x + row[2]`, and `column` likewise.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Affine {
    /// Factors of the result's row and column, and the offset, for the image's row.
    pub row: [f64; 3],
    /// The same for the image's column.
    pub column: [f64; 3],
}

/// Of vectors (x, y): the two rows.
type Matrix = [[f64; 2]; 2];

fn product(a: Matrix, b: Matrix) -> Matrix {
    std::array::from_fn(|i| std::array::from_fn(|j| a[i][0] * b[0][j] + a[i][1] * b[1][j]))
}

/// Joins all of a geometry into one map, about the centre of an image of `side` pixels.
pub fn affine_for(geometry: &Geometry, side: usize) -> Affine {
    let (sin, cos) = f64::from(geometry.rotation_degrees).to_radians().sin_cos();
    let (shear_sin, shear_cos) = f64::from(geometry.shear_degrees).to_radians().sin_cos();
    let [zoom_x, zoom_y] = geometry.zoom.map(f64::from);
    let sign = |flip| if flip { -1.0 } else { 1.0 };
    // Exact, unlike the sine and cosine of 90 degrees, so that turned pixels stay on the grid.
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

/// Samples an image through a map: bilinear, beyond the border the nearest pixel of it, divided by 255.
///
/// # Shapes
/// `bytes`: `[side, side, 3]`, RGB. `out`: `[side, side, 3]`, in 0..=1.
///
/// # Panics
/// When a length is another one.
pub fn sample_affine(bytes: &[u8], side: usize, affine: &Affine, out: &mut [f32]) {
    let length = side * side * 3;
    assert!(bytes.len() == length && out.len() == length, "{side}x{side}x3 bytes in and numbers out");
    Canvas::from_bytes(bytes, side).sample(affine, out);
}
