//! The pictures of the demo: the contact sheet, and the page with the results.

use super::smears::FILES;
use super::{Demo, DemoArgs, PATIENTS, cells_and_patients, percent, stop_if_interrupted};
use crate::data::patients;
use crate::number_of;
use anyhow::Context as _;
use giemsa::classes::Class;
use giemsa::dataset::selection::shuffled;
use giemsa::dataset::{Cache, Sample};
use giemsa::evaluate::LabelledPrediction;
use giemsa::image::decode_file;
use giemsa::model::Model;
use giemsa::model::explain::occlusion;
use giemsa::output::write_atomically;
use giemsa::report::page::{Gallery, Page, Picture, Size, page};
use giemsa::report::saliency::overlay_of_occlusion;
use giemsa::report::sheet::{Group, Layout, Tile, sheet};
use giemsa::report::write_png;
use std::path::Path;

/// Cells per class on the contact sheet and on the page.
const CELLS_PER_CLASS: usize = 16;
/// Errors of each kind on the page.
const MAX_ERRORS: usize = 18;
/// Cells of each class with a saliency map; occlusion takes 512 predictions per cell.
const PARASITIZED_MAPS: usize = 5;
const UNINFECTED_MAPS: usize = 2;

const NOTICE: &str = "The cells are drawn by the program, not photographed. The metrics show that the program works; they \
                      do not apply to real cells.";

/// Selects cells of one class at random.
fn select(samples: &[Sample], class: Class, seed: u64) -> Vec<&Sample> {
    let of_class = samples.iter().filter(|sample| sample.class == class);
    let mut selected = shuffled(of_class, seed, class.index() as u64);
    selected.truncate(CELLS_PER_CLASS);
    selected
}

fn name_of(path: &Path) -> String {
    path.file_stem().unwrap_or_default().to_string_lossy().into_owned()
}

/// Formats the probability below a picture.
fn probability_line(probability_parasitized: f64) -> String {
    format!("P = {probability_parasitized:.3}")
}

/// Writes `sheet.png`, a contact sheet with cells of each class.
pub fn write_sheet(samples: &[Sample], args: &DemoArgs) -> anyhow::Result<()> {
    let tile = |sample: &Sample| -> anyhow::Result<Tile> {
        Ok(Tile { image: decode_file(&sample.path)?.pixels, lines: vec![name_of(&sample.path)] })
    };
    let group = |class: Class| -> anyhow::Result<Group> {
        let tiles = select(samples, class, args.seed).into_iter().map(tile).collect::<anyhow::Result<_>>()?;
        Ok(Group { title: format!("{class} (drawn)"), tiles })
    };
    let groups = [group(Class::Parasitized)?, group(Class::Uninfected)?];
    Ok(write_png(&sheet(&groups, Layout::default())?, &args.out.join("sheet.png"))?)
}

/// Writes `index.html`, the report.
pub fn write_page(args: &DemoArgs, demo: &Demo) -> anyhow::Result<()> {
    let text = page(&Page {
        title: "Demo: classifying drawn red blood cells",
        notice: NOTICE,
        about: &[about(args, demo)],
        counts: demo.trained.counts,
        patients: patients(demo.sets.test.samples()).len(),
        history: &demo.history,
        example: &example_picture(demo)?,
        galleries: &galleries(args, demo)?,
        commands: &commands(args, demo.example()),
    })?;
    let path = args.out.join("index.html");
    write_atomically(&path, |file| file.write_all(text.as_bytes())).with_context(|| path.display().to_string())
}

fn about(args: &DemoArgs, demo: &Demo) -> String {
    let set = |set: &Cache| cells_and_patients(set.samples());
    format!(
        "The program drew {} cells of {PATIENTS} synthetic patients; stain and illumination differ between patients. It \
         trained the recipe keras-tutorial on {}, selected the best of {} on {}, and evaluated the model on {}. No \
         patient is in more than one of these sets.",
        args.images,
        set(&demo.sets.training),
        number_of(args.epochs as usize, "epoch"),
        set(&demo.sets.validation),
        set(&demo.sets.test)
    )
}

/// Collects saliency maps, errors and sample cells.
fn galleries(args: &DemoArgs, demo: &Demo) -> anyhow::Result<Vec<Gallery>> {
    let mut galleries = vec![demo.smears.gallery()?, saliency_gallery(args, demo)?, demo.other_microscope.gallery()];
    for class in Class::ALL {
        galleries.push(error_gallery(demo, class)?);
    }
    for class in Class::ALL {
        galleries.push(sample_gallery(args, demo, class)?);
    }
    Ok(galleries)
}

/// Shows where the built-in model finds evidence in some of the cells.
fn saliency_gallery(args: &DemoArgs, demo: &Demo) -> anyhow::Result<Gallery> {
    let model = Model::embedded()?;
    let cells = |class, count| select(&demo.samples, class, args.seed).into_iter().take(count);
    let shown = cells(Class::Parasitized, PARASITIZED_MAPS).chain(cells(Class::Uninfected, UNINFECTED_MAPS));
    let map = |sample: &Sample| -> anyhow::Result<Picture> {
        stop_if_interrupted()?;
        saliency_picture(&model, sample)
    };
    Ok(Gallery {
        title: "Saliency maps of the built-in model".to_owned(),
        text: format!(
            "The built-in model was trained on photographs of cells. Its accuracy on the {} drawn test cells is {}. The \
             maps are computed by occlusion: small squares of the image are covered in turn, and the change in the \
             output of the model is drawn over the image. Orange is evidence for Parasitized, blue is evidence against \
             it; in a cell with several parasites, the effect of covering one of them can be misleading. P is the \
             probability of Parasitized.",
            demo.builtin.counts.images(),
            percent(demo.builtin.counts.accuracy())
        ),
        size: Size::Cell,
        pictures: shown.map(map).collect::<anyhow::Result<_>>()?,
    })
}

/// Draws the occlusion map of a cell over its image.
fn saliency_picture(model: &Model, sample: &Sample) -> anyhow::Result<Picture> {
    let image = decode_file(&sample.path)?.pixels;
    let probability = model.predict(&image)?.probability_parasitized;
    let map = occlusion(model, &image)?;
    Ok(Picture {
        image: overlay_of_occlusion(model, &image, &map),
        alt: format!("Saliency map of a drawn red blood cell, {}: evidence for Parasitized in orange", sample.class),
        lines: vec![probability_line(probability.into()), name_of(&sample.path)],
    })
}

/// Shows the cells of a class that the trained model classified as the other class, the most confident errors first.
fn error_gallery(demo: &Demo, class: Class) -> anyhow::Result<Gallery> {
    let threshold = demo.trained.threshold;
    let is_error = |image: &&LabelledPrediction| image.class == class && !image.is_correct(threshold);
    let mut errors: Vec<&LabelledPrediction> = demo.trained.predictions.iter().filter(is_error).collect();
    errors.sort_by(|a, b| a.probability_of_true_class().total_cmp(&b.probability_of_true_class()));
    let (title, wrong) = match class {
        Class::Parasitized => ("False negatives", Class::Uninfected),
        Class::Uninfected => ("False positives", Class::Parasitized),
    };
    let text = match errors.len() {
        0 => format!("No {class} cell was classified as {wrong}."),
        count => format!(
            "{} classified as {wrong}. The most confident errors are first; P is the probability of Parasitized.",
            number_of(count, &format!("{class} cell"))
        ),
    };
    errors.truncate(MAX_ERRORS);
    let pictures = errors.into_iter().map(error_picture).collect::<anyhow::Result<_>>()?;
    Ok(Gallery { title: title.to_owned(), text, size: Size::Cell, pictures })
}

fn error_picture(image: &LabelledPrediction) -> anyhow::Result<Picture> {
    Ok(Picture {
        image: decode_file(&image.path)?.pixels,
        alt: format!("A drawn red blood cell, {}, classified as the other class", image.class),
        lines: vec![probability_line(image.probability_parasitized), name_of(&image.path)],
    })
}

fn sample_gallery(args: &DemoArgs, demo: &Demo, class: Class) -> anyhow::Result<Gallery> {
    let picture = |sample: &Sample| -> anyhow::Result<Picture> {
        let alt = format!("A drawn red blood cell, {class}");
        Ok(Picture { image: decode_file(&sample.path)?.pixels, alt, lines: vec![name_of(&sample.path)] })
    };
    let text = match class {
        Class::Parasitized => "They contain rings, trophozoites or schizonts; some are faint.",
        Class::Uninfected => {
            "Some contain a platelet, a stain deposit, specks or a dimple, which can be mistaken for a parasite."
        }
    };
    let pictures = select(&demo.samples, class, args.seed).into_iter().map(picture).collect::<anyhow::Result<_>>()?;
    Ok(Gallery { title: format!("{class} cells (drawn)"), text: text.to_owned(), size: Size::Cell, pictures })
}

fn example_picture(demo: &Demo) -> anyhow::Result<Picture> {
    let (example, predicted) = (demo.example(), demo.example().predicted_class(demo.trained.threshold));
    Ok(Picture {
        image: decode_file(&example.path)?.pixels,
        alt: format!("A drawn red blood cell, {}, classified as {predicted}", example.class),
        lines: vec![
            format!("classified as {predicted}"),
            format!("P(Parasitized) = {:.3}", example.probability_parasitized),
            format!("drawn as {}", example.class),
            name_of(&example.path),
        ],
    })
}

fn commands(args: &DemoArgs, example: &LabelledPrediction) -> Vec<(String, String)> {
    let (out, image) = (args.out.display(), example.path.display());
    [
        (format!("giemsa predict {image}"), "classifies an image, or a folder of images, with the built-in model"),
        (format!("giemsa predict --model {out}/model.safetensors {image}"), "uses the model that the demo trained"),
        (
            format!("giemsa count {out}/{} {out}/{} --out report", FILES[0], FILES[1]),
            "counts the cells on the two photographs, and writes a page to check them on",
        ),
        ("giemsa fetch".to_owned(), "downloads 27,558 images of real cells"),
        ("giemsa train data/cell_images".to_owned(), "trains a model on them"),
    ]
    .map(|(command, meaning)| (command, meaning.to_owned()))
    .into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn explains_cells_by_occlusion() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("cell.png");
        let image = giemsa::synthetic::draw_cell(1, 0, 7, Class::Parasitized);
        image.save(&path).unwrap();
        let model = Model::embedded().unwrap();
        let sample = Sample { path, class: Class::Parasitized, patient: None };
        let picture = saliency_picture(&model, &sample).unwrap();
        assert_eq!(picture.image, overlay_of_occlusion(&model, &image, &occlusion(&model, &image).unwrap()));
    }
}
