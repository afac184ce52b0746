//! Broken recipes.

use crate::Size;
use crate::mutation::{Random, mutate_toml};
use crate::table::Row;
use giemsa::model::Recipe;

/// Reads changed recipes. One that is accepted must be writable, and the same when read again.
pub fn attack(size: Size) -> Vec<Row> {
    let seeds = ["compact", "keras-tutorial"].map(|name| Recipe::load(name).unwrap().to_toml().unwrap());
    let mut row = Row::new("recipes");
    for number in 0..size.of(300, 1_000) {
        let text = mutate_toml(&seeds[number % seeds.len()], &mut Random::new(number as u64));
        let name = format!("recipe {number}");
        if let Some(recipe) = row.count(&name, || Recipe::parse(&text, "recipe.toml")) {
            let again = Recipe::parse(&recipe.to_toml().unwrap(), "again");
            if again.ok() != Some(recipe) {
                row.faults.push(format!("{name}: another recipe after writing and reading it"));
            }
        }
    }
    vec![row]
}
