//! The decoded cache: every image is read, decoded and resized once, and kept as bytes; augmentation samples from there.

use super::{DatasetError, LabelledImages, Sample};
use crate::classes::Class;
use crate::image::ImageError;
use crate::preprocess::{Images, Preprocessing};
use rayon::prelude::*;
use std::fs::File;
use std::io::{self, Write};

/// The preprocessed images of a data set, in order; in memory, or in an unnamed temporary file if they need too much of it.
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

/// Images that are decoded before they are stored: what is in memory twice at the most.
const BLOCK: usize = 512;

/// The share of the memory now free that a cache may take before it goes to a file.
const MEMORY_SHARE: f64 = 0.5;

impl Cache {
    /// Decodes and resizes all samples, on all threads; `progress` is called once an image, from any thread.
    ///
    /// `memory_limit_bytes` is what may be kept in memory; without one, half of what is free.
    ///
    /// # Errors
    /// When the temporary file cannot be made or written. An image that cannot be read is no error here.
    pub fn load(
        samples: Vec<Sample>,
        preprocessing: &Preprocessing,
        memory_limit_bytes: Option<u64>,
        progress: &(dyn Fn() + Sync),
    ) -> Result<Cache, DatasetError> {
        let image_len = preprocessing.side_px * preprocessing.side_px * 3;
        let limit = memory_limit_bytes.or_else(free_memory_share).unwrap_or(u64::MAX);
        let mut store = Store::for_bytes((samples.len() * image_len) as u64, limit).map_err(temporary)?;
        let (mut kept, mut unreadable) = (Vec::with_capacity(samples.len()), Vec::new());
        let mut rest = samples.into_iter();
        loop {
            let block: Vec<Sample> = rest.by_ref().take(BLOCK).collect();
            if block.is_empty() {
                break;
            }
            let load = |sample: Sample| {
                let bytes = preprocessing.load(&sample.path);
                progress();
                bytes.map(|bytes| (sample, bytes))
            };
            let decoded: Vec<_> = block.into_par_iter().map(load).collect();
            for image in decoded {
                match image {
                    Ok((sample, bytes)) => {
                        store.push(&bytes).map_err(temporary)?;
                        kept.push(sample);
                    }
                    Err(error) => unreadable.push(error),
                }
            }
        }
        Ok(Cache { samples: kept, unreadable, image_len, store })
    }

    /// The samples that could be read, in order.
    pub fn samples(&self) -> &[Sample] {
        &self.samples
    }

    /// Returns why the other images could not be read, in their order.
    pub fn unreadable(&self) -> &[ImageError] {
        &self.unreadable
    }

    /// Drops the images and returns why the other ones could not be read, in their order.
    pub fn into_unreadable(self) -> Vec<ImageError> {
        self.unreadable
    }

    /// Bytes of one image: `side * side * 3`.
    pub fn image_len(&self) -> usize {
        self.image_len
    }
}

impl Images for Cache {
    fn len(&self) -> usize {
        self.samples.len()
    }

    /// # Panics
    /// If there is no such image, or `image` has another length than [`Cache::image_len`].
    fn read(&self, i: usize, image: &mut [u8]) -> Result<(), ImageError> {
        assert!(i < self.samples.len() && image.len() == self.image_len, "image {i} of {}", self.samples.len());
        match &self.store {
            Store::Memory(bytes) => {
                image.copy_from_slice(&bytes[i * self.image_len..][..self.image_len]);
                Ok(())
            }
            Store::File(file) => read_at(file, image, (i * self.image_len) as u64).map_err(temporary),
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

fn temporary(source: io::Error) -> ImageError {
    let path = format!("a temporary file in {}", std::env::temp_dir().display());
    ImageError::Read { path, source }
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

/// Half of the memory that the system says is available; none where it does not say.
fn free_memory_share() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/meminfo").ok()?;
    let line = text.lines().find(|line| line.starts_with("MemAvailable:"))?;
    let kibibytes: f64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some((kibibytes * 1024.0 * MEMORY_SHARE) as u64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::preprocess::Resize;
    use std::sync::atomic::{AtomicUsize, Ordering};

    #[test]
    fn memory_and_file_give_the_same_images_and_unreadable_ones_are_left_out() {
        let folder = tempfile::tempdir().unwrap();
        let mut samples = Vec::new();
        for i in 0..7_u8 {
            let path = folder.path().join(format!("{i}.png"));
            if i == 3 {
                std::fs::write(&path, "no image").unwrap();
            } else {
                image::RgbImage::from_pixel(5, 4, image::Rgb([i, 10, 20])).save(&path).unwrap();
            }
            samples.push(Sample { path, class: Class::Uninfected, patient: None });
        }
        let preprocessing = Preprocessing { side_px: 2, resize: Resize::StretchNearest };
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
            assert_eq!(image, [4, 10, 20].repeat(4)[..], "the fourth that could be read");
            assert_eq!(cache.samples().len(), 6);
        }
    }
}
