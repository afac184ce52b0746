//! The ranges of the texts and numbers in a recipe. The engine checks those of the layers.

use super::names;
use super::recipe::Recipe;
use crate::nn::architecture::{MAX_LAYERS, MAX_SIDE_PX};

/// A value that is out of its range.
pub(super) struct OutOfRange {
    /// Key in the recipe, such as `training.epochs`.
    pub key: String,
    /// Range, in words.
    pub expected: String,
    pub found: String,
}

/// The longest description, in bytes: a model file, which contains it, must remain readable.
const MAX_DESCRIPTION_BYTES: usize = 4096;
/// The largest number of values in the outputs of all layers for a batch: 16 GiB, and as much for their gradients.
const MAX_BATCH_VALUES: u64 = 1 << 32;

/// Returns the first value that is out of its range, or `None` if all are valid.
pub(super) fn first_out_of_range(recipe: &Recipe) -> Option<OutOfRange> {
    let mut checks = vec![
        name(&recipe.name),
        description(&recipe.description),
        whole("input.side_px", recipe.input.side_px as u64, 1, MAX_SIDE_PX as u64),
        whole("layers", recipe.layers.len() as u64, 1, MAX_LAYERS as u64),
    ];
    checks.extend(training_checks(recipe));
    checks.extend(augmentation_checks(recipe));
    checks.push(unusable_settings(recipe));
    checks.into_iter().flatten().next()
}

/// Returns whether a batch needs too much memory, for layers with this number of values in their outputs for one image.
pub(super) fn batch_out_of_range(recipe: &Recipe, output_values: u64) -> Option<OutOfRange> {
    let most = MAX_BATCH_VALUES / output_values.max(1);
    let batch = whole("training.batch_size", recipe.training.batch_size as u64, 1, most)?;
    Some(OutOfRange { expected: format!("{} for these layers", batch.expected), ..batch })
}

fn training_checks(recipe: &Recipe) -> [Option<OutOfRange>; 7] {
    let training = &recipe.training;
    [
        whole("training.epochs", training.epochs, 1, 1_000_000),
        whole("training.batch_size", training.batch_size as u64, 1, 1 << 20),
        positive("training.learning_rate", training.learning_rate),
        real("training.weight_decay", training.weight_decay, 0.0..1000.0),
        real("training.label_smoothing", training.label_smoothing, 0.0..1.0),
        real("training.negative_target", training.negative_target, 0.0..0.5),
        real("training.ema_decay", training.ema_decay, 0.0..1.0),
    ]
}

fn augmentation_checks(recipe: &Recipe) -> [Option<OutOfRange>; 19] {
    let a = &recipe.augmentation;
    let key = |name: &str| format!("augmentation.{name}");
    [
        real(&key("shear_degrees"), a.shear_degrees, 0.0..90.0),
        real(&key("zoom"), a.zoom, 0.0..1.0),
        real(&key("rotation_degrees"), a.rotation_degrees, 0.0..360.0),
        real(&key("shift"), a.shift, 0.0..1.0),
        real(&key("scale"), a.scale, 0.0..10.0),
        real(&key("colour"), a.colour, 0.0..1.0),
        real(&key("brightness"), a.brightness, 0.0..1.0),
        real(&key("contrast"), a.contrast, 0.0..1.0),
        real(&key("hue_degrees"), a.hue_degrees, 0.0..360.0),
        real(&key("saturation"), a.saturation, 0.0..1.0),
        real(&key("density"), a.density, 0.0..10.0),
        real(&key("noise"), a.noise, 0.0..1.0),
        real(&key("blur_px"), a.blur_px, 0.0..100.0),
        fraction(&key("mask"), a.mask),
        fraction(&key("mask_ellipse"), a.mask_ellipse),
        fraction(&key("transplant"), a.transplant),
        fraction(&key("late_stage"), a.late_stage),
        fraction(&key("crenation"), a.crenation),
        fraction(&key("not_a_cell"), a.not_a_cell),
    ]
}

/// Checks that settings which need another one are not used without it.
fn unusable_settings(recipe: &Recipe) -> Option<OutOfRange> {
    let not_a_cell = recipe.augmentation.not_a_cell;
    let wrong = not_a_cell > 0.0 && recipe.outputs() == 1;
    wrong.then(|| OutOfRange {
        key: "augmentation.not_a_cell".to_owned(),
        expected: "0 unless the last layer has 2 units".to_owned(),
        found: not_a_cell.to_string(),
    })
}

/// Checks that the name of a recipe is a plain file name: files and folders are named after it.
fn name(name: &str) -> Option<OutOfRange> {
    let shown: String = name.chars().take(names::MAX_BYTES).collect();
    let out_of_range =
        || OutOfRange { key: "name".to_owned(), expected: names::EXPECTED.to_owned(), found: format!("{shown:?}") };
    (!names::is_plain(name)).then(out_of_range)
}

fn description(description: &str) -> Option<OutOfRange> {
    (description.len() > MAX_DESCRIPTION_BYTES).then(|| OutOfRange {
        key: "description".to_owned(),
        expected: format!("at most {MAX_DESCRIPTION_BYTES} bytes"),
        found: description.len().to_string(),
    })
}

fn whole(key: &str, found: u64, least: u64, most: u64) -> Option<OutOfRange> {
    let expected = match found {
        _ if found < least => format!("at least {least}"),
        _ if found > most => format!("at most {most}"),
        _ => return None,
    };
    Some(OutOfRange { key: key.to_owned(), expected, found: found.to_string() })
}

fn fraction(key: &str, found: f32) -> Option<OutOfRange> {
    let wrong = !(0.0..=1.0).contains(&found);
    wrong.then(|| OutOfRange { key: key.to_owned(), expected: "in 0..=1".to_owned(), found: found.to_string() })
}

fn positive(key: &str, found: f32) -> Option<OutOfRange> {
    let wrong = !(found.is_finite() && found > 0.0);
    wrong.then(|| OutOfRange {
        key: key.to_owned(),
        expected: "a finite number above 0".to_owned(),
        found: found.to_string(),
    })
}

fn real(key: &str, found: f32, range: std::ops::Range<f32>) -> Option<OutOfRange> {
    let wrong = !range.contains(&found);
    wrong.then(|| OutOfRange {
        key: key.to_owned(),
        expected: format!("at least {} and below {}", range.start, range.end),
        found: found.to_string(),
    })
}
