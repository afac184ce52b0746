//! A digest that identifies a set of preprocessed images.

use super::LabelledImages;
use super::duplicates::hashes;
use crate::checksum::hexadecimal;
use crate::image::ImageError;
use sha2::{Digest, Sha256};

/// Computes the SHA-256, in hexadecimal digits, of the classes and the preprocessed pixels of all images, in order.
///
/// Two sets have the same digest if a network trained on them sees the same inputs and targets. File names and patients
/// are not part of it.
///
/// # Errors
/// If an image cannot be read back.
pub fn image_digest(images: &dyn LabelledImages, side_px: usize) -> Result<String, ImageError> {
    let mut sha256 = Sha256::new();
    for (index, hash) in hashes(images, side_px)?.into_iter().enumerate() {
        sha256.update([images.class(index).index() as u8]);
        sha256.update(hash);
    }
    Ok(hexadecimal(&sha256.finalize()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::classes::Class;
    use crate::preprocess::Images;

    /// Uniformly grey images with their classes.
    struct Greys(Vec<(u8, Class)>);

    impl Images for Greys {
        fn len(&self) -> usize {
            self.0.len()
        }
        fn read(&self, index: usize, bytes: &mut [u8]) -> Result<(), ImageError> {
            bytes.fill(self.0[index].0);
            Ok(())
        }
    }

    impl LabelledImages for Greys {
        fn class(&self, index: usize) -> Class {
            self.0[index].1
        }
    }

    #[test]
    fn depends_on_pixels_classes_and_order() {
        let [p, u] = Class::ALL;
        let of = |images: &[(u8, Class)]| image_digest(&Greys(images.to_vec()), 1).unwrap();
        // python3 -c "import hashlib as h; d=lambda b: h.sha256(b).digest(); \
        //     print(h.sha256(b'\0' + d(bytes([7] * 3)) + b'\1' + d(bytes([9] * 3))).hexdigest())"
        assert_eq!(of(&[(7, p), (9, u)]), "4f80a784e8ec07ef0a94721dd738f0f6b2f21608824f0e80c46f3c524b8fb55c");
        let others = [of(&[(9, u), (7, p)]), of(&[(7, u), (9, p)]), of(&[(7, p), (8, u)]), of(&[(7, p)])];
        assert!(others.iter().all(|other| *other != of(&[(7, p), (9, u)])));
    }
}
