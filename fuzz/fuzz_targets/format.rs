//! Imports a file of another tool, and predicts an image with it.

#![no_main]

use giemsa::model::format::{ImportSettings, import_bytes};
use libfuzzer_sys::fuzz_target;
use std::path::Path;

fuzz_target!(|data: &[u8]| {
    if let Ok(model) = import_bytes(data, Path::new("model"), None, &ImportSettings::default()) {
        let cell = image::RgbImage::from_pixel(8, 9, image::Rgb([200, 100, 150]));
        let _ = model.predict(&cell);
    }
});
