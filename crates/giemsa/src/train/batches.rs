//! The batches of a run: the images of each step, in random order and augmented.

use super::Settings;
use super::composition::Composition;
use super::distillation::learn_from;
use super::schedule::Plan;
use super::training_set::TrainingSet;
use crate::classes::Class;
use crate::dataset::augment::augment;
use crate::image::ImageError;
use crate::nn::NO_TARGET;
use crate::preprocess::Images;
use crate::random::Random;
use rayon::prelude::*;

/// The images of one step.
pub(super) struct Batch {
    /// Pixels in 0..=1, of shape `[images, side_px, side_px, 3]`.
    pub inputs: Vec<f32>,
    /// Targets of shape `[images, outputs]`: labels, or the mean output of teachers.
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
    composition: Composition<'a>,
    outputs: usize,
    negative_target: f32,
    batch_size: usize,
    per_pass: u64,
    /// Order of the images in `pass`.
    order: Vec<usize>,
    pass: Option<u64>,
}

impl<'a> Batches<'a> {
    pub fn new(settings: &'a Settings, images: &'a TrainingSet<'a>, plan: &Plan) -> Batches<'a> {
        let recipe = &settings.recipe;
        Batches {
            composition: Composition {
                images,
                augmentation: &recipe.augmentation,
                input: &recipe.input,
                seed: settings.seed,
            },
            outputs: recipe.outputs(),
            negative_target: recipe.training.negative_target,
            batch_size: recipe.training.batch_size,
            per_pass: plan.batches_per_pass,
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
        let side_px = self.composition.input.side_px;
        let values = side_px * side_px * 3;
        let mut inputs = vec![0.0; chosen.len() * values];
        let mut targets = vec![NO_TARGET; chosen.len() * self.outputs];
        let images = inputs.par_chunks_exact_mut(values).zip(targets.par_chunks_exact_mut(self.outputs)).zip(chosen);
        images.try_for_each(|((input, targets), &sample)| self.example(sample, pass, input, targets))?;
        if self.has_teachers() {
            learn_from(self.composition.images.teachers(), &inputs, &mut targets);
        }
        Ok(Batch { inputs, targets, samples: chosen.iter().map(|&sample| sample as u64).collect(), pass })
    }

    /// Returns whether the targets are outputs of other networks.
    pub fn has_teachers(&self) -> bool {
        !self.composition.images.teachers().is_empty()
    }

    fn shuffle_for(&mut self, pass: u64) {
        if self.pass != Some(pass) {
            self.order = (0..self.composition.images.len()).collect();
            Random::keyed(&[self.composition.seed, ORDER, pass]).shuffle(&mut self.order);
            self.pass = Some(pass);
        }
    }

    /// Computes the input of one image, augmented, and its targets: the class, and whether it is a red cell.
    fn example(&self, sample: usize, pass: u64, input: &mut [f32], targets: &mut [f32]) -> Result<(), ImageError> {
        let Composition { augmentation, input: preprocessing, seed, .. } = self.composition;
        let (bytes, class) = self.composition.compose(sample, pass)?;
        augment(&bytes, preprocessing.side_px, augmentation, &[seed, AUGMENTATION, pass, sample as u64], input);
        let red_cell = if class.is_some() { 1.0 } else { 0.0 };
        let is_of_another_site = self.composition.images.negatives().contains(&sample);
        let class = match class {
            Some(Class::Uninfected) if is_of_another_site => Class::target_of_probability(self.negative_target),
            class => class.map_or(NO_TARGET, Class::target),
        };
        targets.copy_from_slice(&[class, red_cell][..self.outputs]);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::training_set::Content;
    use super::*;
    use crate::dataset::LabelledImages;
    use crate::model::Recipe;
    use crate::model::recipe::Augmentation;
    use crate::nn::Network;

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

    /// Sixty discs of the reference colour on black; with a dark spot in the even ones, if they are parasitized.
    struct Cells {
        are_parasitized: bool,
    }

    impl Images for Cells {
        fn len(&self) -> usize {
            60
        }
        fn read(&self, index: usize, bytes: &mut [u8]) -> Result<(), ImageError> {
            let side = (bytes.len() / 3).isqrt();
            let has_spot = self.are_parasitized && index.is_multiple_of(2);
            for (i, pixel) in bytes.as_chunks_mut::<3>().0.iter_mut().enumerate() {
                let middle = side as f32 / 2.0 - 0.5;
                let (x, y) = ((i % side) as f32 - middle, (i / side) as f32 - middle);
                *pixel = match x.hypot(y) {
                    _ if has_spot && (x - 5.0).hypot(y) < 5.0 => [80, 40, 90],
                    distance if distance < 0.44 * side as f32 => crate::preprocess::colour::REFERENCE,
                    _ => [0; 3],
                };
            }
            Ok(())
        }
    }

    impl LabelledImages for Cells {
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
        let (settings, greys) = (settings(4), Greys(10));
        let images = TrainingSet::new(&greys);
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
        let (settings, greys) = (settings(4), Greys(10));
        let images = TrainingSet::new(&greys);
        let mut batches = Batches::new(&settings, &images, &Plan::new(&settings, 10));
        let sizes: Vec<usize> = (0..4).map(|step| batches.prepare(step).unwrap().samples.len()).collect();
        assert_eq!(sizes, [4, 4, 2, 4]);
    }

    #[test]
    fn a_batch_contains_the_images_of_its_indices() {
        let (settings, greys) = (settings(3), Greys(10));
        let images = TrainingSet::new(&greys);
        let batch = Batches::new(&settings, &images, &Plan::new(&settings, 10)).prepare(2).unwrap();
        for (i, &sample) in batch.samples.iter().enumerate() {
            assert_eq!(batch.targets[i], (sample % 2) as f32);
            assert!((batch.inputs[i * 7500 + 77] * 255.0 - sample as f32).abs() < 1e-4);
        }
    }

    #[test]
    fn images_that_are_not_a_red_cell_have_no_class() {
        let mut recipe = Recipe::load("compact").unwrap();
        recipe.training.batch_size = 60;
        recipe.training.negative_target = 0.0;
        recipe.augmentation = Augmentation { not_a_cell: 0.4, ..Augmentation::default() };
        let settings = Settings { recipe, seed: 5, steps_per_epoch: None };
        let (cells, negatives, others) = (Greys(20), Greys(20), Greys(20));
        let images = TrainingSet::new(&cells).with(&negatives, &others);
        let batch = Batches::new(&settings, &images, &Plan::new(&settings, 60)).prepare(0).unwrap();
        let mut replaced = 0;
        for (targets, &sample) in batch.targets.chunks_exact(2).zip(&batch.samples) {
            let expected = match images.content(sample as usize).class() {
                Some(class) if targets[1] == 1.0 => class.target(),
                Some(_) => {
                    replaced += 1;
                    NO_TARGET
                }
                None => {
                    assert_eq!(targets[1], 0.0, "{sample}");
                    NO_TARGET
                }
            };
            assert_eq!(targets[0].to_bits(), expected.to_bits(), "{sample}");
        }
        // 40 % of 40 red cells.
        assert!((8..=24).contains(&replaced), "{replaced}");
    }

    #[test]
    fn only_healthy_cells_of_other_sites_have_the_negative_target() {
        let mut settings = settings(40);
        settings.recipe.training.negative_target = 0.1;
        let (cells, negatives) = (Greys(20), Greys(20));
        let images = TrainingSet::new(&cells).with(&negatives, &Greys(0));
        let batch = Batches::new(&settings, &images, &Plan::new(&settings, 40)).prepare(0).unwrap();
        for (&target, &sample) in batch.targets.iter().zip(&batch.samples) {
            let expected = match images.content(sample as usize) {
                Content::Negative => 0.9,
                content => content.class().unwrap().target(),
            };
            assert_eq!(target, expected, "{sample}");
        }
    }

    #[test]
    fn targets_are_those_of_teachers_except_of_images_without_a_class() {
        let mut recipe = Recipe::load("compact").unwrap();
        recipe.training.batch_size = 30;
        recipe.augmentation = Augmentation::default();
        let teachers = [1, 2].map(|seed| Network::new(recipe.input_shape(), &recipe.layers, seed).unwrap());
        let settings = Settings { recipe, seed: 5, steps_per_epoch: None };
        let (cells, others) = (Greys(20), Greys(10));
        let images = TrainingSet::new(&cells).with(&Greys(0), &others).with_teachers(&teachers);
        let batch = Batches::new(&settings, &images, &Plan::new(&settings, 30)).prepare(0).unwrap();
        let [a, b] = teachers.each_ref().map(|teacher| teacher.predict(&batch.inputs));
        for (i, &target) in batch.targets.iter().enumerate() {
            let has_class = images.content(batch.samples[i / 2] as usize).class().is_some();
            let expected = 1.0 / (1.0 + (-0.5 * (a[i] + b[i])).exp());
            let is_as_expected =
                if i % 2 == 0 && !has_class { target.is_nan() } else { (target - expected).abs() < 1e-6 };
            assert!(is_as_expected, "{i}: {target} {expected}");
        }
    }

    #[test]
    fn a_part_of_the_negatives_gets_a_parasite() {
        let mut recipe = Recipe::load("compact").unwrap();
        recipe.training.batch_size = 120;
        recipe.training.negative_target = 0.0;
        recipe.augmentation = Augmentation { transplant: 0.5, ..Augmentation::default() };
        let settings = Settings { recipe, seed: 5, steps_per_epoch: None };
        let (cells, negatives) = (Cells { are_parasitized: true }, Cells { are_parasitized: false });
        let images = TrainingSet::new(&cells).with(&negatives, &Greys(0));
        let batch = Batches::new(&settings, &images, &Plan::new(&settings, 120)).prepare(0).unwrap();
        let mut parasitized = 0;
        for ((targets, &sample), input) in
            batch.targets.chunks_exact(2).zip(&batch.samples).zip(batch.inputs.chunks_exact(64 * 64 * 3))
        {
            let class = if targets[0] == Class::Parasitized.target() { Class::Parasitized } else { Class::Uninfected };
            let darkest = input.iter().filter(|&&value| value > 0.0).fold(1.0, |a: f32, &b| a.min(b));
            // The class follows the dark spot, wherever the cell comes from.
            assert_eq!(class.is_positive(), darkest < 0.35, "{sample}: {class} {darkest}");
            match images.content(sample as usize) {
                Content::Negative => parasitized += usize::from(class.is_positive()),
                content => assert_eq!(content.class(), Some(class)),
            }
        }
        assert!((18..=42).contains(&parasitized), "{parasitized} of 60");
    }

    /// Returns which of sixty healthy-looking cells change with this augmentation, by class.
    fn changed(augmentation: Augmentation) -> [usize; 2] {
        let mut settings = settings(60);
        settings.recipe.augmentation = augmentation;
        let cells = Cells { are_parasitized: false };
        let images = TrainingSet::new(&cells);
        let batch = Batches::new(&settings, &images, &Plan::new(&settings, 60)).prepare(0).unwrap();
        let side = settings.recipe.input.side_px;
        let mut plain = vec![0; side * side * 3];
        cells.read(0, &mut plain).unwrap();
        let mut changed = [0; 2];
        for (input, &sample) in batch.inputs.chunks_exact(plain.len()).zip(&batch.samples) {
            let is_plain =
                input.iter().zip(&plain).all(|(value, &byte)| (value * 255.0 - f32::from(byte)).abs() < 0.01);
            changed[sample as usize % 2] += usize::from(!is_plain);
        }
        changed
    }

    #[test]
    fn late_stages_are_drawn_into_parasitized_cells_only_and_spicules_on_both_classes() {
        assert_eq!(Class::ALL, [Class::Parasitized, Class::Uninfected]);
        assert_eq!(changed(Augmentation::default()), [0, 0]);
        assert_eq!(changed(Augmentation { late_stage: 1.0, ..Augmentation::default() }), [30, 0]);
        assert_eq!(changed(Augmentation { crenation: 1.0, ..Augmentation::default() }), [30, 30]);
        let [parasitized, uninfected] = changed(Augmentation { crenation: 0.3, ..Augmentation::default() });
        assert!((4..=16).contains(&parasitized) && (4..=16).contains(&uninfected), "{parasitized} {uninfected}");
    }
}
