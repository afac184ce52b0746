//! Draws the picture of `docs/augmentation.md`: what training with the recipe `compact` does to images.
//!
//! Run it with `cargo run --release --all-features --example draw_augmentations -- docs/images/augmentation.png`.

use giemsa::classes::Class;
use giemsa::dataset::augment::{augment, draw_not_a_cell, transplant};
use giemsa::model::Recipe;
use giemsa::preprocess::Colour;
use giemsa::synthetic::{draw_cell, draw_other_crop};
use image::{Rgb, RgbImage};

/// Images per row.
const COLUMNS: usize = 12;
/// Pixels between the images.
const GAP_PX: usize = 4;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let path = std::env::args().nth(1).unwrap_or("augmentation.png".to_owned());
    let mut recipe = Recipe::load("compact")?;
    recipe.input.colour = Colour::Median;
    recipe.augmentation.mask_ellipse = 1.0;
    let side = recipe.input.side_px;

    let indices = 0..COLUMNS;
    let cells: Vec<RgbImage> = indices.clone().map(|i| draw_cell(5, 4 * i, i, Class::Parasitized)).collect();
    let crops: Vec<RgbImage> = indices.clone().map(|i| draw_other_crop(i as u64 / 3, i, Class::Uninfected)).collect();
    let normalized =
        |images: &[RgbImage]| -> Vec<Vec<u8>> { images.iter().map(|image| recipe.input.to_bytes(image)).collect() };
    let (donors, hosts) = (normalized(&cells), normalized(&crops));
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
    let sources: Vec<&[u8]> = donors.iter().chain(&hosts).map(Vec::as_slice).collect();
    let others = indices.map(|i| draw_not_a_cell(&sources, side, recipe.input.colour, &[i as u64])).collect();

    let unchanged = |images: &[RgbImage]| -> Vec<Vec<u8>> {
        let plain = giemsa::preprocess::Preprocessing::new(side, recipe.input.resize);
        images.iter().map(|image| plain.to_bytes(image)).collect()
    };
    let rows = [
        unchanged(&cells),
        donors.clone(),
        augmented(&donors),
        unchanged(&crops),
        hosts.clone(),
        transplants.clone(),
        augmented(&transplants),
        others,
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
