//! Reads a recipe. One that is valid is the same after writing and reading it.

#![no_main]

use giemsa::model::Recipe;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    if let Ok(recipe) = Recipe::parse(text, "recipe.toml") {
        let written = recipe.to_toml().expect("a valid recipe can be written");
        assert_eq!(Recipe::parse(&written, "written").expect("a written recipe can be read"), recipe);
    }
});
