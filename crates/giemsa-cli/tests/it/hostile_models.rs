//! Model files and recipes of an attacker: each is an error message, within little memory.

use crate::cells::{QUICK_RECIPE, giemsa, place};
use assert_cmd::Command;
use giemsa::model::{Model, Recipe};
use giemsa::nn::Network;
use predicates::prelude::*;
use predicates::str::contains;
use serde_json::{Value, json};
use std::path::Path;

/// Names and shapes of arrays.
type Arrays<'a> = &'a [(&'a str, &'a [usize])];

/// A recipe with these layers before the last one.
fn recipe(side_px: usize, layers: &str) -> String {
    let layers = format!("layers = [{layers}{{ kind = 'dense', units = 1, activation = 'sigmoid' }}]");
    let input = format!("side_px = {side_px}");
    QUICK_RECIPE
        .replace("layers = [{ kind = 'flatten' }, { kind = 'dense', units = 1, activation = 'sigmoid' }]", &layers)
        .replace("side_px = 20", &input)
}

/// Writes a model file with a recipe and arrays of zeros.
fn write_model(path: &Path, recipe: &str, arrays: Arrays<'_>) {
    use sha2::Digest;
    let mut metadata = json!({
        "format": "giemsa-model-1", "classes": "Parasitized,Uninfected", "recipe": recipe, "temperature": "1",
        "threshold": "0.5",
    });
    let mut header = json!({});
    let mut end = 0;
    for (name, shape) in arrays {
        let from = end;
        end += shape.iter().product::<usize>() * 4;
        header[name] = json!({"dtype": "F32", "shape": shape, "data_offsets": [from, end]});
    }
    let data = vec![0; end];
    let mut hash = sha2::Sha256::new();
    let mut texts: Vec<(&String, &Value)> = metadata.as_object().unwrap().iter().collect();
    texts.sort_by_key(|(key, _)| *key);
    texts.iter().for_each(|(key, text)| hash.update(format!("{key}\0{}\0", text.as_str().unwrap())));
    hash.update(&data);
    let sum: String = hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
    metadata["sha256"] = sum.into();
    header["__metadata__"] = metadata;
    let header = header.to_string();
    std::fs::write(path, [&(header.len() as u64).to_le_bytes(), header.as_bytes(), &data].concat()).unwrap();
}

/// Returns the program in an address space of this size. An allocation beyond it fails.
fn giemsa_within(mebibytes: usize) -> Command {
    let mut command = Command::new("sh");
    let limited = format!("ulimit -v {} && exec \"$0\" --threads 1 \"$@\"", mebibytes * 1024);
    command.arg("-c").arg(limited).arg(giemsa().get_program());
    command
}

#[test]
fn model_files_that_ask_for_too_much_are_errors() {
    let (folder, _) = place();
    let path = folder.path().join("hostile.safetensors");
    let flatten = "{ kind = 'flatten' }, ";
    let wide = "{ kind = 'conv2d', filters = 16384, kernel = 1 }, { kind = 'global_average_pooling2d' }, ";
    let slow =
        "{ kind = 'conv2d', filters = 1, kernel = 15 }, ".repeat(997) + "{ kind = 'global_average_pooling2d' }, ";
    let wide_arrays: [(&str, &[usize]); 4] = [
        ("conv2d.kernel", &[1, 1, 3, 16_384]),
        ("conv2d.bias", &[16_384]),
        ("dense.kernel", &[16_384, 1]),
        ("dense.bias", &[1]),
    ];
    let one_unit: [(&str, &[usize]); 2] = [("dense.kernel", &[1024 * 1024 * 3, 1]), ("dense.bias", &[1])];
    let cases: [(String, Arrays<'_>, &str); 4] = [
        (recipe(1024, wide), &wide_arrays, "values in the output of a layer"),
        (recipe(1024, flatten), &one_unit, "zeros that pad filters or units"),
        (recipe(1024, &slow), &[], "multiply-adds per image"),
        ("[[layers]]\n".repeat(200_000), &[], "expected a recipe of at most 262144 bytes"),
    ];
    for (recipe, arrays, expected) in cases {
        write_model(&path, &recipe, arrays);
        let limited = if cfg!(target_os = "linux") { giemsa_within(320) } else { giemsa() };
        let result = { limited }.arg("info").arg("--model").arg(&path).assert();
        result.code(4).stderr(contains("hostile.safetensors: ").and(contains(expected)));
    }
}

#[cfg(target_os = "linux")]
#[test]
fn an_honest_model_needs_twice_its_size() {
    let (folder, _) = place();
    let path = folder.path().join("honest.safetensors");
    let text = recipe(128, "{ kind = 'flatten' }, { kind = 'dense', units = 512, activation = 'relu' }, ");
    let honest = Recipe::parse(&text, "honest").unwrap();
    let mebibytes = (honest.input_shape().len() * 512 * 4) >> 20;
    Model::new(honest.clone(), Network::new(honest.input_shape(), &honest.layers, 0).unwrap()).save(&path).unwrap();
    // The program itself takes 160 MiB of address space, far less of memory.
    giemsa_within(2 * mebibytes + 128 + 160).arg("info").arg("--model").arg(&path).assert().success();
    giemsa_within(mebibytes + 32).arg("info").arg("--model").arg(&path).assert().code(4).stderr(contains("memory"));
}

#[test]
fn recipes_that_ask_for_too_much_are_errors_of_the_layer() {
    let (folder, path) = place();
    std::fs::write(
        &path,
        recipe(1024, &("{ kind = 'flatten' }, ".to_owned() + &"{ kind = 'dense', units = 16384 }, ".repeat(900))),
    )
    .unwrap();
    for command in [vec!["summary"], vec!["train", "cells", "--out", "run"]] {
        let result = giemsa().current_dir(&folder).args(command).args(["--recipe", "quick.toml"]).assert();
        let message = contains(
            "quick.toml, line 3, column 33: layer 2 (dense): expected at most 167772160 weights, found 51539623936",
        );
        result.code(2).stderr(message);
    }
}

#[test]
fn a_recipe_whose_name_is_a_path_writes_nothing() {
    let (folder, path) = place();
    let outside = folder.path().join("outside");
    for name in [outside.to_str().unwrap(), "../outside"] {
        std::fs::write(&path, QUICK_RECIPE.replace("'quick'", &format!("'{name}'"))).unwrap();
        for command in [vec!["summary"], vec!["train", "cells"], vec!["pretrain", "cells", "--out", "out"]] {
            let result = giemsa().current_dir(&folder).args(command).args(["--recipe", "quick.toml"]).assert();
            let message = contains("quick.toml, line 2, column 8: expected `name` to be a plain file name");
            result.code(2).stderr(message);
        }
    }
    assert!(!outside.exists() && !folder.path().join("out").exists() && !folder.path().join("runs").exists());
}
