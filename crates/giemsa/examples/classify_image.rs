//! Classifies one image with the built-in model.
//!
//! ```text
//! cargo run --release -p giemsa --example classify_image             # an image drawn in memory
//! cargo run --release -p giemsa --example classify_image cell.png    # an image file
//! ```

use giemsa::model::Model;
use image::{Rgb, RgbImage};
use std::path::Path;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let cell = match std::env::args_os().nth(1) {
        Some(path) => giemsa::image::decode_file(Path::new(&path))?.pixels,
        None => cell_with_a_dark_spot(),
    };
    // Any RGB image will do: `predict` prepares it as the model was trained. Load your own model with `Model::load`.
    let model = Model::embedded()?;
    let prediction = model.predict(&cell)?;
    match prediction.class {
        Some(class) => println!("class: {class}"),
        None => println!("not a red cell"),
    }
    println!("P(Parasitized): {:.3}", prediction.probability_parasitized);
    println!("classified as Parasitized at p >= {:.3}", model.threshold);
    println!("{}", giemsa::RESEARCH_ONLY);
    Ok(())
}

/// Draws a pink disc with a purple spot on black, the background of segmented cells.
fn cell_with_a_dark_spot() -> RgbImage {
    const SIDE: u32 = 120;
    RgbImage::from_fn(SIDE, SIDE, |x, y| {
        let distance = |centre_x: f64, centre_y: f64| (f64::from(x) - centre_x).hypot(f64::from(y) - centre_y);
        match () {
            () if distance(72.0, 48.0) < 9.0 => Rgb([105, 50, 130]),
            () if distance(60.0, 60.0) < 56.0 => Rgb([214, 172, 178]),
            () => Rgb([0, 0, 0]),
        }
    })
}
