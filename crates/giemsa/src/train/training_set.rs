//! The images that a network is trained on: labelled cells and, if there are any, images of other sites.

use crate::checksum::hexadecimal;
use crate::classes::Class;
use crate::dataset::duplicates::hashes;
use crate::dataset::sites::OtherSites;
use crate::dataset::{LabelledImages, image_digest};
use crate::image::ImageError;
use crate::nn::Network;
use crate::preprocess::Images;
use sha2::{Digest, Sha256};
use std::ops::Range;

/// Labelled cells, healthy cells of other sites, and images that are not a single red cell, in this order.
///
/// ```no_run
/// # fn of(cells: &giemsa::dataset::Cache, sites: &giemsa::dataset::sites::OtherSites) {
/// use giemsa::train::TrainingSet;
/// let set = TrainingSet::new(cells).with_sites(sites);
/// # }
/// ```
#[derive(Clone, Copy)]
pub struct TrainingSet<'a> {
    cells: &'a dyn LabelledImages,
    negatives: &'a dyn Images,
    not_cells: &'a dyn Images,
    teachers: &'a [Network],
}

/// What an image shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Content {
    /// A labelled cell.
    Cell(Class),
    /// A healthy cell of another site.
    Negative,
    /// Anything but a single red cell.
    NotACell,
}

impl Content {
    /// Returns the class; `None` if the image is not a red cell.
    #[must_use]
    pub fn class(self) -> Option<Class> {
        match self {
            Content::Cell(class) => Some(class),
            Content::Negative => Some(Class::Uninfected),
            Content::NotACell => None,
        }
    }
}

/// A set without images.
struct NoImages;

impl Images for NoImages {
    fn len(&self) -> usize {
        0
    }
    fn read(&self, index: usize, _: &mut [u8]) -> Result<(), ImageError> {
        unreachable!("there is no image {index}")
    }
}

impl<'a, Cells: LabelledImages> From<&'a Cells> for TrainingSet<'a> {
    fn from(cells: &'a Cells) -> TrainingSet<'a> {
        TrainingSet::new(cells)
    }
}

impl<'a> TrainingSet<'a> {
    /// Creates a set of labelled cells.
    pub fn new(cells: &'a dyn LabelledImages) -> TrainingSet<'a> {
        TrainingSet { cells, negatives: &NoImages, not_cells: &NoImages, teachers: &[] }
    }

    /// Adds images of other sites. The healthy cells are also the hosts of transplants, see
    /// [`Augmentation::transplant`](crate::model::recipe::Augmentation::transplant); the images that are not a single red
    /// cell train the second output of a network that has one.
    #[must_use]
    pub fn with_sites(self, sites: &'a OtherSites) -> TrainingSet<'a> {
        self.with(&sites.negatives, &sites.not_cells)
    }

    /// Adds healthy cells of other sites, and images that are not a single red cell.
    #[must_use]
    pub fn with(self, negatives: &'a dyn Images, not_cells: &'a dyn Images) -> TrainingSet<'a> {
        TrainingSet { negatives, not_cells, ..self }
    }

    /// Replaces the labels by the mean output of these networks, which have as many outputs as the network that is trained.
    #[must_use]
    pub(super) fn with_teachers(self, teachers: &'a [Network]) -> TrainingSet<'a> {
        TrainingSet { teachers, ..self }
    }

    /// Returns the networks whose mean output is the target; empty if the labels are.
    pub(super) fn teachers(&self) -> &'a [Network] {
        self.teachers
    }

    /// Returns what an image shows.
    #[must_use]
    pub fn content(&self, index: usize) -> Content {
        match index {
            _ if index < self.cells.len() => Content::Cell(self.cells.class(index)),
            _ if self.negatives().contains(&index) => Content::Negative,
            _ => Content::NotACell,
        }
    }

    /// Returns the indices of the healthy cells of other sites.
    #[must_use]
    pub fn negatives(&self) -> Range<usize> {
        self.cells.len()..self.cells.len() + self.negatives.len()
    }

    /// Returns the number of red cells, which come before the other images.
    #[must_use]
    pub fn red_cells(&self) -> usize {
        self.negatives().end
    }

    /// Computes a digest of the classes and pixels of all images, and of the teachers. Without teachers and images of other
    /// sites it equals [`image_digest`](crate::dataset::image_digest()) of the cells.
    ///
    /// # Errors
    /// If an image cannot be read back.
    pub fn digest(&self, side_px: usize) -> Result<String, ImageError> {
        let cells = image_digest(self.cells, side_px)?;
        if self.len() == self.cells.len() && self.teachers.is_empty() {
            return Ok(cells);
        }
        let mut sha256 = Sha256::new();
        sha256.update(cells);
        for set in [self.negatives, self.not_cells] {
            sha256.update((set.len() as u64).to_le_bytes());
            hashes(set, side_px)?.iter().for_each(|hash| sha256.update(hash));
        }
        for tensor in self.teachers.iter().flat_map(Network::weights) {
            tensor.values.iter().for_each(|value| sha256.update(value.to_le_bytes()));
        }
        Ok(hexadecimal(&sha256.finalize()))
    }
}

impl Images for TrainingSet<'_> {
    fn len(&self) -> usize {
        self.red_cells() + self.not_cells.len()
    }

    fn read(&self, index: usize, bytes: &mut [u8]) -> Result<(), ImageError> {
        let Range { start, end } = self.negatives();
        match index {
            _ if index < start => self.cells.read(index, bytes),
            _ if index < end => self.negatives.read(index - start, bytes),
            _ => self.not_cells.read(index - end, bytes),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nn::architecture::{Activation, LayerSpec, Shape};

    /// Images filled with one byte each.
    struct Filled(Vec<u8>);

    impl Images for Filled {
        fn len(&self) -> usize {
            self.0.len()
        }
        fn read(&self, index: usize, bytes: &mut [u8]) -> Result<(), ImageError> {
            bytes.fill(self.0[index]);
            Ok(())
        }
    }

    impl LabelledImages for Filled {
        fn class(&self, index: usize) -> Class {
            Class::ALL[index % 2]
        }
    }

    fn network(seed: u64) -> Network {
        let layers = [LayerSpec::Flatten {}, LayerSpec::Dense { units: 1, activation: Activation::Sigmoid }];
        Network::new(Shape { height: 1, width: 1, channels: 3 }, &layers, seed).unwrap()
    }

    #[test]
    fn contains_cells_then_negatives_then_other_images() {
        let (cells, negatives, not_cells) = (Filled(vec![1, 2]), Filled(vec![3]), Filled(vec![4, 5]));
        let set = TrainingSet::new(&cells).with(&negatives, &not_cells);
        let mut byte = [0; 3];
        let bytes: Vec<u8> = (0..set.len()).map(|i| set.read(i, &mut byte).map(|()| byte[0]).unwrap()).collect();
        assert_eq!(bytes, [1, 2, 3, 4, 5]);
        let classes: Vec<Option<Class>> = (0..5).map(|i| set.content(i).class()).collect();
        assert_eq!(classes, [Some(Class::Parasitized), Some(Class::Uninfected), Some(Class::Uninfected), None, None]);
        assert_eq!((set.negatives(), set.red_cells()), (2..3, 3));
    }

    #[test]
    fn the_digest_depends_on_the_images_of_other_sites_and_on_the_teachers() {
        let (cells, a, b) = (Filled(vec![1, 2]), Filled(vec![3]), Filled(vec![4]));
        let plain = TrainingSet::new(&cells);
        assert_eq!(plain.digest(1).unwrap(), image_digest(&cells, 1).unwrap());
        let teachers = [1, 2].map(|seed| [network(seed)]);
        let [first, second] = teachers.each_ref().map(|teachers| plain.with_teachers(teachers));
        let digests = [plain, plain.with(&a, &b), plain.with(&b, &a), plain.with(&a, &NoImages), first, second];
        let distinct: std::collections::BTreeSet<String> = digests.iter().map(|set| set.digest(1).unwrap()).collect();
        assert_eq!(distinct.len(), 6);
    }
}
