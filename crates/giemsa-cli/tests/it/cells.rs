//! The program, and small images for its tests.

use assert_cmd::Command;
use image::{Rgb, RgbImage};
use std::path::{Path, PathBuf};

/// A recipe that trains in milliseconds. The linear network has 1,201 parameters.
pub const QUICK_RECIPE: &str = "
name = 'quick'
layers = [{ kind = 'flatten' }, { kind = 'dense', units = 1, activation = 'sigmoid' }]
input = { side_px = 20, resize = 'stretch_nearest' }
training = { epochs = 2, batch_size = 8, learning_rate = 0.001 }
";

/// Returns the program.
pub fn giemsa() -> Command {
    Command::cargo_bin("giemsa").unwrap()
}

/// Returns the program with a limit on the size of the files that it writes, which stands in for a full disk. Blocks have 512
/// or 1024 bytes, depending on the shell.
pub fn giemsa_on_full_disk(blocks: u32) -> Command {
    let mut command = Command::new("sh");
    let script = format!("trap '' XFSZ; ulimit -f {blocks}; exec \"$0\" \"$@\"");
    command.args(["-c", &script]).arg(assert_cmd::cargo::cargo_bin("giemsa"));
    command
}

/// Creates a folder with the quick recipe.
pub fn place() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let recipe = folder.path().join("quick.toml");
    std::fs::write(&recipe, QUICK_RECIPE).unwrap();
    (folder, recipe)
}

/// Draws a pink disc on black, with a dark dot if it is parasitized. Each `number` gives another image.
pub fn cell(parasitized: bool, number: u32) -> RgbImage {
    let side = 24 + number % 5;
    RgbImage::from_fn(side, side, |x, y| {
        let from = |cx: u32, cy: u32| x.abs_diff(cx).pow(2) + y.abs_diff(cy).pow(2);
        let shade = (number * 7 % 31) as u8;
        match () {
            () if parasitized && from(side / 2 + number % 3, side / 2) < 9 => Rgb([80, 20, 110 + shade]),
            () if from(side / 2, side / 2) < 100 => Rgb([200 + shade, 150, 160 + (number / 31) as u8]),
            () => Rgb([0, 0, 0]),
        }
    })
}

/// Fills `folder/{Parasitized,Uninfected}` with images of the patients from `C<first>` on, with this number per patient
/// and class.
pub fn draw_cells(folder: &Path, first: u32, patients: u32, per_patient: u32) {
    for (class, parasitized) in [("Parasitized", true), ("Uninfected", false)] {
        std::fs::create_dir_all(folder.join(class)).unwrap();
        for patient in first..first + patients {
            for cell_number in 0..per_patient {
                let image = cell(parasitized, patient * per_patient + cell_number);
                image.save(folder.join(class).join(format!("C{patient}P1_cell_{cell_number}.png"))).unwrap();
            }
        }
    }
}

/// Saves a model whose logit is -5 for a black image, 5 for a white one, and linear in between. The probability of
/// Parasitized is 1 / (1 + exp(logit)).
pub fn save_brightness_model(path: &Path) {
    let text = "
        name = 'brightness'
        layers = [{ kind = 'flatten' }, { kind = 'dense', units = 1, activation = 'sigmoid' }]
        input = { side_px = 4, resize = 'stretch_nearest' }
        training = { epochs = 1, batch_size = 1, learning_rate = 0.1 }";
    let recipe = giemsa::model::Recipe::parse(text, "brightness").unwrap();
    let mut network = giemsa::nn::Network::new(recipe.input_shape(), &recipe.layers, 0).unwrap();
    let mut weights = network.weights();
    for tensor in &mut weights {
        let value = if tensor.name == "dense.bias" { -5.0 } else { 10.0 / 48.0 };
        tensor.values.fill(value);
    }
    network.set_weights(&weights).unwrap();
    giemsa::model::Model::new(recipe, network).save(path).unwrap();
}

/// Saves a model whose weights are finite, but whose output overflows to infinity for every image that is not black.
pub fn save_overflowing_model(path: &Path) {
    save_brightness_model(path);
    let mut model = giemsa::model::Model::load(path).unwrap();
    let mut weights = model.network.weights();
    weights.iter_mut().for_each(|tensor| tensor.values.fill(f32::MAX));
    model.network.set_weights(&weights).unwrap();
    model.save(path).unwrap();
}

/// Saves an image of one grey level. The logit of the brightness model is 10 * grey / 255 - 5.
pub fn save_grey(path: &Path, grey: u8) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    RgbImage::from_pixel(6, 5, Rgb([grey; 3])).save(path).unwrap();
}
