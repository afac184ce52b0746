//! The batches of a run: the images of each step, in random order and augmented.

use super::Settings;
use super::schedule::Plan;
use crate::dataset::LabelledImages;
use crate::dataset::augment::augment;
use crate::image::ImageError;
use crate::model::recipe::Augmentation;
use crate::random::Random;
use rayon::prelude::*;

/// The images of one step.
pub(super) struct Batch {
    /// Pixels in 0..=1, of shape `[images, side_px, side_px, 3]`.
    pub inputs: Vec<f32>,
    /// One target per image.
    pub targets: Vec<f32>,
    /// Indices of the images in the training set.
    pub samples: Vec<u64>,
    /// Pass over the training set, counted from 0.
    pub pass: u64,
}

// Keys that separate the random numbers of different purposes.
const ORDER: u64 = u64::from_be_bytes(*b"order\0\0\0");
const AUGMENTATION: u64 = u64::from_be_bytes(*b"augment\0");

/// Prepares the batches of a run.
pub(super) struct Batches<'a> {
    images: &'a dyn LabelledImages,
    augmentation: &'a Augmentation,
    side_px: usize,
    batch_size: usize,
    per_pass: u64,
    seed: u64,
    /// Order of the images in `pass`.
    order: Vec<usize>,
    pass: Option<u64>,
}

impl<'a> Batches<'a> {
    pub fn new(settings: &'a Settings, images: &'a dyn LabelledImages, plan: &Plan) -> Batches<'a> {
        let recipe = &settings.recipe;
        Batches {
            images,
            augmentation: &recipe.augmentation,
            side_px: recipe.input.side_px,
            batch_size: recipe.training.batch_size,
            per_pass: plan.batches_per_pass,
            seed: settings.seed,
            order: Vec::new(),
            pass: None,
        }
    }

    /// Prepares the batch of a step, counted from 0 over the whole run.
    pub fn prepare(&mut self, step: u64) -> Result<Batch, ImageError> {
        let (pass, index) = (step / self.per_pass, (step % self.per_pass) as usize);
        self.shuffle_for(pass);
        let first = index * self.batch_size;
        let chosen = &self.order[first..self.order.len().min(first + self.batch_size)];
        let values = self.side_px * self.side_px * 3;
        let mut inputs = vec![0.0; chosen.len() * values];
        inputs.par_chunks_exact_mut(values).zip(chosen).try_for_each_init(
            || vec![0; values],
            |bytes, (input, &sample)| self.augmented(sample, pass, bytes, input),
        )?;
        Ok(Batch {
            inputs,
            targets: chosen.iter().map(|&sample| self.images.class(sample).target()).collect(),
            samples: chosen.iter().map(|&sample| sample as u64).collect(),
            pass,
        })
    }

    fn shuffle_for(&mut self, pass: u64) {
        if self.pass != Some(pass) {
            self.order = (0..self.images.len()).collect();
            Random::keyed(&[self.seed, ORDER, pass]).shuffle(&mut self.order);
            self.pass = Some(pass);
        }
    }

    /// Augments one image; `bytes` is a buffer for the original image.
    fn augmented(&self, sample: usize, pass: u64, bytes: &mut [u8], input: &mut [f32]) -> Result<(), ImageError> {
        self.images.read(sample, bytes)?;
        let key = [self.seed, AUGMENTATION, pass, sample as u64];
        augment(bytes, self.side_px, self.augmentation, &key, input);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::classes::Class;
    use crate::model::Recipe;
    use crate::preprocess::Images;

    /// Uniformly grey images; the shade is the index.
    struct Greys(usize);

    impl Images for Greys {
        fn len(&self) -> usize {
            self.0
        }
        fn read(&self, index: usize, bytes: &mut [u8]) -> Result<(), ImageError> {
            bytes.fill(index as u8);
            Ok(())
        }
    }

    impl LabelledImages for Greys {
        fn class(&self, index: usize) -> Class {
            Class::ALL[index % 2]
        }
    }

    fn settings(batch_size: usize) -> Settings {
        let mut recipe = Recipe::load("keras-tutorial").unwrap();
        recipe.training.batch_size = batch_size;
        recipe.augmentation = Augmentation::default();
        Settings { recipe, seed: 5, steps_per_epoch: None }
    }

    fn samples_of_pass(batches: &mut Batches<'_>, pass: u64) -> Vec<u64> {
        let steps = pass * batches.per_pass..(pass + 1) * batches.per_pass;
        steps.flat_map(|step| batches.prepare(step).unwrap().samples).collect()
    }

    #[test]
    fn each_pass_contains_every_image_once_in_a_different_order() {
        let (settings, images) = (settings(4), Greys(10));
        let mut batches = Batches::new(&settings, &images, &Plan::new(&settings, 10));
        let (first, second) = (samples_of_pass(&mut batches, 0), samples_of_pass(&mut batches, 1));
        assert_ne!(first, second);
        for mut pass in [first, second] {
            pass.sort_unstable();
            assert_eq!(pass, (0..10).collect::<Vec<_>>());
        }
    }

    #[test]
    fn the_last_batch_of_a_pass_is_smaller() {
        let (settings, images) = (settings(4), Greys(10));
        let mut batches = Batches::new(&settings, &images, &Plan::new(&settings, 10));
        let sizes: Vec<usize> = (0..4).map(|step| batches.prepare(step).unwrap().samples.len()).collect();
        assert_eq!(sizes, [4, 4, 2, 4]);
    }

    #[test]
    fn a_batch_contains_the_images_of_its_indices() {
        let (settings, images) = (settings(3), Greys(10));
        let batch = Batches::new(&settings, &images, &Plan::new(&settings, 10)).prepare(2).unwrap();
        for (i, &sample) in batch.samples.iter().enumerate() {
            assert_eq!(batch.targets[i], (sample % 2) as f32);
            assert!((batch.inputs[i * 7500 + 77] * 255.0 - sample as f32).abs() < 1e-4);
        }
    }
}
