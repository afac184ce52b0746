//! A recipe: preprocessing, layers, training settings and augmentation, read from a TOML file.

use super::ranges;
use crate::nn::{ArchitectureError, LayerSpec, Shape, architecture};
use crate::preprocess::Preprocessing;
use serde::{Deserialize, Serialize};
use std::io::{self, Read};
use std::path::Path;
use toml::de::{DeTable, DeValue};

/// Everything that says how a network is built and trained.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recipe {
    /// A short name: `seed`, `compact`.
    pub name: String,
    /// One sentence for people.
    #[serde(default)]
    pub description: String,
    /// From an image to the input.
    pub input: Preprocessing,
    /// From the input to the logit.
    pub layers: Vec<LayerSpec>,
    /// How it is trained.
    pub training: Training,
    /// How training images are varied.
    #[serde(default)]
    pub augmentation: Augmentation,
}

/// How a network is trained.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Training {
    /// Passes over the training images.
    pub epochs: u64,
    /// Images a step.
    pub batch_size: usize,
    /// Adam's step size at its highest.
    pub learning_rate: f32,
    /// How the step size changes over the run.
    #[serde(default)]
    pub schedule: Schedule,
    /// AdamW's decoupled weight decay; 0 is plain Adam.
    #[serde(default)]
    pub weight_decay: f32,
    /// Targets are moved by half of this towards 0.5.
    #[serde(default)]
    pub label_smoothing: f32,
    /// Decay a step of the exponential moving average of the weights that is validated and saved; 0 is none.
    #[serde(default)]
    pub ema_decay: f32,
}

/// How the step size changes over the run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Schedule {
    /// It stays.
    #[default]
    Constant,
    /// Rises linearly over the first twentieth of the steps, then falls to zero along half a cosine.
    WarmupCosine,
}

/// How training images are varied; every default is "not at all".
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Augmentation {
    /// Shear angle is uniform in ± this many degrees (Keras' `shear_range`).
    pub shear_degrees: f32,
    /// Zoom of each axis, independently uniform in 1 ± this (Keras' `zoom_range`).
    pub zoom: f32,
    /// Mirror left and right, one in two.
    pub horizontal_flip: bool,
    /// Mirror top and bottom, one in two.
    pub vertical_flip: bool,
    /// Turn by a random multiple of 90 degrees.
    pub quarter_turns: bool,
    /// Rotation is uniform in ± this many degrees.
    pub rotation_degrees: f32,
    /// Shift of each axis, uniform in ± this share of the side.
    pub shift: f32,
    /// Both axes are scaled by the same factor, log-uniform in 1/(1+this)..(1+this).
    pub scale: f32,
    /// Colour channels are each multiplied by a factor uniform in 1 ± this.
    pub colour: f32,
    /// Brightness is multiplied by a factor uniform in 1 ± this.
    pub brightness: f32,
    /// Contrast about the image's mean is multiplied by a factor uniform in 1 ± this.
    pub contrast: f32,
    /// Hue is turned by up to ± this many degrees.
    pub hue_degrees: f32,
    /// Saturation is multiplied by a factor uniform in 1 ± this.
    pub saturation: f32,
    /// Gaussian blur with a standard deviation uniform in 0..this, in pixels, on one image in two.
    pub blur_px: f32,
    /// The share of images whose black mask is replaced: filled as a smear looks, or re-drawn as an ellipse.
    pub mask: f32,
}

/// A recipe that cannot be read or used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RecipeError {
    /// No such recipe in the program, nor a file of that name.
    #[error("no recipe `{name}`: expected one of {known}, or a .toml file")]
    Unknown {
        /// What was asked for.
        name: String,
        /// The built-in names.
        known: String,
    },
    /// The file cannot be read.
    #[error("{path}: {source}")]
    Read {
        /// The file.
        path: String,
        /// Why.
        source: std::io::Error,
    },
    /// The text is no recipe.
    #[error("{path}{place}: {message}")]
    Parse {
        /// The file or built-in recipe.
        path: String,
        /// Where in it, if that is known.
        place: Place,
        /// What was expected there.
        message: String,
    },
    /// A number is out of its range.
    #[error("{path}{place}: `{key}`: expected {expected}, found {found}")]
    Range {
        /// The file or built-in recipe.
        path: String,
        /// Where in it, if that is known.
        place: Place,
        /// For example `training.epochs`.
        key: String,
        /// The range.
        expected: String,
        /// The value.
        found: String,
    },
    /// The layers do not fit.
    #[error("{path}{place}: {source}")]
    Layers {
        /// The file or built-in recipe.
        path: String,
        /// Where in it the layer is, if that is known.
        place: Place,
        /// Which layer, and why.
        source: Box<ArchitectureError>,
    },
}

/// A line and column of a text, both from 1; written as `, line 3, column 9`, or as nothing where unknown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place(pub Option<(usize, usize)>);

impl Place {
    /// The place of a byte of the text.
    fn at(text: &str, byte: usize) -> Place {
        let before = text.get(..byte).unwrap_or(text);
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        Place(Some((before.matches('\n').count() + 1, before[line_start..].chars().count() + 1)))
    }

    /// The place of the value that a path like `["layers", "2", "rate"]` leads to, or of the nearest thing on the way.
    fn of_key(text: &str, key: &[&str]) -> Place {
        let Ok(table) = DeTable::parse(text) else { return Place(None) };
        let mut place = Place(None);
        let (mut table, mut value): (Option<&DeTable<'_>>, Option<&DeValue<'_>>) = (Some(table.get_ref()), None);
        for part in key {
            let next = match (table, value) {
                (Some(inside), _) => inside.get(*part),
                (None, Some(DeValue::Array(items))) => part.parse().ok().and_then(|index: usize| items.get(index)),
                _ => None,
            };
            let Some(next) = next else { break };
            place = Place::at(text, next.span().start);
            value = Some(next.get_ref());
            table = value.and_then(DeValue::as_table);
        }
        place
    }
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0 {
            Some((line, column)) => write!(f, ", line {line}, column {column}"),
            None => Ok(()),
        }
    }
}

/// The recipes in the program: name and text.
const BUILT_IN: [(&str, &str); 2] = [
    ("compact", include_str!("recipes/compact.toml")),
    ("keras-tutorial", include_str!("recipes/keras-tutorial.toml")),
];

/// Earlier names of built-in recipes.
const ALIASES: [(&str, &str); 1] = [("seed", "keras-tutorial")];

/// The largest recipe file that is read, in bytes.
const MAX_FILE_BYTES: u64 = 1 << 20;

impl Recipe {
    /// A built-in recipe by name, or the recipe in a `.toml` file.
    ///
    /// ```
    /// use giemsa::model::Recipe;
    /// assert_eq!(Recipe::load("keras-tutorial")?.input.side_px, 50);
    /// assert!(Recipe::load("sead").unwrap_err().to_string().contains("expected one of compact, keras-tutorial"));
    /// # Ok::<(), giemsa::model::RecipeError>(())
    /// ```
    ///
    /// # Errors
    /// When there is no such recipe, or it is not one; the error says at which line and column.
    pub fn load(name_or_path: &str) -> Result<Recipe, RecipeError> {
        let alias = ALIASES.iter().find(|(alias, _)| *alias == name_or_path);
        let built_in = alias.map_or(name_or_path, |(_, name)| name);
        if let Some((name, text)) = BUILT_IN.iter().find(|(name, _)| *name == built_in) {
            return Recipe::parse(text, &format!("recipe `{name}`"));
        }
        if !name_or_path.to_ascii_lowercase().ends_with(".toml") {
            return Err(RecipeError::Unknown {
                name: name_or_path.to_owned(),
                known: Recipe::built_in_names().collect::<Vec<_>>().join(", "),
            });
        }
        let text = read_text(Path::new(name_or_path))
            .map_err(|source| RecipeError::Read { path: name_or_path.to_owned(), source })?;
        Recipe::parse(&text, name_or_path)
    }

    /// The recipe in a text; `path` is for the error alone.
    ///
    /// # Errors
    /// As [`Recipe::load`].
    pub fn parse(text: &str, path: &str) -> Result<Recipe, RecipeError> {
        let recipe: Recipe = toml::from_str(text).map_err(|e: toml::de::Error| RecipeError::Parse {
            path: path.to_owned(),
            place: e.span().map_or(Place(None), |span| Place::at(text, span.start)),
            message: e.message().to_owned(),
        })?;
        recipe.check(text, path)?;
        Ok(recipe)
    }

    /// Refuses numbers out of range and layers that do not fit; `text` is where the places in the errors are looked up.
    ///
    /// # Errors
    /// Which key, what was expected, and what was found.
    pub fn check(&self, text: &str, path: &str) -> Result<(), RecipeError> {
        if let Some(wrong) = ranges::first_out_of_range(self) {
            let place = Place::of_key(text, &wrong.key.split('.').collect::<Vec<_>>());
            let (path, key) = (path.to_owned(), wrong.key);
            return Err(RecipeError::Range { path, place, key, expected: wrong.expected, found: wrong.found });
        }
        architecture::shapes(self.input_shape(), &self.layers).map(|_| ()).map_err(|source| {
            let place = match &source {
                ArchitectureError::Layer { index, .. } => {
                    Place::of_key(text, &["layers", &index.saturating_sub(1).to_string()])
                }
                _ => Place(None),
            };
            RecipeError::Layers { path: path.to_owned(), place, source: source.into() }
        })
    }

    /// The network's input: a square of colours.
    pub fn input_shape(&self) -> Shape {
        Shape { height: self.input.side_px, width: self.input.side_px, channels: 3 }
    }

    /// The names of the recipes in the program.
    pub fn built_in_names() -> impl Iterator<Item = &'static str> {
        BUILT_IN.iter().map(|(name, _)| *name)
    }

    /// The recipe as a TOML text that [`Recipe::parse`] reads back.
    pub fn to_toml(&self) -> Result<String, toml::ser::Error> {
        toml::to_string_pretty(self)
    }
}

/// The text of a file that may not be larger than a recipe can sensibly be.
fn read_text(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    let read = std::fs::File::open(path)?.take(MAX_FILE_BYTES + 1).read_to_string(&mut text)? as u64;
    if read > MAX_FILE_BYTES {
        return Err(io::Error::other(format!("expected a recipe of at most {MAX_FILE_BYTES} bytes, found more")));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TUTORIAL: &str = BUILT_IN[1].1;

    fn error_of(text: &str) -> String {
        Recipe::parse(text, "my.toml").unwrap_err().to_string()
    }

    #[test]
    fn seed_is_the_networks_of_the_tutorial() {
        let recipe = Recipe::load("keras-tutorial").unwrap();
        assert_eq!(recipe.layers.len(), 11);
        assert_eq!((recipe.training.epochs, recipe.training.batch_size), (10, 100));
        assert_eq!(recipe.training.schedule, Schedule::Constant);
        assert_eq!(recipe.augmentation.shear_degrees, 0.2);
    }

    #[test]
    fn accepts_the_earlier_name_of_the_tutorials_recipe() {
        assert_eq!(Recipe::load("seed").unwrap(), Recipe::load("keras-tutorial").unwrap());
    }

    #[test]
    fn a_recipe_survives_being_written_and_read() {
        let recipe = Recipe::load("keras-tutorial").unwrap();
        assert_eq!(Recipe::parse(&recipe.to_toml().unwrap(), "written").unwrap(), recipe);
    }

    #[test]
    fn an_error_names_file_line_and_column() {
        let cases = [
            ("side_px = 50", "side_px = fifty", "my.toml, line 5, column 11: "),
            ("side_px = 50", "side = 50", "my.toml, line 5, column 1: unknown field `side`"),
            ("epochs = 10", "epochs = 0", "my.toml, line 57, column 10: `training.epochs`: expected at least 1"),
            ("rate = 0.2", "rate = 1.0", "my.toml, line 35, column 1: layer 7 (dropout): expected a `rate`"),
            ("learning_rate = 0.001", "learning_rate = nan", "my.toml, line 59, column 17: `training.learning_rate`"),
            ("learning_rate = 0.001", "learning_rate = inf", "`training.learning_rate`: expected"),
            ("side_px = 50", "side_px = 100000", "`input.side_px`: expected at most 1024, found 100000"),
        ];
        for (old, new, expected) in cases {
            let text = error_of(&TUTORIAL.replacen(old, new, 1));
            assert!(text.contains(expected), "{new}: {text}");
        }
    }

    #[test]
    fn an_unknown_layer_is_named_with_the_known_ones() {
        let text = error_of(&TUTORIAL.replacen("kind = \"flatten\"", "kind = \"flaten\"", 1));
        assert!(text.contains("unknown variant `flaten`") && text.contains("`flatten`"), "{text}");
        assert!(text.contains("line 4"), "{text}");
    }

    #[test]
    fn layers_that_do_not_fit_are_named_with_their_line() {
        let text = error_of(&TUTORIAL.replacen("[[layers]]\nkind = \"flatten\"\n", "", 1));
        assert!(text.contains("my.toml, line 40, column 1: layer 8 (dense)"), "{text}");
    }

    #[test]
    fn a_recipe_that_is_no_file_says_so() {
        let text = Recipe::load("/no/such/recipe.toml").unwrap_err().to_string();
        assert!(text.starts_with("/no/such/recipe.toml: "), "{text}");
    }
}
