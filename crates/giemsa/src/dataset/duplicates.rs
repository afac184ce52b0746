//! Finds images that are in two sets, by their content.

use crate::image::ImageError;
use crate::preprocess::Images;
use rayon::prelude::*;
use sha2::{Digest, Sha256};
use std::collections::HashMap;

/// Returns pairs of (index in the first set, index in the second set) of images with equal pixels after preprocessing, in
/// the order of the second set. This finds copies under other names and in other lossless formats.
///
/// # Errors
/// If an image cannot be read back.
pub fn find_duplicates(
    first: &dyn Images,
    second: &dyn Images,
    side_px: usize,
) -> Result<Vec<(usize, usize)>, ImageError> {
    let in_first: HashMap<[u8; 32], usize> =
        hashes(first, side_px)?.into_iter().enumerate().map(|(index, hash)| (hash, index)).collect();
    let in_second = hashes(second, side_px)?.into_iter().enumerate();
    Ok(in_second.filter_map(|(index, hash)| Some((*in_first.get(&hash)?, index))).collect())
}

/// Computes the SHA-256 of the bytes of each image.
pub(crate) fn hashes(images: &dyn Images, side_px: usize) -> Result<Vec<[u8; 32]>, ImageError> {
    let hash = |bytes: &mut Vec<u8>, index| {
        images.read(index, bytes)?;
        Ok(Sha256::digest(&*bytes).into())
    };
    (0..images.len()).into_par_iter().map_init(|| vec![0; side_px * side_px * 3], hash).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Greys(&'static [u8]);

    impl Images for Greys {
        fn len(&self) -> usize {
            self.0.len()
        }
        fn read(&self, index: usize, bytes: &mut [u8]) -> Result<(), ImageError> {
            bytes.fill(self.0[index]);
            Ok(())
        }
    }

    #[test]
    fn finds_images_in_both_sets() {
        assert_eq!(find_duplicates(&Greys(&[1, 2, 3]), &Greys(&[9, 3, 1]), 4).unwrap(), [(2, 1), (0, 2)]);
        assert_eq!(find_duplicates(&Greys(&[1]), &Greys(&[2]), 4).unwrap(), []);
    }
}
