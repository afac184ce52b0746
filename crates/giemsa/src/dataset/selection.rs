//! Random selections of images, for contact sheets and pages.

use super::scan::ClassFolder;
use crate::image::{ImageError, decode_file};
use crate::random::Random;
use image::RgbImage;
use std::path::PathBuf;

/// Returns items in random order, the same for the same seed and stream.
///
/// Different streams, such as the indices of classes, have independent orders.
///
/// ```
/// use giemsa::dataset::selection::shuffled;
/// let items = shuffled(0..100, 7, 1);
/// assert_eq!(items, shuffled(0..100, 7, 1));
/// assert_ne!(items, shuffled(0..100, 7, 2));
/// ```
pub fn shuffled<T>(items: impl IntoIterator<Item = T>, seed: u64, stream: u64) -> Vec<T> {
    let mut items: Vec<T> = items.into_iter().collect();
    Random::keyed(&[seed, u64::from_le_bytes(*b"showing\0"), stream]).shuffle(&mut items);
    items
}

/// Randomly selected images of a class folder.
#[derive(Debug, Default)]
pub struct SelectedImages {
    /// The images with their files, sorted by path.
    pub images: Vec<(PathBuf, RgbImage)>,
    /// The errors of the files that were tried and cannot be read.
    pub unreadable: Vec<ImageError>,
}

/// Decodes up to `count` randomly selected images of a class folder; other images replace those that cannot be read.
pub fn select_images(class: &ClassFolder, count: usize, seed: u64, stream: u64) -> SelectedImages {
    let mut selected = SelectedImages::default();
    for path in shuffled(&class.files, seed, stream) {
        if selected.images.len() == count {
            break;
        }
        match decode_file(path) {
            Ok(decoded) => selected.images.push((path.clone(), decoded.pixels)),
            Err(error) => selected.unreadable.push(error),
        }
    }
    selected.images.sort_by(|(a, _), (b, _)| a.cmp(b));
    selected
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replaces_unreadable_images_by_others() {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str| folder.path().join(name);
        let names = ["a.png", "b.png", "c.png", "d.png"];
        for name in names {
            RgbImage::new(2, 3).save(file(name)).unwrap();
        }
        std::fs::write(file("broken.png"), "not an image").unwrap();
        let files = names.into_iter().chain(["broken.png"]).map(file).collect();
        let class = ClassFolder { part: None, name: "any".into(), files };
        let all = select_images(&class, 9, 1, 0);
        assert_eq!((all.images.len(), all.unreadable.len()), (4, 1));
        assert!(all.images.is_sorted_by_key(|(path, _)| path));
        for seed in 0..20 {
            assert_eq!(select_images(&class, 3, seed, 0).images.len(), 3);
        }
    }
}
