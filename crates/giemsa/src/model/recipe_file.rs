//! Recipes as TOML: the built-in recipes, recipe files, and their errors.

use super::ranges::{self, OutOfRange};
use super::recipe::Recipe;
use crate::input::{self, InputError};
use crate::nn::{ArchitectureError, architecture};
use std::path::Path;
use toml::de::{DeTable, DeValue};

/// A recipe that cannot be read or used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RecipeError {
    /// The name is neither a built-in recipe nor the path of a recipe file.
    #[error("unknown recipe `{name}`: expected {}, or the path of a .toml file", known.join(", "))]
    Unknown {
        /// The name.
        name: String,
        /// The names of the built-in recipes.
        known: Vec<&'static str>,
    },
    /// The file cannot be read.
    #[error(transparent)]
    Input(#[from] InputError),
    /// The text is not TOML, or not a recipe: a key is missing, unknown, or has a value of another type.
    #[error("{origin}{place}: {message}")]
    Syntax {
        /// The file or built-in recipe.
        origin: String,
        /// The place in the text.
        place: Place,
        /// The error of the TOML parser.
        message: String,
    },
    /// A number or a text is out of its range.
    #[error("{origin}{place}: expected `{key}` to be {expected}, found {found}")]
    OutOfRange {
        /// The file or built-in recipe.
        origin: String,
        /// The place in the text.
        place: Place,
        /// The key of the value, such as `training.epochs`.
        key: String,
        /// The range, in words.
        expected: String,
        /// The value.
        found: String,
    },
    /// The text is longer than any recipe.
    #[error("{origin}: expected a recipe of at most {MAX_TEXT_BYTES} bytes, found {found_bytes}")]
    TooLong {
        /// The file or built-in recipe.
        origin: String,
        /// The size of the text.
        found_bytes: usize,
    },
    /// The layers do not fit each other or the input.
    #[error("{origin}{place}: {source}")]
    Layers {
        /// The file or built-in recipe.
        origin: String,
        /// The place of the layer in the text.
        place: Place,
        /// The layer and its error.
        source: Box<ArchitectureError>,
    },
}

/// A line and a column of a text, both counted from 1; `None` if unknown. Displayed as `, line 3, column 9`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place(pub Option<(usize, usize)>);

impl Place {
    /// Returns the place of a byte of the text.
    fn at(text: &str, byte: usize) -> Place {
        let before = text.get(..byte).unwrap_or(text);
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        Place(Some((before.matches('\n').count() + 1, before[line_start..].chars().count() + 1)))
    }

    /// Returns the place of the value at a key such as `["layers", "2", "rate"]`, or of its nearest ancestor.
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

/// Names and texts of the built-in recipes.
const BUILT_IN: [(&str, &str); 2] = [
    ("compact", include_str!("recipes/compact.toml")),
    ("keras-tutorial", include_str!("recipes/keras-tutorial.toml")),
];

/// Former names of built-in recipes.
const ALIASES: [(&str, &str); 1] = [("seed", "keras-tutorial")];

/// The longest recipe that is read, in bytes: more than twice as long as one with the largest number of layers. The TOML
/// parser needs up to a few hundred times as much memory.
const MAX_TEXT_BYTES: usize = 1 << 18;

impl Recipe {
    /// Returns a built-in recipe by name, or reads the recipe in a `.toml` file.
    ///
    /// ```
    /// use giemsa::model::{Recipe, RecipeError};
    /// assert_eq!(Recipe::load("keras-tutorial")?.input.side_px, 50);
    /// let Err(RecipeError::Unknown { known, .. }) = Recipe::load("nonsense") else { unreachable!() };
    /// assert_eq!(known, ["compact", "keras-tutorial"]);
    /// # Ok::<(), RecipeError>(())
    /// ```
    ///
    /// # Errors
    /// If there is no such recipe, the file cannot be read, or the recipe is invalid. The error contains line and column.
    pub fn load(name_or_path: &str) -> Result<Recipe, RecipeError> {
        let alias = ALIASES.iter().find(|(alias, _)| *alias == name_or_path);
        let built_in = alias.map_or(name_or_path, |(_, name)| name);
        if let Some((name, text)) = BUILT_IN.iter().find(|(name, _)| *name == built_in) {
            return Recipe::parse(text, &format!("recipe `{name}`"));
        }
        if !name_or_path.to_ascii_lowercase().ends_with(".toml") {
            let known = Recipe::built_in_names().collect();
            return Err(RecipeError::Unknown { name: name_or_path.to_owned(), known });
        }
        Recipe::parse(&input::read_text(Path::new(name_or_path), MAX_TEXT_BYTES as u64)?, name_or_path)
    }

    /// Parses a recipe. `origin`, such as the path of the file, appears in errors only.
    ///
    /// ```
    /// let text = "
    ///     name = 'logistic-regression'
    ///     layers = [{ kind = 'flatten' }, { kind = 'dense', units = 1, activation = 'sigmoid' }]
    ///     input = { side_px = 32, resize = 'fit' }
    ///     training = { epochs = 0, batch_size = 32, learning_rate = 0.001 }";
    /// let error = giemsa::model::Recipe::parse(text, "mine.toml").unwrap_err().to_string();
    /// assert_eq!(error, "mine.toml, line 5, column 27: expected `training.epochs` to be at least 1, found 0");
    /// ```
    ///
    /// # Errors
    /// If the text is not a recipe, a value is out of its range, or the layers do not fit.
    pub fn parse(text: &str, origin: &str) -> Result<Recipe, RecipeError> {
        if text.len() > MAX_TEXT_BYTES {
            return Err(RecipeError::TooLong { origin: origin.to_owned(), found_bytes: text.len() });
        }
        let recipe: Recipe = toml::from_str(text).map_err(|e: toml::de::Error| RecipeError::Syntax {
            origin: origin.to_owned(),
            place: e.span().map_or(Place(None), |span| Place::at(text, span.start)),
            message: e.message().to_owned(),
        })?;
        recipe.check(text, origin)?;
        Ok(recipe)
    }

    /// Checks the ranges of all values, and that the layers fit each other and the limits of networks. Errors contain the
    /// place of the offending value in `text`, if it is the text of the recipe.
    ///
    /// # Errors
    /// If a value is out of its range, or the layers do not fit.
    pub fn check(&self, text: &str, origin: &str) -> Result<(), RecipeError> {
        let check = |out_of_range: Option<OutOfRange>| {
            out_of_range.map_or(Ok(()), |OutOfRange { key, expected, found }| {
                let place = Place::of_key(text, &key.split('.').collect::<Vec<_>>());
                Err(RecipeError::OutOfRange { origin: origin.to_owned(), place, key, expected, found })
            })
        };
        check(ranges::first_out_of_range(self))?;
        let needs = architecture::needs(self.input_shape(), &self.layers).map_err(|source| {
            let place = match &source {
                ArchitectureError::Layer { index, .. } => {
                    Place::of_key(text, &["layers", &index.saturating_sub(1).to_string()])
                }
                _ => Place(None),
            };
            RecipeError::Layers { origin: origin.to_owned(), place, source: source.into() }
        })?;
        check(ranges::batch_out_of_range(self, needs.output_values))
    }

    /// Returns the names of the built-in recipes.
    pub fn built_in_names() -> impl Iterator<Item = &'static str> {
        BUILT_IN.iter().map(|(name, _)| *name)
    }

    /// Formats the recipe as TOML, which [`Recipe::parse`] reads back.
    ///
    /// # Errors
    /// If a number cannot be represented in TOML. No recipe that passes [`Recipe::check`] contains such a number.
    pub fn to_toml(&self) -> Result<String, toml::ser::Error> {
        toml::to_string_pretty(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::recipe::Schedule;

    const TUTORIAL: &str = BUILT_IN[1].1;

    fn error_of(text: &str) -> String {
        Recipe::parse(text, "my.toml").unwrap_err().to_string()
    }

    #[test]
    fn keras_tutorial_has_the_layers_and_settings_of_the_tutorial() {
        let recipe = Recipe::load("keras-tutorial").unwrap();
        assert_eq!(recipe.layers.len(), 11);
        assert_eq!((recipe.training.epochs, recipe.training.batch_size), (10, 100));
        assert_eq!(recipe.training.schedule, Schedule::Constant);
        assert_eq!(recipe.augmentation.shear_degrees, 0.2);
    }

    #[test]
    fn accepts_the_former_name_of_keras_tutorial() {
        assert_eq!(Recipe::load("seed").unwrap(), Recipe::load("keras-tutorial").unwrap());
    }

    #[test]
    fn round_trips_through_toml() {
        let recipe = Recipe::load("keras-tutorial").unwrap();
        assert_eq!(Recipe::parse(&recipe.to_toml().unwrap(), "written").unwrap(), recipe);
    }

    #[test]
    fn errors_contain_file_line_and_column() {
        let cases = [
            ("side_px = 50", "side_px = fifty", "my.toml, line 5, column 11: "),
            ("side_px = 50", "side = 50", "my.toml, line 5, column 1: unknown field `side`"),
            ("epochs = 10", "epochs = 0", "my.toml, line 57, column 10: expected `training.epochs` to be at least 1"),
            ("rate = 0.2", "rate = 1.0", "my.toml, line 35, column 1: layer 7 (dropout): expected a `rate`"),
            (
                "learning_rate = 0.001",
                "learning_rate = nan",
                "my.toml, line 59, column 17: expected `training.learning_rate` to be a finite number",
            ),
            (
                "learning_rate = 0.001",
                "learning_rate = inf",
                "expected `training.learning_rate` to be a finite number above 0, found inf",
            ),
            ("side_px = 50", "side_px = 100000", "expected `input.side_px` to be at most 1024, found 100000"),
        ];
        for (old, new, expected) in cases {
            let text = error_of(&TUTORIAL.replacen(old, new, 1));
            assert!(text.contains(expected), "{new}: {text}");
        }
    }

    #[test]
    fn not_a_cell_without_a_second_output_is_an_error() {
        let compact = BUILT_IN[0].1;
        assert!(compact.contains("units = 2"));
        let text = error_of(&compact.replacen("units = 2", "units = 1", 1));
        let expected = "expected `augmentation.not_a_cell` to be 0 unless the last layer has 2 units, found 0.";
        assert!(text.contains(expected), "{text}");
    }

    #[test]
    fn lists_the_known_kinds_for_an_unknown_layer() {
        let text = error_of(&TUTORIAL.replacen("kind = \"flatten\"", "kind = \"flaten\"", 1));
        assert!(text.contains("unknown variant `flaten`") && text.contains("`flatten`"), "{text}");
        assert!(text.contains("line 4"), "{text}");
    }

    #[test]
    fn errors_of_layers_contain_the_line() {
        let text = error_of(&TUTORIAL.replacen("[[layers]]\nkind = \"flatten\"\n", "", 1));
        assert!(text.contains("my.toml, line 40, column 1: layer 8 (dense)"), "{text}");
    }

    #[test]
    fn the_error_of_a_missing_recipe_file_contains_its_path() {
        let error = Recipe::load("/no/such/recipe.toml").unwrap_err();
        assert!(error.to_string().starts_with("/no/such/recipe.toml: "), "{error}");
        assert!(matches!(error, RecipeError::Input(error) if error.path() == Path::new("/no/such/recipe.toml")));
    }

    #[test]
    fn an_unknown_name_lists_the_built_in_recipes() {
        let text = Recipe::load("nonsense").unwrap_err().to_string();
        assert_eq!(text, "unknown recipe `nonsense`: expected compact, keras-tutorial, or the path of a .toml file");
    }
}
