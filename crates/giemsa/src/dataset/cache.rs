//! The cache of decoded images: each image is read, decoded and resized once and kept as bytes.

use super::{DatasetError, LabelledImages, Sample};
use crate::classes::Class;
use crate::image::ImageError;
use crate::input::InputError;
use crate::preprocess::{FieldCheck, Images, Preprocessing};
use rayon::prelude::*;
use std::fs::File;
use std::io::{self, Write};
use std::path::Path;

/// The preprocessed images of a data set, in order; in memory, or in an unnamed temporary file if memory is short.
#[derive(Debug)]
pub struct Cache {
    samples: Vec<Sample>,
    unreadable: Vec<ImageError>,
    image_len: usize,
    store: Store,
}

#[derive(Debug)]
enum Store {
    Memory(Vec<u8>),
    File(File),
}

/// The number of images that are decoded before they are stored, which limits the additional memory.
const BLOCK_LEN: usize = 512;

/// The fraction of the available memory that a cache may use; a larger one goes to a file.
const MEMORY_FRACTION: f64 = 0.5;

impl Cache {
    /// Decodes and resizes all samples on all threads; `progress` is called once per image, from any thread.
    ///
    /// A cache of more than `memory_limit_bytes` is kept in a temporary file; the default limit is half of the available
    /// memory.
    ///
    /// # Errors
    /// If the temporary file cannot be created or written. Images that cannot be read are listed in
    /// [`Cache::unreadable`].
    pub fn load(
        samples: Vec<Sample>,
        preprocessing: &Preprocessing,
        memory_limit_bytes: Option<u64>,
        progress: &(dyn Fn() + Sync),
    ) -> Result<Cache, DatasetError> {
        Cache::load_by(&|path| preprocessing.load(path), samples, preprocessing, memory_limit_bytes, progress)
    }

    /// Decodes and resizes all samples as [`Cache::load`], with the default limit. Images in which the check finds a field of
    /// a smear are among the unreadable ones.
    ///
    /// # Errors
    /// See [`Cache::load`].
    pub fn load_cells(
        samples: Vec<Sample>,
        preprocessing: &Preprocessing,
        check: FieldCheck,
        progress: &(dyn Fn() + Sync),
    ) -> Result<Cache, DatasetError> {
        Cache::load_by(&|path| preprocessing.load_cell(path, check), samples, preprocessing, None, progress)
    }

    fn load_by(
        load_file: &(dyn Fn(&Path) -> Result<Vec<u8>, ImageError> + Sync),
        samples: Vec<Sample>,
        preprocessing: &Preprocessing,
        memory_limit_bytes: Option<u64>,
        progress: &(dyn Fn() + Sync),
    ) -> Result<Cache, DatasetError> {
        let image_len = preprocessing.side_px * preprocessing.side_px * 3;
        let limit = memory_limit_bytes.or_else(default_memory_limit_bytes).unwrap_or(u64::MAX);
        let mut store = Store::for_bytes((samples.len() * image_len) as u64, limit).map_err(temporary_error)?;
        let (mut kept, mut unreadable) = (Vec::with_capacity(samples.len()), Vec::new());
        let mut rest = samples.into_iter();
        loop {
            let block: Vec<Sample> = rest.by_ref().take(BLOCK_LEN).collect();
            if block.is_empty() {
                break;
            }
            let load = |sample: Sample| {
                let bytes = load_file(&sample.path);
                progress();
                bytes.map(|bytes| (sample, bytes))
            };
            let decoded: Vec<_> = block.into_par_iter().map(load).collect();
            for image in decoded {
                match image {
                    Ok((sample, bytes)) => {
                        store.push(&bytes).map_err(temporary_error)?;
                        kept.push(sample);
                    }
                    Err(error) => unreadable.push(error),
                }
            }
        }
        Ok(Cache { samples: kept, unreadable, image_len, store })
    }

    /// Returns the samples that could be read, in order.
    pub fn samples(&self) -> &[Sample] {
        &self.samples
    }

    /// Returns the errors of the images that could not be read, in order.
    pub fn unreadable(&self) -> &[ImageError] {
        &self.unreadable
    }

    /// Drops the images and returns the errors of the images that could not be read, in order.
    pub fn into_unreadable(self) -> Vec<ImageError> {
        self.unreadable
    }

    /// Returns the number of bytes per image, `side_px * side_px * 3`.
    pub fn image_len(&self) -> usize {
        self.image_len
    }
}

impl Images for Cache {
    fn len(&self) -> usize {
        self.samples.len()
    }

    /// # Panics
    /// If the index is out of range, or the length of `image` is not [`Cache::image_len`].
    fn read(&self, i: usize, image: &mut [u8]) -> Result<(), ImageError> {
        assert!(i < self.samples.len() && image.len() == self.image_len, "image {i} of {}", self.samples.len());
        match &self.store {
            Store::Memory(bytes) => {
                image.copy_from_slice(&bytes[i * self.image_len..][..self.image_len]);
                Ok(())
            }
            Store::File(file) => read_at(file, image, (i * self.image_len) as u64).map_err(temporary_error),
        }
    }
}

impl LabelledImages for Cache {
    fn class(&self, index: usize) -> Class {
        self.samples[index].class
    }
}

impl Store {
    fn for_bytes(bytes: u64, limit: u64) -> io::Result<Store> {
        Ok(if bytes <= limit {
            Store::Memory(Vec::with_capacity(bytes as usize))
        } else {
            Store::File(tempfile::tempfile()?)
        })
    }

    fn push(&mut self, image: &[u8]) -> io::Result<()> {
        match self {
            Store::Memory(bytes) => {
                bytes.extend_from_slice(image);
                Ok(())
            }
            Store::File(file) => file.write_all(image),
        }
    }
}

/// Adds the folder to an error of the temporary file, which has no name.
fn temporary_error(source: io::Error) -> ImageError {
    let path = std::env::temp_dir();
    InputError::Io { path, source }.into()
}

#[cfg(unix)]
fn read_at(file: &File, to: &mut [u8], from: u64) -> io::Result<()> {
    std::os::unix::fs::FileExt::read_exact_at(file, to, from)
}

#[cfg(windows)]
fn read_at(file: &File, mut to: &mut [u8], mut from: u64) -> io::Result<()> {
    while !to.is_empty() {
        match std::os::windows::fs::FileExt::seek_read(file, to, from)? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            n => (to, from) = (&mut to[n..], from + n as u64),
        }
    }
    Ok(())
}

/// Returns half of the available memory; `None` if the system does not report it.
fn default_memory_limit_bytes() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/meminfo").ok()?;
    let line = text.lines().find(|line| line.starts_with("MemAvailable:"))?;
    let kibibytes: f64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some((kibibytes * 1024.0 * MEMORY_FRACTION) as u64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::preprocess::Resize;
    use std::sync::atomic::{AtomicUsize, Ordering};

    #[test]
    fn reads_the_same_images_from_memory_and_file_without_unreadable_ones() {
        let folder = tempfile::tempdir().unwrap();
        let mut samples = Vec::new();
        for i in 0..7_u8 {
            let path = folder.path().join(format!("{i}.png"));
            if i == 3 {
                std::fs::write(&path, "not an image").unwrap();
            } else {
                image::RgbImage::from_pixel(5, 4, image::Rgb([i, 10, 20])).save(&path).unwrap();
            }
            samples.push(Sample { path, class: Class::Uninfected, patient: None });
        }
        let preprocessing = Preprocessing::new(2, Resize::StretchNearest);
        for limit in [None, Some(0)] {
            let seen = AtomicUsize::new(0);
            let count = || {
                seen.fetch_add(1, Ordering::Relaxed);
            };
            let cache = Cache::load(samples.clone(), &preprocessing, limit, &count).unwrap();
            assert_eq!(matches!(cache.store, Store::File(_)), limit == Some(0));
            assert_eq!(seen.into_inner(), 7);
            assert!(cache.unreadable().len() == 1 && cache.unreadable()[0].to_string().contains("3.png"));
            let mut image = [0; 12];
            cache.read(3, &mut image).unwrap();
            assert_eq!(image, [4, 10, 20].repeat(4)[..], "the fourth readable image");
            assert_eq!(cache.samples().len(), 6);
        }
    }
}
