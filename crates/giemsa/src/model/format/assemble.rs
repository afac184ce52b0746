//! From the contents of a file to a model.

use super::source::Source;
use super::{Contents, FormatError, ImportSettings};
use crate::classes::Class;
use crate::model::container::{self, Metadata};
use crate::model::recipe::{Augmentation, Schedule, Training};
use crate::model::{Model, ModelError, Recipe};
use crate::nn::{LayerSpec, Shape, Tensor};
use crate::preprocess::{Preprocessing, Resize};

/// Builds the model: with the recipe of the settings, or that of the metadata, or a new one with the layers of the file.
pub(super) fn model(contents: Contents, source: Source, settings: &ImportSettings) -> Result<Model, FormatError> {
    let Contents { layers, mut weights, metadata, logit_scale } = contents;
    weights.iter().try_for_each(|tensor| container::check_finite(tensor, source.path))?;
    let recipe = recipe(layers, metadata.as_ref(), source, settings)?;
    if let Some(mut metadata) = metadata {
        let text = recipe.to_toml().map_err(|e| unwritable(e, source))?;
        metadata.insert("recipe".to_owned(), text);
        return Ok(Model::from_parts(&metadata, weights, source.path)?);
    }
    if (logit_scale < 0.0) != (settings.probability_of == Class::Parasitized) {
        negate_class(&mut weights);
    }
    Ok(Model { temperature: 1.0 / logit_scale.abs(), ..Model::from_weights(recipe, &weights, source.path)? })
}

fn unwritable(error: toml::ser::Error, source: Source) -> ModelError {
    ModelError::UnwritableRecipe { path: source.path.to_owned(), source: error.into() }
}

/// Returns the metadata if this program wrote it.
pub(super) fn own_metadata(metadata: Metadata) -> Option<Metadata> {
    metadata.contains_key("recipe").then_some(metadata)
}

/// Returns the recipe that a file contains if this program wrote it.
pub(super) fn recipe_in(metadata: &Metadata, source: Source) -> Result<Recipe, FormatError> {
    let text = container::text(metadata, "recipe", source.path)?;
    Recipe::parse(text, "recipe in the metadata")
        .map_err(|error| FormatError::Recipe { path: source.path.to_owned(), source: error.into() })
}

/// Returns the recipe of a file without layers: that of the settings, or else that of the metadata.
///
/// # Errors
/// [`FormatError::RecipeNeeded`] if there is neither.
pub(super) fn needed_recipe(
    given: Option<&Recipe>,
    metadata: Option<&Metadata>,
    source: Source,
) -> Result<Recipe, FormatError> {
    match (given, metadata) {
        (Some(recipe), _) => Ok(recipe.clone()),
        (None, Some(metadata)) => recipe_in(metadata, source),
        (None, None) => Err(FormatError::RecipeNeeded { path: source.path.to_owned(), format: source.format }),
    }
}

/// Returns the recipe of the imported model.
fn recipe(
    layers: Option<(Shape, Vec<LayerSpec>)>,
    metadata: Option<&Metadata>,
    source: Source,
    settings: &ImportSettings,
) -> Result<Recipe, FormatError> {
    let recipe = match (&settings.recipe, metadata) {
        (Some(recipe), _) => Some(recipe.clone()),
        (None, Some(metadata)) => Some(recipe_in(metadata, source)?),
        (None, None) => None,
    };
    let Some((input, layers)) = layers else { return needed_recipe(recipe.as_ref(), None, source) };
    let difference = recipe.as_ref().and_then(|recipe| difference(recipe, input, &layers));
    let recipe = match (recipe, difference) {
        (Some(recipe), None) => recipe,
        (Some(recipe), Some(difference)) if settings.recipe.is_some() => {
            return Err(FormatError::LayersDiffer { path: source.path.to_owned(), recipe: recipe.name, difference });
        }
        // Another tool has changed the layers, such as folded batch normalisation into convolutions.
        (Some(recipe), Some(_)) => Recipe { layers, ..recipe },
        (None, _) => new_recipe(input, layers, source)?,
    };
    let text = recipe.to_toml().map_err(|e| unwritable(e, source))?;
    recipe
        .check(&text, "the imported recipe")
        .map_err(|error| FormatError::Recipe { path: source.path.to_owned(), source: error.into() })?;
    Ok(recipe)
}

/// Returns the first difference between the layers of a recipe and those of a file, except dropout, which files for inference
/// do not contain, and flattening, which some tools add to and others omit from the output of a global average.
fn difference(recipe: &Recipe, input: Shape, layers: &[LayerSpec]) -> Option<String> {
    if recipe.input_shape() != input {
        return Some(format!("expected an input of {}, found {input}", recipe.input_shape()));
    }
    let is_kept = |layer: &&LayerSpec| !matches!(layer, LayerSpec::Dropout { .. } | LayerSpec::Flatten {});
    let [mut expected, mut found] = [&recipe.layers[..], layers].map(|layers| layers.iter().filter(is_kept));
    loop {
        match (expected.next(), found.next()) {
            (None, None) => return None,
            (Some(expected), Some(found)) if expected == found => {}
            (expected, found) => {
                let [expected, found] =
                    [expected, found].map(|layer| layer.map_or("no layer".to_owned(), |layer| format!("{layer:?}")));
                return Some(format!("expected {expected}, found {found}"));
            }
        }
    }
}

/// Returns a recipe with the layers of a file, and the preprocessing and training of the Keras tutorial.
fn new_recipe(input: Shape, layers: Vec<LayerSpec>, source: Source) -> Result<Recipe, FormatError> {
    if input.height != input.width || input.channels != 3 {
        return Err(source.unsupported("input", format!("expected a square RGB image, found {input}")));
    }
    if !matches!(layers.last(), Some(LayerSpec::Dense { units: 1, .. })) {
        let reason = "expected one value, found several, whose meaning only a recipe with two of them defines";
        return Err(source.unsupported("output", reason));
    }
    Ok(Recipe {
        name: "imported".to_owned(),
        description: format!("Imported from the format {}.", source.format),
        input: Preprocessing::new(input.height, Resize::StretchNearest),
        layers,
        training: Training {
            epochs: 10,
            batch_size: 100,
            learning_rate: 0.001,
            schedule: Schedule::Constant,
            weight_decay: 0.0,
            label_smoothing: 0.0,
            negative_target: 0.0,
            ema_decay: 0.0,
        },
        augmentation: Augmentation::NONE,
    })
}

/// Negates the logit of the class: the first column of the last kernel and of its bias.
fn negate_class(weights: &mut [Tensor]) {
    let first_of_last = weights.len().saturating_sub(2);
    for tensor in &mut weights[first_of_last..] {
        let outputs = tensor.shape.last().copied().unwrap_or(1).max(1);
        tensor.values.iter_mut().step_by(outputs).for_each(|value| *value = -*value);
    }
}

/// Describes the content of a file that is in no known format.
pub(super) fn describe(bytes: &[u8]) -> String {
    match bytes {
        [] => "an empty file".to_owned(),
        [0x93, b'N', b'U', b'M', b'P', b'Y', ..] => "a NumPy array".to_owned(),
        _ => format!("a file that starts with the bytes {:02x?}", &bytes[..bytes.len().min(8)]),
    }
}
