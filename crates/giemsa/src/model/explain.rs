//! Explanation of a prediction by occlusion: where in an image the evidence is.
//!
//! `docs/compact.md` compares occlusion with maps computed from gradients.

use super::predictor::batch_len;
use super::{Model, ModelError};
use crate::classes::Class;
use crate::nn::Network;
use image::RgbImage;

/// A saliency map: the evidence for *Parasitized* at each place of an image.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct SaliencyMap {
    /// Number of rows.
    pub height: usize,
    /// Number of columns.
    pub width: usize,
    /// Evidence as a difference of logits, row-major: positive for *Parasitized*, negative for *Uninfected*.
    pub values: Vec<f32>,
}

/// Rows and columns of an occlusion map.
const OCCLUSION_GRID: usize = 16;
/// Sides of the occluding squares, as fractions of the image side. A small square locates the evidence more precisely.
/// A large one also covers a large parasite; a small one leaves two halves of it uncovered, which can look more like
/// parasites than before. `docs/compact.md` compares several sides.
const SQUARE_FRACTIONS: [f32; 2] = [1.0 / 6.0, 1.0 / 3.0];

/// Computes an occlusion map of 16x16 places: by how much the evidence for *Parasitized* falls when a square around the
/// place is covered with the mean colour of the cell, averaged over a small and a large square (Zeiler and Fergus 2014,
/// *Visualizing and Understanding Convolutional Networks*, section 4.2).
///
/// Computes 513 predictions.
///
/// ```
/// use giemsa::model::{Model, explain::occlusion};
/// let cell = image::RgbImage::from_pixel(80, 90, image::Rgb([225, 170, 180]));
/// let map = occlusion(&Model::embedded()?, &cell)?;
/// assert_eq!((map.height, map.width, map.values.len()), (16, 16, 256));
/// # Ok::<(), giemsa::model::ModelError>(())
/// ```
///
/// # Errors
/// [`ModelError::NonFiniteOutput`] if an output of the network is not finite.
///
/// # Panics
/// If the image has no pixels.
pub fn occlusion(model: &Model, image: &RgbImage) -> Result<SaliencyMap, ModelError> {
    let mut map = logit_drop(&model.network, &model.input(image));
    if let Some(&logit) = map.values.iter().find(|value| !value.is_finite()) {
        return Err(ModelError::NonFiniteOutput { logit });
    }
    map.values.iter_mut().for_each(|value| *value = Class::parasitized_evidence(*value));
    Ok(map)
}

/// Computes by how much the logit drops when squares around each place are covered, averaged over the sizes of squares.
fn logit_drop(network: &Network, input: &[f32]) -> SaliencyMap {
    let (uncovered, colour) = (network.predict(input)[0], mean_colour(input));
    let outputs = network.outputs();
    let (sizes, batch) = (SQUARE_FRACTIONS.len() as f32, batch_len(network));
    let mut values = vec![0.0; OCCLUSION_GRID * OCCLUSION_GRID];
    for fraction in SQUARE_FRACTIONS {
        for (block, drops) in values.chunks_mut(batch).enumerate() {
            let mut images = input.repeat(drops.len());
            for (i, image) in images.chunks_exact_mut(input.len()).enumerate() {
                cover(image, network.input().width, block * batch + i, fraction, colour);
            }
            let logits = network.predict(&images);
            let class_logits = logits.iter().step_by(outputs);
            drops.iter_mut().zip(class_logits).for_each(|(drop, logit)| *drop += (uncovered - logit) / sizes);
        }
    }
    SaliencyMap { height: OCCLUSION_GRID, width: OCCLUSION_GRID, values }
}

/// Covers a square around a place of the grid, with a side of this fraction of the image.
fn cover(image: &mut [f32], width: usize, place: usize, fraction: f32, colour: [f32; 3]) {
    let rows = covered_range(place / OCCLUSION_GRID, image.len() / (3 * width), fraction);
    let columns = covered_range(place % OCCLUSION_GRID, width, fraction);
    for pixel in rows.flat_map(|y| columns.clone().map(move |x| y * width + x)) {
        image[3 * pixel..][..3].copy_from_slice(&colour);
    }
}

/// Returns the pixels covered around the centre of place `index` of the grid, along an axis of `length` pixels.
fn covered_range(index: usize, length: usize, fraction: f32) -> std::ops::Range<usize> {
    let centre = (index as f32 + 0.5) / OCCLUSION_GRID as f32;
    let pixel = |place: f32| ((place * length as f32).round().max(0.0) as usize).min(length);
    pixel(centre - fraction / 2.0)..pixel(centre + fraction / 2.0)
}

/// Returns the mean colour of the pixels that are not black, or black if all are.
fn mean_colour(input: &[f32]) -> [f32; 3] {
    let pixels = input.as_chunks::<3>().0;
    let cell = || pixels.iter().filter(|pixel| **pixel != [0.0; 3]);
    let count = cell().count().max(1) as f32;
    [0, 1, 2].map(|c| cell().map(|pixel| pixel[c]).sum::<f32>() / count)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nn::{Activation, LayerSpec, Shape};

    /// A network whose logit is the sum of the input values.
    fn sum_of(side: usize) -> Network {
        let input = Shape { height: side, width: side, channels: 3 };
        let layers = [LayerSpec::Flatten {}, LayerSpec::Dense { units: 1, activation: Activation::Sigmoid }];
        let mut network = Network::new(input, &layers, 0).unwrap();
        let mut weights = network.weights();
        weights[0].values.fill(1.0);
        network.set_weights(&weights).unwrap();
        network
    }

    #[test]
    fn covering_a_bright_dot_lowers_a_sum_only_around_the_dot() {
        let side = 48;
        let mut input = vec![0.25; side * side * 3];
        let dot = (30 * side + 12) * 3;
        input[dot..dot + 3].fill(1.0);
        let map = logit_drop(&sum_of(side), &input);
        let mean = (0.25 * (48.0 * 48.0 - 1.0) + 1.0) / (48.0 * 48.0);
        for (i, &value) in map.values.iter().enumerate() {
            let (row, column) = (i / 16, i % 16);
            let drops = SQUARE_FRACTIONS.map(|fraction| {
                let (rows, columns) = (covered_range(row, side, fraction), covered_range(column, side, fraction));
                let dot = if rows.contains(&30) && columns.contains(&12) { 0.75 } else { 0.0 };
                3.0 * ((rows.len() * columns.len()) as f32 * (0.25 - mean) + dot)
            });
            let expected = drops.iter().sum::<f32>() / 2.0;
            assert!((value - expected).abs() < 5e-2, "{row} {column}: {value}, expected {expected}");
        }
        // The places of row 7 have their centre at 22.5, too far from the dot at 30 for the small square.
        assert_eq!(SQUARE_FRACTIONS.map(|fraction| covered_range(7, side, fraction).contains(&30)), [false, true]);
        assert!(map.values[9 * 16 + 3] > 1.0 && (0.5..1.2).contains(&map.values[7 * 16 + 3]) && map.values[0] < 0.1);
    }

    /// A model whose logit is the sum of the input values.
    fn sum_model() -> Model {
        let recipe = "name = 'sum'\ninput = { side_px = 48, resize = 'fit' }\n[[layers]]\nkind = 'flatten'\n[[layers]]\n\
                      kind = 'dense'\nunits = 1\nactivation = 'sigmoid'\n[training]\nepochs = 1\nbatch_size = 1\n\
                      learning_rate = 0.1\n";
        Model::new(crate::model::Recipe::parse(recipe, "sum").unwrap(), sum_of(48))
    }

    #[test]
    fn evidence_is_positive_for_parasitized() {
        let model = sum_model();
        let mut image = RgbImage::from_pixel(48, 48, image::Rgb([64; 3]));
        image.put_pixel(12, 30, image::Rgb([255; 3]));
        // A large sum is Uninfected, and the bright dot increases it.
        assert!(model.predict(&image).unwrap().probability_parasitized < 0.01);
        assert!(occlusion(&model, &image).unwrap().values[9 * 16 + 3] < -1.0);
    }

    #[test]
    fn rejects_a_network_whose_output_is_not_finite() {
        let mut model = sum_model();
        let mut weights = model.network.weights();
        weights[0].values.fill(f32::MAX);
        model.network.set_weights(&weights).unwrap();
        let image = RgbImage::from_pixel(48, 48, image::Rgb([255; 3]));
        assert!(matches!(occlusion(&model, &image), Err(ModelError::NonFiniteOutput { .. })));
    }

    #[test]
    fn covered_ranges_are_inside_the_image_and_cover_all_of_it() {
        for (length, fraction) in
            [1, 7, 50, 64].into_iter().flat_map(|length| SQUARE_FRACTIONS.map(|fraction| (length, fraction)))
        {
            let covered: std::collections::BTreeSet<usize> =
                (0..OCCLUSION_GRID).flat_map(|index| covered_range(index, length, fraction)).collect();
            assert_eq!(covered.len(), length);
        }
    }

    #[test]
    fn mean_colour_ignores_the_black_background() {
        assert_eq!(mean_colour(&[0.0, 0.0, 0.0, 0.5, 0.25, 1.0]), [0.5, 0.25, 1.0]);
        assert_eq!(mean_colour(&[0.0; 6]), [0.0; 3]);
    }
}
