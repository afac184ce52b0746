//! Draws the picture of `docs/augmentation.md`: what training with the recipe `compact` does to images.
//!
//! Run it with `cargo run --release --all-features --example draw_augmentations -- docs/images/augmentation.png`.

use giemsa::classes::Class;
use giemsa::dataset::augment::{augment, crenate, draw_late_stage, draw_not_a_cell, transplant};
use giemsa::model::Recipe;
use giemsa::preprocess::{Colour, Preprocessing};
use giemsa::synthetic::{draw_cell, draw_other_crop};
use image::{Rgb, RgbImage};

/// Images per row.
const COLUMNS: usize = 12;
/// Pixels between the images.
const GAP_PX: usize = 4;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let path = std::env::args().nth(1).unwrap_or("augmentation.png".to_owned());
    let recipe = Recipe::load("compact")?;
    let side = recipe.input.side_px;
    let normalizing = Preprocessing { colour: Colour::Median, ..recipe.input.clone() };

    let indices = 0..COLUMNS;
    let cells: Vec<RgbImage> = indices.clone().map(|i| draw_cell(5, 4 * i, i, Class::Parasitized)).collect();
    let crops: Vec<RgbImage> = indices.clone().map(|i| draw_other_crop(i as u64 / 3, i, Class::Uninfected)).collect();
    let preprocessed = |images: &[RgbImage], preprocessing: &Preprocessing| -> Vec<Vec<u8>> {
        images.iter().map(|image| preprocessing.to_bytes(image)).collect()
    };
    let (donors, hosts) = (preprocessed(&cells, &recipe.input), preprocessed(&crops, &recipe.input));
    let transplants: Vec<Vec<u8>> = donors
        .iter()
        .zip(&hosts)
        .map(|(donor, host)| transplant(donor, Class::Parasitized, host, side, &[1]).unwrap_or(host.clone()))
        .collect();
    let augmented = |images: &[Vec<u8>]| -> Vec<Vec<u8>> {
        let one = |(i, bytes): (usize, &Vec<u8>)| {
            let mut values = vec![0.0; side * side * 3];
            augment(bytes, side, &recipe.augmentation, &[i as u64], &mut values);
            values.iter().map(|value| (value * 255.0) as u8).collect()
        };
        images.iter().enumerate().map(one).collect()
    };
    let keyed = || hosts.iter().zip(0..);
    let late_stages = keyed().map(|(host, i)| draw_late_stage(host, side, &[i]).unwrap_or(host.clone())).collect();
    let crenated = keyed().map(|(host, i)| crenate(host, side, &[i]).unwrap_or(host.clone())).collect();
    let sources: Vec<&[u8]> = donors.iter().chain(&hosts).map(Vec::as_slice).collect();
    let others = indices.map(|i| draw_not_a_cell(&sources, side, recipe.input.colour, &[i as u64])).collect();

    let rows = [
        donors.clone(),
        augmented(&donors),
        hosts.clone(),
        transplants.clone(),
        augmented(&transplants),
        late_stages,
        crenated,
        others,
        preprocessed(&cells, &normalizing),
        preprocessed(&crops, &normalizing),
    ];
    sheet(&rows, side)?.save(path)?;
    Ok(())
}

/// Arranges square images in rows.
fn sheet(rows: &[Vec<Vec<u8>>], side: usize) -> Result<RgbImage, Box<dyn std::error::Error>> {
    let step = side + GAP_PX;
    let (width, height) = (COLUMNS * step + GAP_PX, rows.len() * step + GAP_PX);
    let mut sheet = RgbImage::from_pixel(width as u32, height as u32, Rgb([255; 3]));
    for (y, row) in rows.iter().enumerate() {
        for (x, bytes) in row.iter().enumerate() {
            let image =
                RgbImage::from_raw(side as u32, side as u32, bytes.clone()).ok_or("an image has a wrong size")?;
            image::imageops::replace(&mut sheet, &image, (GAP_PX + x * step) as i64, (GAP_PX + y * step) as i64);
        }
    }
    Ok(sheet)
}
