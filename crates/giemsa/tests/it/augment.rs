//! Augmentation compared with Keras.

use giemsa::dataset::augment::{Geometry, affine_for, sample_affine};
use serde::Deserialize;

#[derive(Deserialize)]
struct Golden {
    side: usize,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    theta: f32,
    tx: f32,
    ty: f32,
    shear: f32,
    zx: f32,
    zy: f32,
    flip_horizontal: bool,
    flip_vertical: bool,
    expected: Vec<f32>,
}

/// Draws the same image as `image` in `tests/reference/augmentation_golden.py`.
fn image(side: usize) -> Vec<u8> {
    let value = |i: usize| {
        let (row, column, channel) = (i / 3 / side, i / 3 % side, i % 3);
        ((row * 31 + column * 17 + channel * 97 + row * column * 7) % 256) as u8
    };
    (0..side * side * 3).map(value).collect()
}

#[test]
fn transforms_pixels_as_keras_for_the_same_parameters() {
    let golden: Golden =
        serde_json::from_str(include_str!("../../../../tests/reference/augmentation_golden.json")).unwrap();
    assert_eq!(golden.cases.len(), 7);
    for case in golden.cases {
        let geometry = Geometry {
            rotation_degrees: case.theta,
            shift_px: [case.tx, case.ty],
            shear_degrees: case.shear,
            zoom: [case.zx, case.zy],
            flip_horizontal: case.flip_horizontal,
            flip_vertical: case.flip_vertical,
            ..Geometry::default()
        };
        let mut found = vec![0.0; case.expected.len()];
        sample_affine(&image(golden.side), golden.side, &affine_for(&geometry, golden.side), &mut found);
        for (i, (found, expected)) in found.iter().zip(&case.expected).enumerate() {
            assert!((found - expected).abs() < 2e-5, "value {i} of {geometry:?}: {found}, expected {expected}");
        }
    }
}
