//! SHA-256 of files and of whole data sets.

use crate::dataset::{DatasetError, Sample};
use rayon::prelude::*;
use sha2::{Digest, Sha256};
use std::fs::File;
use std::io::{self, Read, Seek};
use std::path::Path;

/// SHA-256 of a file, in hexadecimal digits.
///
/// # Errors
/// When it cannot be read.
pub fn sha256_of_file(path: &Path) -> io::Result<String> {
    let mut sha256 = Sha256::new();
    hash_rest(&mut File::open(path)?, &mut sha256)?;
    Ok(hexadecimal(&sha256.finalize()))
}

/// SHA-256 of a data set: over a line `SHA-256  CLASS/NAME` for every image, in the order of these names, as
/// `sha256sum` prints them. It does not depend on where the folder lies.
///
/// # Errors
/// When an image cannot be read.
pub fn sha256_of_samples(samples: &[Sample]) -> Result<String, DatasetError> {
    let line = |sample: &Sample| {
        let name = sample.path.file_name().unwrap_or_default().to_string_lossy();
        let sha256 = sha256_of_file(&sample.path)
            .map_err(|source| DatasetError::Io { path: sample.path.display().to_string(), source })?;
        Ok((format!("{}/{name}", sample.class), sha256))
    };
    let mut lines: Vec<(String, String)> = samples.par_iter().map(line).collect::<Result<_, DatasetError>>()?;
    lines.sort();
    let mut sha256 = Sha256::new();
    lines.iter().for_each(|(name, of_file)| sha256.update(format!("{of_file}  {name}\n")));
    Ok(hexadecimal(&sha256.finalize()))
}

/// Reads a file to its end into the sum; gives the place where it ends, in bytes.
///
/// # Errors
/// When it cannot be read.
pub fn hash_rest(file: &mut File, sha256: &mut Sha256) -> io::Result<u64> {
    let mut buffer = vec![0; 64 << 10];
    let mut bytes = 0;
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(bytes),
            read => sha256.update(&buffer[..read]),
        }
        bytes = file.stream_position()?;
    }
}

/// Two digits a byte.
pub fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::classes::Class;

    #[test]
    fn a_data_set_has_the_sum_that_sha256sum_gives_of_its_list() {
        let folder = tempfile::tempdir().unwrap();
        let sample = |class: Class, name: &str, content: &str| {
            let path = folder.path().join(name);
            std::fs::write(&path, content).unwrap();
            Sample { path, class, patient: None }
        };
        let samples = [sample(Class::Uninfected, "b.png", "abc"), sample(Class::Parasitized, "a.png", "")];
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
