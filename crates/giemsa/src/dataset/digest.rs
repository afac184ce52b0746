//! A digest of the images of a data set, to detect whether they have changed.

use super::{DatasetError, Sample};
use crate::checksum::{hexadecimal, sha256_of_file};
use crate::output::path_bytes;
use rayon::prelude::*;
use sha2::{Digest, Sha256};
use std::path::Path;

/// Computes the SHA-256 of a data set as hexadecimal digits.
///
/// The hashed text has one line `SHA-256  CLASS/NAME` per image, as `sha256sum` prints it, sorted by `CLASS/NAME`. It
/// depends neither on the order of the samples nor on the location of the folder.
///
/// # Errors
/// If an image cannot be read.
pub fn sha256_of_samples(samples: &[Sample]) -> Result<String, DatasetError> {
    let line = |sample: &Sample| {
        let mut name = format!("{}/", sample.class).into_bytes();
        name.extend_from_slice(&path_bytes(Path::new(sample.path.file_name().unwrap_or_default())));
        let sha256 = sha256_of_file(&sample.path)?;
        Ok((name, sha256))
    };
    let mut lines: Vec<(Vec<u8>, String)> = samples.par_iter().map(line).collect::<Result<_, DatasetError>>()?;
    lines.sort();
    let mut sha256 = Sha256::new();
    for (name, sha256_of_image) in lines {
        sha256.update(format!("{sha256_of_image}  "));
        sha256.update(name);
        sha256.update("\n");
    }
    Ok(hexadecimal(&sha256.finalize()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::classes::Class;

    #[test]
    fn equals_the_output_of_sha256sum_for_the_list_of_images() {
        let folder = tempfile::tempdir().unwrap();
        let sample = |class: Class, name: &str, content: &str| {
            let path = folder.path().join(name);
            std::fs::write(&path, content).unwrap();
            Sample { path, class, patient: None }
        };
        let samples = [sample(Class::Uninfected, "b.png", "abc"), sample(Class::Parasitized, "a.png", "")];
        // Expected value of the shell command:
        // printf '%s  Parasitized/a.png\n%s  Uninfected/b.png\n' $(printf '' | sha256sum | cut -c-64) \
        //     $(printf abc | sha256sum | cut -c-64) | sha256sum
        assert_eq!(
            sha256_of_samples(&samples).unwrap(),
            "45abab3a7aa20b838f8b7f32929a9890df7835985c9e42382ffe8d668d6de311"
        );
        let reversed = [samples[1].clone(), samples[0].clone()];
        assert_eq!(sha256_of_samples(&reversed).unwrap(), sha256_of_samples(&samples).unwrap());
    }
}
