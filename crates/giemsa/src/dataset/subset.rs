//! A subset of a cached data set.

use super::cache::Cache;
use super::{LabelledImages, Sample};
use crate::classes::Class;
use crate::image::ImageError;
use crate::preprocess::Images;

/// A view of some images of a [`Cache`], such as the training folds of a cross-validation.
#[derive(Clone, Debug)]
pub struct Subset<'a> {
    cache: &'a Cache,
    indices: Vec<usize>,
}

impl<'a> Subset<'a> {
    /// Selects the images at these indices of the cache.
    ///
    /// # Panics
    /// The methods panic if an index is out of range.
    pub fn new(cache: &'a Cache, indices: Vec<usize>) -> Subset<'a> {
        Subset { cache, indices }
    }

    /// Returns the indices of the images in the cache.
    pub fn indices(&self) -> &[usize] {
        &self.indices
    }

    /// Returns the samples, in order.
    pub fn samples(&self) -> impl ExactSizeIterator<Item = &'a Sample> + Clone {
        let cache = self.cache;
        self.indices.iter().map(|&index| &cache.samples()[index]).collect::<Vec<_>>().into_iter()
    }
}

impl Images for Subset<'_> {
    fn len(&self) -> usize {
        self.indices.len()
    }

    fn read(&self, index: usize, bytes: &mut [u8]) -> Result<(), ImageError> {
        self.cache.read(self.indices[index], bytes)
    }
}

impl LabelledImages for Subset<'_> {
    fn class(&self, index: usize) -> Class {
        self.cache.class(self.indices[index])
    }
}
