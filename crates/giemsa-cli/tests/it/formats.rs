//! The commands `giemsa export` and `giemsa import`.

use crate::cells::{giemsa, place, save_brightness_model};
use giemsa::model::Model;
use giemsa::model::format::Format;
use predicates::prelude::*;
use predicates::str::contains;

/// A model file without the texts that may differ, to compare two.
fn content(path: &std::path::Path) -> (Vec<giemsa::nn::Tensor>, String, [f32; 3]) {
    let model = Model::load(path).unwrap();
    let texts = format!("{:?}{:?}{:?}", model.recipe, model.training_patients, model.card);
    (model.network.weights(), texts, [model.temperature, model.threshold, model.red_cell_threshold])
}

#[test]
fn the_built_in_model_is_the_same_after_every_round_trip() {
    let folder = tempfile::tempdir().unwrap();
    let original = folder.path().join("original.safetensors");
    std::fs::write(&original, Model::BUILTIN).unwrap();
    for format in Format::ALL {
        let name = format.name();
        let run = giemsa()
            .current_dir(folder.path())
            .args(["export", "builtin", "--to", name, "--out", name])
            .assert()
            .success()
            .stderr("");
        run.stdout(contains(format!("{name}: Input: ")).and(contains("For research use only, not for diagnosis.")));
        let imported = format!("{name}.safetensors");
        let run = giemsa().current_dir(folder.path()).args(["import", name, "--out", &imported]).assert().success();
        run.stdout(contains("recipe compact, 165,554 parameters"));
        assert_eq!(content(&folder.path().join(&imported)), content(&original), "{name}");
        // The same model gives the same file.
        let again = folder.path().join("again");
        Model::load(&folder.path().join(&imported)).unwrap().export(format, &again).unwrap();
        assert_eq!(std::fs::read(folder.path().join(name)).unwrap(), std::fs::read(again).unwrap(), "{name}");
    }
}

#[test]
fn an_existing_file_is_replaced_only_with_force_and_an_input_never() {
    let (folder, _) = place();
    save_brightness_model(&folder.path().join("model.safetensors"));
    let run = |line: &str| giemsa().current_dir(folder.path()).args(line.split(' ')).assert();
    run("export model.safetensors --to onnx --out m.onnx").success();
    run("export model.safetensors --to onnx --out m.onnx").code(1).stderr(contains("--force"));
    run("export model.safetensors --to onnx --out m.onnx --force").success();
    run("export model.safetensors --to onnx --out model.safetensors --force").code(1).stderr(contains("is an input"));
    run("import m.onnx --out model.safetensors").code(1).stderr(contains("--force"));
    run("import m.onnx --out model.safetensors --force").success();
    run("import m.onnx --out m.onnx --force").code(1).stderr(contains("is an input"));
}

#[test]
fn errors_have_their_exit_codes() {
    let (folder, _) = place();
    save_brightness_model(&folder.path().join("model.safetensors"));
    let run = |line: &str| giemsa().current_dir(folder.path()).args(line.split(' ')).assert();
    std::fs::write(folder.path().join("weights.npz"), "PK\u{3}\u{4}").unwrap();
    std::fs::write(folder.path().join("text"), "hello, world").unwrap();
    run("export missing.safetensors --to onnx --out m").code(2).stderr(contains("missing.safetensors: No such file"));
    run("export builtin --to pickle --out m").code(2).stderr(contains("onnx, keras, keras-weights, legacy-h5"));
    run("export builtin --to onnx").code(2).stderr(contains("--out"));
    run("export builtin").code(2).stderr(contains("--to"));
    run("export builtin --to onnx --out none/m").code(1).stderr(contains("none/m: No such file"));
    run("import missing.onnx --out m").code(2).stderr(contains("missing.onnx: No such file"));
    run("import text --out m").code(4).stderr(contains("text: ").and(contains("68, 65, 6c, 6c, 6f")));
    run("import weights.npz --out m").code(4).stderr(contains("weights.npz: "));
    run("import text --from onnx --out m").code(4).stderr(contains("text: not a valid onnx file"));
    run("import text --probability-of Falciparum --out m").code(2).stderr(contains("Parasitized or Uninfected"));
    assert!(!folder.path().join("m").exists());
}

#[test]
fn a_file_of_weights_needs_a_recipe() {
    let folder = tempfile::tempdir().unwrap();
    let run = |line: &str| giemsa().current_dir(folder.path()).args(line.split(' ')).assert();
    let weights = [("w", safetensors_of_zeros())];
    for (name, bytes) in weights {
        std::fs::write(folder.path().join(name), bytes).unwrap();
    }
    run("import w --out m").code(2).stderr(contains("contains no layers").and(contains("--recipe RECIPE")));
    run("import w --recipe keras-tutorial --out m")
        .code(4)
        .stderr(contains("`conv2d.weight` of the shape [16, 3, 2, 2]"));
    run("import w --recipe nonsense --out m").code(2).stderr(contains("unknown recipe"));
}

/// A safetensors file with one array that belongs to no network.
fn safetensors_of_zeros() -> Vec<u8> {
    let header = r#"{"x":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}  "#;
    [&(header.len() as u64).to_le_bytes()[..], header.as_bytes(), &[0; 4]].concat()
}

#[test]
fn the_class_of_the_output_can_be_either() {
    let (folder, _) = place();
    let path = folder.path().join("model.safetensors");
    save_brightness_model(&path);
    // Without its metadata, the file is like one of another program.
    let foreign = folder.path().join("m.safetensors");
    Model::load(&path).unwrap().export(Format::SafetensorsPytorch, &foreign).unwrap();
    let bytes = std::fs::read(&foreign).unwrap();
    let length = u64::from_le_bytes(*bytes.first_chunk().unwrap()) as usize;
    let mut header: serde_json::Value = serde_json::from_slice(&bytes[8..8 + length]).unwrap();
    header.as_object_mut().unwrap().remove("__metadata__");
    let header = serde_json::to_vec(&header).unwrap();
    std::fs::write(&foreign, [&(header.len() as u64).to_le_bytes()[..], &header, &bytes[8 + length..]].concat())
        .unwrap();
    let recipe = folder.path().join("brightness.toml");
    std::fs::write(&recipe, Model::load(&path).unwrap().recipe.to_toml().unwrap()).unwrap();
    let image = image::RgbImage::from_pixel(8, 8, image::Rgb([200, 100, 50]));
    let probability = |class: &str| {
        let out = folder.path().join(class);
        let mut command = giemsa();
        command.arg("import").arg(&foreign).arg("--recipe").arg(&recipe).args(["--probability-of", class, "--out"]);
        command.arg(&out).assert().success();
        Model::load(&out).unwrap().predict(&image).unwrap().probability_parasitized
    };
    let [parasitized, uninfected] = ["Parasitized", "uninfected"].map(probability);
    assert!((parasitized + uninfected - 1.0).abs() < 1e-6 && parasitized != uninfected);
    assert_eq!(uninfected, Model::load(&path).unwrap().predict(&image).unwrap().probability_parasitized);
}

#[test]
fn prints_the_module_of_pytorch() {
    let folder = tempfile::tempdir().unwrap();
    let module = giemsa().args(["export", "builtin", "--print-module"]).assert().success();
    let text = String::from_utf8(module.get_output().stdout.clone()).unwrap();
    assert!(text.starts_with("\"\"\"The network `compact`") && text.contains("class Network(nn.Module):"), "{text}");
    let both = ["export", "builtin", "--print-module", "--to", "safetensors-pytorch", "--out", "m.safetensors"];
    giemsa().current_dir(folder.path()).args(both).assert().success().stdout(text);
    assert!(folder.path().join("m.safetensors").exists());
}
