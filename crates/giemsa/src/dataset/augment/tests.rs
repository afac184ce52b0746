use super::*;

const OFF: Augmentation = Augmentation::NONE;

/// Returns each setting switched on by itself, with its name.
fn each_setting() -> [(&'static str, Augmentation); 15] {
    [
        ("shear_degrees", Augmentation { shear_degrees: 20.0, ..OFF }),
        ("zoom", Augmentation { zoom: 0.2, ..OFF }),
        ("horizontal_flip", Augmentation { horizontal_flip: true, ..OFF }),
        ("vertical_flip", Augmentation { vertical_flip: true, ..OFF }),
        ("quarter_turns", Augmentation { quarter_turns: true, ..OFF }),
        ("rotation_degrees", Augmentation { rotation_degrees: 20.0, ..OFF }),
        ("shift", Augmentation { shift: 0.1, ..OFF }),
        ("scale", Augmentation { scale: 0.2, ..OFF }),
        ("colour", Augmentation { colour: 0.1, ..OFF }),
        ("brightness", Augmentation { brightness: 0.1, ..OFF }),
        ("contrast", Augmentation { contrast: 0.1, ..OFF }),
        ("hue_degrees", Augmentation { hue_degrees: 10.0, ..OFF }),
        ("saturation", Augmentation { saturation: 0.1, ..OFF }),
        ("blur_px", Augmentation { blur_px: 1.0, ..OFF }),
        ("mask", Augmentation { mask: 0.8, ..OFF }),
    ]
}

fn all_settings() -> Augmentation {
    Augmentation {
        shear_degrees: 20.0,
        zoom: 0.9,
        horizontal_flip: true,
        vertical_flip: true,
        quarter_turns: true,
        rotation_degrees: 180.0,
        shift: 0.9,
        scale: 3.0,
        colour: 0.9,
        brightness: 0.9,
        contrast: 0.9,
        hue_degrees: 180.0,
        saturation: 0.9,
        blur_px: 3.0,
        mask: 0.5,
        ..OFF
    }
}

/// Draws a disc of many colours on black, off the centre.
fn cell(side: usize) -> Vec<u8> {
    let mut random = Random::keyed(&[11]);
    let inside = |i: usize| {
        let (x, y) = ((i % side) as f32 - 0.46 * side as f32, (i / side) as f32 - 0.5 * side as f32);
        x * x + y * y < (0.38 * side as f32).powi(2)
    };
    let colour = |i| if inside(i) { [0; 3].map(|_| 60 + random.below(150) as u8) } else { [0; 3] };
    (0..side * side).flat_map(colour).collect()
}

fn varied(bytes: &[u8], side: usize, settings: &Augmentation, seed: u64) -> Vec<f32> {
    let mut out = vec![f32::NAN; bytes.len()];
    augment(bytes, side, settings, &[seed], &mut out);
    out
}

fn plain(bytes: &[u8]) -> Vec<f32> {
    let mut out = vec![0.0; bytes.len()];
    to_input(bytes, &mut out);
    out
}

#[test]
fn returns_the_plain_input_with_all_settings_off() {
    assert_eq!(varied(&cell(21), 21, &OFF, 1), plain(&cell(21)));
}

#[test]
fn returns_the_plain_input_for_the_identity() {
    let mut out = vec![0.0; 50 * 50 * 3];
    sample_affine(&cell(50), 50, &affine_for(&Geometry::default(), 50), &mut out);
    assert_eq!(out, plain(&cell(50)));
}

#[test]
fn moves_whole_pixels_by_flips_and_quarter_turns() {
    let bytes: Vec<u8> = (0..9).flat_map(|i| [i * 20; 3]).collect();
    let base = Geometry::default();
    let cases = [
        (Geometry { flip_horizontal: true, ..base }, [2, 1, 0, 5, 4, 3, 8, 7, 6]),
        (Geometry { flip_vertical: true, ..base }, [6, 7, 8, 3, 4, 5, 0, 1, 2]),
        (Geometry { quarter_turns: 1, ..base }, [6, 3, 0, 7, 4, 1, 8, 5, 2]),
        (Geometry { quarter_turns: 2, ..base }, [8, 7, 6, 5, 4, 3, 2, 1, 0]),
        (Geometry { quarter_turns: 3, ..base }, [2, 5, 8, 1, 4, 7, 0, 3, 6]),
        (Geometry { quarter_turns: 1, flip_horizontal: true, ..base }, [8, 5, 2, 7, 4, 1, 6, 3, 0]),
    ];
    for (geometry, expected) in cases {
        let mut out = vec![0.0; 27];
        sample_affine(&bytes, 3, &affine_for(&geometry, 3), &mut out);
        let found: Vec<i32> = out.iter().step_by(3).map(|value| (value * 255.0 / 20.0).round() as i32).collect();
        assert_eq!(found, expected, "{geometry:?}");
    }
}

#[test]
fn changes_some_images_with_each_setting() {
    let (bytes, expected) = (cell(24), plain(&cell(24)));
    for (name, settings) in each_setting() {
        let changed = (0..40).filter(|&seed| varied(&bytes, 24, &settings, seed) != expected).count();
        let all = ["shear", "zoom", "rotation", "shift", "scale", "colour", "bright", "contrast", "hue", "saturation"];
        let expected = match name {
            _ if all.iter().any(|start| name.starts_with(start)) => 40..=40,
            "quarter_turns" | "mask" => 22..=38,
            _ => 10..=30,
        };
        assert!(expected.contains(&changed), "{name} changed {changed} of 40");
    }
}

#[test]
fn stays_in_range_and_is_reproducible_with_all_settings_on() {
    for side in [1, 2, 3, 17, 50] {
        let noise: Vec<u8> = {
            let mut random = Random::keyed(&[side as u64]);
            (0..side * side * 3).map(|_| random.below(256) as u8).collect()
        };
        for bytes in [noise, cell(side), vec![0; side * side * 3]] {
            for seed in 0..40 {
                let out = varied(&bytes, side, &all_settings(), seed);
                assert!(out.iter().all(|value| (-1e-6..=1.0 + 1e-6).contains(value)), "side {side}, seed {seed}");
                assert_eq!(out, varied(&bytes, side, &all_settings(), seed));
            }
        }
    }
}

#[test]
fn keeps_black_background_under_colour_and_blur() {
    let bytes = cell(30);
    let settings = Augmentation { colour: 0.3, brightness: 0.3, contrast: 0.5, hue_degrees: 30.0, blur_px: 2.0, ..OFF };
    for seed in 0..20 {
        let out = varied(&bytes, 30, &settings, seed);
        for (before, after) in bytes.as_chunks::<3>().0.iter().zip(out.as_chunks::<3>().0) {
            if *before == [0; 3] {
                assert_eq!(*after, [0.0; 3]);
            }
        }
        assert_ne!(out, plain(&bytes));
    }
}

#[test]
fn replaces_two_backgrounds_of_three_by_a_smear_and_the_others_by_an_ellipse() {
    let (bytes, settings) = (cell(30), Augmentation { mask: 1.0, ..OFF });
    let corner_is_black = |seed| varied(&bytes, 30, &settings, seed)[..3] == [0.0; 3];
    let black = (0..300).filter(|&seed| corner_is_black(seed)).count();
    assert!((70..=130).contains(&black), "{black} of 300");
    for seed in 0..300 {
        let out = varied(&bytes, 30, &settings, seed);
        let middle = (15 * 30 + 14) * 3;
        assert_eq!(out[middle..middle + 3], plain(&bytes)[middle..middle + 3], "the cell is unchanged");
        // A smear, or a neighbour of a similar colour.
        assert!(corner_is_black(seed) || out[..3].iter().all(|&value| value > 0.4), "{:?}", &out[..3]);
    }
}

#[test]
fn draws_parameters_from_the_whole_range() {
    let settings = Augmentation { shear_degrees: 0.2, zoom: 0.2, horizontal_flip: true, ..OFF };
    let draw = |seed| Geometry::draw(&settings, 50, &mut Random::keyed(&[seed]));
    let drawn: Vec<Geometry> = (0..2000).map(draw).collect();
    type Value = fn(&Geometry) -> f32;
    let ranges: [(Value, f32, f32); 3] =
        [(|g| g.zoom[0], 0.8, 1.2), (|g| g.zoom[1], 0.8, 1.2), (|g| g.shear_degrees, -0.2, 0.2)];
    for (value, low, high) in ranges {
        let least = drawn.iter().map(value).fold(f32::INFINITY, f32::min);
        let most = drawn.iter().map(value).fold(f32::NEG_INFINITY, f32::max);
        let margin = 0.01 * (high - low);
        assert!(least >= low && least < low + margin && most <= high && most > high - margin, "{least}..{most}");
    }
    assert!(drawn.iter().filter(|g| g.zoom[0] > 1.0 && g.zoom[1] < 1.0).count() > 400, "the axes are independent");
    let flipped = drawn.iter().filter(|g| g.flip_horizontal).count();
    assert!((900..=1100).contains(&flipped), "{flipped} of 2000");
    assert!(drawn.iter().all(|g| !g.flip_vertical && g.quarter_turns == 0 && g.rotation_degrees == 0.0));
}
