//! Why a model says what it says of one image: where its evidence lies, found in two ways that know nothing of each other.

use crate::model::{Model, ModelError, Prediction};
use crate::nn::{Network, SaliencyMap};
use crate::preprocess::to_input;
use image::RgbImage;

/// What a model says of an image, and where it sees it.
#[derive(Clone, Debug, PartialEq)]
pub struct Explanation {
    /// Class and probability.
    pub prediction: Prediction,
    /// Grad-CAM at the last convolution, above zero for Parasitized; none for a network without one.
    pub grad_cam: Option<SaliencyMap>,
}

/// Places that are covered, along and down.
const OCCLUSION_GRID: usize = 16;
/// Sides of what is covered, as shares of the image's. A small square says more exactly where the evidence is; but over a
/// large parasite it leaves two smaller ones beside it, which can look more like parasites than before (`docs/compact.md` has
/// what each gave).
const PATCH_SHARES: [f32; 2] = [1.0 / 6.0, 1.0 / 3.0];

/// Explains what a model says of one image, by Grad-CAM.
///
/// ```
/// use giemsa::explain::{explain, occlusion};
/// use giemsa::model::{Model, Recipe};
/// use giemsa::nn::Network;
/// let recipe = Recipe::load("keras-tutorial")?;
/// let network = Network::new(recipe.input_shape(), &recipe.layers, 0)?;
/// let (model, image) = (Model::new(recipe, network), image::RgbImage::new(60, 50));
/// assert_eq!(explain(&model, &image)?.grad_cam.map(|map| map.values.len()), Some(6 * 6));
/// assert_eq!(occlusion(&model, &image).values.len(), 16 * 16);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// When the probability is not finite.
///
/// # Panics
/// When the image has no pixels; a decoded one has.
pub fn explain(model: &Model, image: &RgbImage) -> Result<Explanation, ModelError> {
    let input = input_of(model, image);
    Ok(Explanation {
        prediction: model.prediction(model.network.predict(&input)[0])?,
        grad_cam: model.network.grad_cam(&input).map(for_parasitized),
    })
}

/// By how much covering each of 16x16 places of an image speaks against Parasitized, as a difference of logits, the mean
/// over a small and a large cover: the slow check on Grad-CAM, as it takes 512 predictions.
///
/// # Panics
/// When the image has no pixels; a decoded one has.
pub fn occlusion(model: &Model, image: &RgbImage) -> SaliencyMap {
    for_parasitized(fall_when_covered(&model.network, &input_of(model, image)))
}

fn input_of(model: &Model, image: &RgbImage) -> Vec<f32> {
    let bytes = model.recipe.input.to_bytes(image);
    let mut input = vec![0.0; bytes.len()];
    to_input(&bytes, &mut input);
    input
}

/// A logit is for Uninfected, the class of index 1.
fn for_parasitized(mut evidence: SaliencyMap) -> SaliencyMap {
    evidence.values.iter_mut().for_each(|value| *value = -*value);
    evidence
}

/// By how much the logit falls when squares about each of 16x16 places are covered, one after the other, with the mean
/// colour of the cell (Zeiler and Fergus 2014, *Visualizing and Understanding Convolutional Networks*, section 4.2).
fn fall_when_covered(network: &Network, input: &[f32]) -> SaliencyMap {
    let whole = network.predict(input)[0];
    let mut values = vec![0.0; OCCLUSION_GRID * OCCLUSION_GRID];
    for share in PATCH_SHARES {
        let logits = network.predict(&covered(input, network.input().width, share));
        values.iter_mut().zip(logits).for_each(|(fall, logit)| *fall += (whole - logit) / PATCH_SHARES.len() as f32);
    }
    SaliencyMap { height: OCCLUSION_GRID, width: OCCLUSION_GRID, values }
}

/// The image once for each place, row by row, a square about the place covered.
fn covered(input: &[f32], width: usize, share: f32) -> Vec<f32> {
    let colour = mean_colour(input);
    let mut images = input.repeat(OCCLUSION_GRID * OCCLUSION_GRID);
    for (place, image) in images.chunks_exact_mut(input.len()).enumerate() {
        let rows = patch(place / OCCLUSION_GRID, input.len() / (3 * width), share);
        let columns = patch(place % OCCLUSION_GRID, width, share);
        for pixel in rows.flat_map(|y| columns.clone().map(move |x| y * width + x)) {
            image[3 * pixel..][..3].copy_from_slice(&colour);
        }
    }
    images
}

/// The pixels that are covered about the middle of cell `index` of the grid, along an axis of `length` pixels.
fn patch(index: usize, length: usize, share: f32) -> std::ops::Range<usize> {
    let middle = (index as f32 + 0.5) / OCCLUSION_GRID as f32;
    let at = |place: f32| ((place * length as f32).round().max(0.0) as usize).min(length);
    at(middle - share / 2.0)..at(middle + share / 2.0)
}

/// The mean colour of the pixels that are not black, or black.
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

    /// A network whose logit is the sum of a sample's values.
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
    fn covering_a_bright_dot_lowers_a_sum_where_the_dot_is_and_nowhere_else() {
        let side = 48;
        let mut input = vec![0.25; side * side * 3];
        let dot = (30 * side + 12) * 3;
        input[dot..dot + 3].fill(1.0);
        let map = fall_when_covered(&sum_of(side), &input);
        let mean = (0.25 * (48.0 * 48.0 - 1.0) + 1.0) / (48.0 * 48.0);
        for (i, &value) in map.values.iter().enumerate() {
            let (row, column) = (i / 16, i % 16);
            let falls = PATCH_SHARES.map(|share| {
                let (rows, columns) = (patch(row, side, share), patch(column, side, share));
                let dot = if rows.contains(&30) && columns.contains(&12) { 0.75 } else { 0.0 };
                3.0 * ((rows.len() * columns.len()) as f32 * (0.25 - mean) + dot)
            });
            let expected = falls.iter().sum::<f32>() / 2.0;
            assert!((value - expected).abs() < 5e-2, "{row} {column}: {value}, expected {expected}");
        }
        // The places of row 7 have their middle at 22.5, too far from the dot at 30 for the small square alone.
        assert_eq!(PATCH_SHARES.map(|share| patch(7, side, share).contains(&30)), [false, true]);
        assert!(map.values[9 * 16 + 3] > 1.0 && (0.5..1.2).contains(&map.values[7 * 16 + 3]) && map.values[0] < 0.1);
    }

    #[test]
    fn evidence_is_for_parasitized() {
        let recipe = "name = 'sum'\ninput = { side_px = 48, resize = 'fit' }\n[[layers]]\nkind = 'flatten'\n[[layers]]\n\
                      kind = 'dense'\nunits = 1\nactivation = 'sigmoid'\n[training]\nepochs = 1\nbatch_size = 1\n\
                      learning_rate = 0.1\n";
        let recipe = crate::model::Recipe::parse(recipe, "sum").unwrap();
        let model = Model::new(recipe, sum_of(48));
        let mut image = RgbImage::from_pixel(48, 48, image::Rgb([64; 3]));
        image.put_pixel(12, 30, image::Rgb([255; 3]));
        let explanation = explain(&model, &image).unwrap();
        // The sum is large, which is Uninfected, and the bright dot adds to it.
        assert!(explanation.prediction.probability_parasitized < 0.01);
        assert!(occlusion(&model, &image).values[9 * 16 + 3] < -1.0);
        assert_eq!(explanation.grad_cam, None);
    }

    #[test]
    fn patches_lie_in_the_image_and_cover_it() {
        for (length, share) in [1, 7, 50, 64].into_iter().flat_map(|length| PATCH_SHARES.map(|share| (length, share))) {
            let covered: std::collections::BTreeSet<usize> =
                (0..OCCLUSION_GRID).flat_map(|index| patch(index, length, share)).collect();
            assert_eq!(covered.len(), length);
        }
    }

    #[test]
    fn the_cells_colour_leaves_the_background_out() {
        assert_eq!(mean_colour(&[0.0, 0.0, 0.0, 0.5, 0.25, 1.0]), [0.5, 0.25, 1.0]);
        assert_eq!(mean_colour(&[0.0; 6]), [0.0; 3]);
    }
}
