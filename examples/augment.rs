//! Times the augmentation of one image: `cargo run --release --example augment --no-default-features`.

use giemsa::dataset::augment::augment;
use giemsa::model::recipe::Augmentation;
use giemsa::random::Random;
use std::hint::black_box;
use std::time::Instant;

const SIDE: usize = 50;

fn main() {
    let inside = |i: usize| (i % SIDE).abs_diff(25).pow(2) + (i / SIDE).abs_diff(25).pow(2) < 23 * 23;
    let pixel = |i: usize| if inside(i) { [180, 120 + (i % 60) as u8, 140] } else { [0; 3] };
    let bytes: Vec<u8> = (0..SIDE * SIDE).flat_map(pixel).collect();
    let seed = Augmentation { shear_degrees: 0.2, zoom: 0.2, horizontal_flip: true, ..Augmentation::default() };
    let colour = Augmentation { colour: 0.1, contrast: 0.2, hue_degrees: 8.0, saturation: 0.2, ..seed.clone() };
    let all = Augmentation { blur_px: 1.0, mask: 0.3, ..colour.clone() };
    for (name, settings) in [("shear, zoom, flip", seed), ("and colours", colour), ("and blur and mask", all)] {
        println!("{name}: {:.1} us an image", median_us(&bytes, &settings));
    }
}

/// The median of runs of 1000 images.
fn median_us(bytes: &[u8], settings: &Augmentation) -> f64 {
    let mut out = vec![0.0; bytes.len()];
    let mut runs: Vec<f64> = (0..21)
        .map(|run| {
            let start = Instant::now();
            for image in 0..1000 {
                augment(black_box(bytes), SIDE, settings, &mut Random::keyed(&[run, image]), &mut out);
                black_box(&mut out);
            }
            start.elapsed().as_secs_f64() * 1000.0
        })
        .collect();
    runs.sort_by(f64::total_cmp);
    runs[runs.len() / 2]
}
