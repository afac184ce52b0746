//! What the demo leaves to be looked at: the contact sheet, and the page that tells what was done.

use super::{DemoArgs, Judgement, PATIENTS, Sets, cells_and_patients, percent};
use crate::data::patients;
use anyhow::Context as _;
use giemsa::classes::Class;
use giemsa::dataset::Cache;
use giemsa::dataset::Sample;
use giemsa::evaluate::LabelledPrediction;
use giemsa::files::write_whole;
use giemsa::image::decode_file;
use giemsa::model::Model;
use giemsa::model::explain::occlusion;
use giemsa::random::Random;
use giemsa::report::page::{Gallery, Page, Picture, page};
use giemsa::report::saliency::overlay_of_occlusion;
use giemsa::report::sheet::{Group, Layout, Tile, sheet};
use giemsa::report::write_png;
use giemsa::train::EpochRow;
use std::path::Path;

/// Images of each class on the sheet, and of each kind of mistake on the page.
const SAMPLES: usize = 16;
const MISTAKES: usize = 18;
/// Parasitized cells of which the evidence is shown; half as many of the others.
const EXPLAINED: usize = 8;

const NOTICE: &str = "The cells are drawn by the program, not photographed: the figures show that everything works, and \
                      say nothing about real cells.";

/// Some samples of a class, spread over its patients by chance.
fn some(samples: &[Sample], class: Class, seed: u64) -> Vec<&Sample> {
    let mut chosen: Vec<&Sample> = samples.iter().filter(|sample| sample.class == class).collect();
    Random::keyed(&[seed, u64::from_le_bytes(*b"showing\0"), class.index() as u64]).shuffle(&mut chosen);
    chosen.truncate(SAMPLES);
    chosen
}

fn name_of(path: &Path) -> String {
    path.file_stem().unwrap_or_default().to_string_lossy().into_owned()
}

pub fn write_sheet(samples: &[Sample], args: &DemoArgs) -> anyhow::Result<()> {
    let tile = |sample: &Sample| -> anyhow::Result<Tile> {
        Ok(Tile { image: decode_file(&sample.path)?.pixels, lines: vec![name_of(&sample.path)] })
    };
    let group = |class: Class| -> anyhow::Result<Group> {
        let tiles = some(samples, class, args.seed).into_iter().map(tile).collect::<anyhow::Result<_>>()?;
        Ok(Group { title: format!("{class} (drawn)"), tiles })
    };
    let groups = [group(Class::Parasitized)?, group(Class::Uninfected)?];
    Ok(write_png(&sheet(&groups, Layout::default())?, &args.out.join("sheet.png"))?)
}

pub fn write_page(
    args: &DemoArgs,
    sets: &Sets,
    samples: &[Sample],
    history: &[EpochRow],
    result: &Judgement,
    boxed: &Judgement,
) -> anyhow::Result<()> {
    let named = &result.scored[result.named];
    let text = page(&Page {
        title: "Red blood cells, drawn and told apart",
        notice: NOTICE,
        about: &[about(args, sets)],
        counts: result.counts,
        patients: patients(sets.test.samples()).len(),
        history,
        named: &named_picture(named, result.threshold)?,
        galleries: &galleries(args, samples, result, boxed)?,
        commands: &commands(args, named),
    })?;
    let path = args.out.join("index.html");
    write_whole(&path, |file| file.write_all(text.as_bytes())).with_context(|| path.display().to_string())
}

fn about(args: &DemoArgs, sets: &Sets) -> String {
    let part = |set: &Cache| cells_and_patients(set.samples());
    format!(
        "The program drew {} cells of {PATIENTS} made-up patients, each with a stain and a light of its own. It trained \
         the network of the recipe seed on {}, chose the best of {} epochs by {}, and judged it by {}. No patient is in \
         two of these parts.",
        args.images,
        part(&sets.training),
        args.epochs,
        part(&sets.validation),
        part(&sets.test)
    )
}

/// The evidence of the model in the program, mistakes, then samples.
fn galleries(
    args: &DemoArgs,
    samples: &[Sample],
    result: &Judgement,
    boxed: &Judgement,
) -> anyhow::Result<Vec<Gallery>> {
    let mut galleries = vec![evidence(args, samples, boxed)?];
    let mistakes = [
        (Class::Parasitized, "Parasites that were missed", "Parasitized cells called Uninfected"),
        (Class::Uninfected, "False alarms", "Uninfected cells called Parasitized"),
    ];
    for (class, title, what) in mistakes {
        let wrong = |scored: &&LabelledPrediction| scored.class == class && !scored.is_right(result.threshold);
        let mut worst: Vec<&LabelledPrediction> = result.scored.iter().filter(wrong).collect();
        worst.sort_by(|a, b| a.probability_of_truth().total_cmp(&b.probability_of_truth()));
        let all = worst.len();
        worst.truncate(MISTAKES);
        let text = match all {
            0 => format!("{what}: none."),
            _ => format!("{what}: {all}. With the probability of Parasitized, the surest mistakes first."),
        };
        let pictures = worst.into_iter().map(mistake);
        galleries.push(Gallery { title: title.to_owned(), text, pictures: pictures.collect::<anyhow::Result<_>>()? });
    }
    for class in Class::ALL {
        let picture = |sample: &Sample| -> anyhow::Result<Picture> {
            let alt = format!("A drawn red blood cell, {class}");
            Ok(Picture { image: decode_file(&sample.path)?.pixels, alt, lines: vec![name_of(&sample.path)] })
        };
        let pictures = some(samples, class, args.seed).into_iter().map(picture).collect::<anyhow::Result<_>>()?;
        let text = match class {
            Class::Parasitized => "With rings, trophozoites or schizonts of the parasite, plain or faint.",
            Class::Uninfected => {
                "Some with a platelet, a deposit of stain, specks or a dimple, which are no parasites."
            }
        };
        galleries.push(Gallery { title: format!("{class} cells, drawn"), text: text.to_owned(), pictures });
    }
    Ok(galleries)
}

/// What the model in the program sees in some cells, beside the cells.
fn evidence(args: &DemoArgs, samples: &[Sample], boxed: &Judgement) -> anyhow::Result<Gallery> {
    let model = Model::embedded()?;
    let explained = |sample: &Sample| -> anyhow::Result<Picture> {
        let image = decode_file(&sample.path)?.pixels;
        let drawn = overlay_of_occlusion(&model, &image, &occlusion(&model, &image)?);
        let probability = model.predict(&image)?.probability_parasitized;
        let lines = vec![format!("{probability:.3}"), name_of(&sample.path)];
        let alt = format!("A drawn red blood cell, {}, with the evidence for Parasitized in orange", sample.class);
        Ok(Picture { image: drawn, alt, lines })
    };
    let shown = some(samples, Class::Parasitized, args.seed).into_iter().take(EXPLAINED);
    let shown = shown.chain(some(samples, Class::Uninfected, args.seed).into_iter().take(EXPLAINED / 2));
    Ok(Gallery {
        title: "What the model in the program sees".to_owned(),
        text: format!(
            "The program has a model of its own, trained on photographed cells. Of the {} drawn cells that the other \
             network was judged on, it calls {} what they are. Where it finds evidence for Parasitized (orange) and \
             against it (blue) in some cells, with the probability of Parasitized:",
            boxed.counts.images(),
            percent(boxed.counts.accuracy())
        ),
        pictures: shown.map(explained).collect::<anyhow::Result<_>>()?,
    })
}

fn mistake(scored: &LabelledPrediction) -> anyhow::Result<Picture> {
    let lines = vec![format!("{:.3}", scored.probability_parasitized), name_of(&scored.path)];
    let alt = format!("A drawn red blood cell, {}, that was called the other class", scored.class);
    Ok(Picture { image: decode_file(&scored.path)?.pixels, alt, lines })
}

fn named_picture(scored: &LabelledPrediction, threshold: f64) -> anyhow::Result<Picture> {
    let (is, called) = (scored.class, scored.called(threshold));
    let lines = vec![
        format!("called {called}"),
        format!("probability of Parasitized {:.3}", scored.probability_parasitized),
        format!("drawn as {is}"),
        name_of(&scored.path),
    ];
    let alt = format!("A drawn red blood cell, {is}, called {called}");
    Ok(Picture { image: decode_file(&scored.path)?.pixels, alt, lines })
}

fn commands(args: &DemoArgs, named: &LabelledPrediction) -> Vec<(String, String)> {
    let out = args.out.display();
    let command = |command: String, meaning: &str| (command, meaning.to_owned());
    vec![
        command(
            format!("giemsa predict {}", named.path.display()),
            "names an image, or a folder of them, with the model in the program",
        ),
        command(
            format!("giemsa predict --model {out}/model.safetensors {}", named.path.display()),
            "does it with the network trained here",
        ),
        command("giemsa fetch".to_owned(), "downloads 27,558 images of real cells"),
        command("giemsa train data/cell_images".to_owned(), "trains on them"),
    ]
}
