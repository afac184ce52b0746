//! What a training image shows: a cell as it is, its content on a cell of another site, with a late stage or spicules, or
//! something that is not a red cell.

use super::training_set::{Content, TrainingSet};
use crate::classes::Class;
use crate::dataset::augment::{self, crenate, draw_late_stage, draw_not_a_cell};
use crate::image::ImageError;
use crate::model::recipe::Augmentation;
use crate::preprocess::{Images, Preprocessing};
use crate::random::Random;

/// The key that separates these random numbers from those of other purposes.
const CONTENT: u64 = u64::from_be_bytes(*b"content\0");

/// The fraction of the images that are not a red cell that get the colours of another site.
const RECOLOURED: f32 = 0.5;
/// The number of cells that are tried to find a parasitized one that fits.
const DONOR_DRAWS: usize = 16;

/// Composes the images of a training set, before they are augmented.
pub(super) struct Composition<'a> {
    pub images: &'a TrainingSet<'a>,
    pub augmentation: &'a Augmentation,
    pub input: &'a Preprocessing,
    pub seed: u64,
}

impl Composition<'_> {
    /// Returns an image and its class: as it is, transplanted onto a cell of another site, with drawings on it, or replaced by
    /// something else.
    pub fn compose(&self, sample: usize, pass: u64) -> Result<(Vec<u8>, Option<Class>), ImageError> {
        let content = self.images.content(sample);
        let mut random = Random::keyed(&[self.seed, CONTENT, pass, sample as u64]);
        let Augmentation { transplant, not_a_cell, .. } = *self.augmentation;
        if not_a_cell > 0.0 && content.class().is_some() && random.chance(not_a_cell) {
            return Ok((self.something_else(sample, &mut random)?, None));
        }
        let has_other_sites = transplant > 0.0 && !self.images.negatives().is_empty();
        let (image, class) = match content {
            Content::Cell(class) if has_other_sites && random.chance(transplant) => {
                (self.on_another_site(self.read(sample)?, class, &mut random)?, class)
            }
            Content::Cell(class) => (self.read(sample)?, class),
            Content::Negative if has_other_sites && random.chance(transplant) => {
                let host = self.read(sample)?;
                let stained = self.with_parasite(&host, &mut random)?;
                stained.map_or((host, Class::Uninfected), |stained| (stained, Class::Parasitized))
            }
            Content::Negative => (self.read(sample)?, Class::Uninfected),
            Content::NotACell => return Ok((self.read_not_a_cell(sample, &mut random)?, None)),
        };
        Ok((self.draw_on(image, class, &mut random), Some(class)))
    }

    /// Draws a late stage into a fraction of the parasitized cells, and spicules on a fraction of all cells.
    fn draw_on(&self, cell: Vec<u8>, class: Class, random: &mut Random) -> Vec<u8> {
        let Augmentation { late_stage, crenation, .. } = *self.augmentation;
        let side = self.input.side_px;
        let mut cell = cell;
        if late_stage > 0.0 && class == Class::Parasitized && random.chance(late_stage) {
            cell = draw_late_stage(&cell, side, &[random.next_u64()]).unwrap_or(cell);
        }
        if crenation > 0.0 && random.chance(crenation) {
            cell = crenate(&cell, side, &[random.next_u64()]).unwrap_or(cell);
        }
        cell
    }

    /// Returns one of the images that are not a red cell, or draws one.
    fn something_else(&self, sample: usize, random: &mut Random) -> Result<Vec<u8>, ImageError> {
        let not_cells = self.images.red_cells()..self.images.len();
        if !not_cells.is_empty() && random.chance(0.5) {
            return self.read_not_a_cell(not_cells.start + random.below(not_cells.len()), random);
        }
        let [a, b] = [0; 2].map(|_| self.read(random.below(self.images.red_cells())));
        let cells = [self.read(sample)?, a?, b?];
        let cells: Vec<&[u8]> = cells.iter().map(Vec::as_slice).collect();
        Ok(draw_not_a_cell(&cells, self.input.side_px, self.input.colour, &[random.next_u64()]))
    }

    /// Reads an image that is not a red cell. Returns it as it is, or with the colours of another site, so that the site does
    /// not show what it is.
    fn read_not_a_cell(&self, sample: usize, random: &mut Random) -> Result<Vec<u8>, ImageError> {
        let image = self.read(sample)?;
        let hosts = self.images.negatives();
        if hosts.is_empty() || !random.chance(RECOLOURED) {
            return Ok(image);
        }
        let host = self.read(hosts.start + random.below(hosts.len()))?;
        Ok(augment::on_smear_of(&host, &image, self.input.side_px).unwrap_or(image))
    }

    /// Returns the content of a labelled cell on a healthy cell of another site, or the cell as it is if that fails.
    fn on_another_site(&self, cell: Vec<u8>, class: Class, random: &mut Random) -> Result<Vec<u8>, ImageError> {
        let hosts = self.images.negatives();
        let host = self.read(hosts.start + random.below(hosts.len()))?;
        Ok(self.transplant(&cell, class, &host, random).unwrap_or(cell))
    }

    /// Adds the parasite of a random cell; `None` if none of those tried fits.
    fn with_parasite(&self, host: &[u8], random: &mut Random) -> Result<Option<Vec<u8>>, ImageError> {
        let cells = self.images.negatives().start;
        for _ in 0..DONOR_DRAWS {
            let donor = random.below(cells);
            if self.images.content(donor) == Content::Cell(Class::Parasitized) {
                let stained = self.transplant(&self.read(donor)?, Class::Parasitized, host, random);
                if stained.is_some() {
                    return Ok(stained);
                }
            }
        }
        Ok(None)
    }

    fn transplant(&self, donor: &[u8], class: Class, host: &[u8], random: &mut Random) -> Option<Vec<u8>> {
        augment::transplant(donor, class, host, self.input.side_px, &[random.next_u64()])
    }

    fn read(&self, sample: usize) -> Result<Vec<u8>, ImageError> {
        let mut bytes = vec![0; self.input.side_px * self.input.side_px * 3];
        self.images.read(sample, &mut bytes)?;
        Ok(bytes)
    }
}
