//! Reads a model file, and predicts an image with it.

#![no_main]

use giemsa::model::Model;
use libfuzzer_sys::fuzz_target;
use std::path::Path;

fuzz_target!(|data: &[u8]| {
    if let Ok(model) = Model::from_bytes(data, Path::new("model")) {
        let cell = image::RgbImage::from_pixel(8, 9, image::Rgb([200, 100, 150]));
        let _ = model.predict(&cell);
    }
});
