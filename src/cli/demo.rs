//! `giemsa demo`: everything at work on drawn cells, and a page about it.

use super::data::{LoadedSet, load, patients, say};
use super::train::progress::Progress;
use super::{Context, Outcome};
use anyhow::Context as _;
use giemsa::RESEARCH_ONLY;
use giemsa::classes::Class;
use giemsa::dataset::Sample;
use giemsa::dataset::patients::PatientSource;
use giemsa::dataset::scan::scan_classes;
use giemsa::dataset::split::{SplitBy, split};
use giemsa::evaluate::counts::Counts;
use giemsa::evaluate::{Scored, count};
use giemsa::files::write_whole;
use giemsa::image::decode_file;
use giemsa::model::{Model, Recipe};
use giemsa::phantom::write_folder;
use giemsa::predict::{Views, logits};
use giemsa::random::Random;
use giemsa::report::page::{Gallery, Page, Picture, page};
use giemsa::report::sheet::{Group, Layout, Tile, sheet};
use giemsa::report::write_png;
use giemsa::train::{Ending, EpochRow, RunFolder, Settings, State, train};
use indicatif::{ProgressBar, ProgressStyle};
use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};

const EXAMPLES: &str = "\
Examples:
  giemsa demo
  giemsa demo somewhere --seed 7

OUT gets index.html, the drawn cells, sheet.png, curves.png, history.csv and model.safetensors.
For research use only, not for diagnosis.";

/// Patients that the cells are dealt out to.
const PATIENTS: usize = 60;
/// Share of the images that are evaluated on, and of the rest, by which the best epoch is chosen.
const TEST_SHARE: f64 = 0.25;
const VALIDATION_SHARE: f64 = 0.2;
/// Images of each class on the sheet, and of each kind of mistake on the page.
const SAMPLES: usize = 16;
const MISTAKES: usize = 18;

const NOTICE: &str = "The cells are drawn by the program, not photographed: the figures show that everything works, and \
                      say nothing about real cells.";

/// Arguments of `giemsa demo`.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct DemoArgs {
    /// A new or empty folder.
    #[arg(default_value = "giemsa-demo")]
    out: PathBuf,
    /// Cells to draw.
    #[arg(long, value_name = "N", default_value_t = 5000, value_parser = clap::value_parser!(u32).range(400..=100_000))]
    images: u32,
    /// Epochs to train.
    #[arg(long, value_name = "N", default_value_t = 12, value_parser = clap::value_parser!(u64).range(1..=1000))]
    epochs: u64,
    /// Cells, split, first weights and order follow from this number.
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,
}

/// Runs it; a folder that could not be finished is removed again.
pub fn run(args: DemoArgs, context: &Context) -> anyhow::Result<Outcome> {
    super::interrupted();
    let folder = RunFolder::create(&args.out)?;
    let made = make(&args, &folder, context);
    if !matches!(made, Ok(Outcome::Done)) {
        std::fs::remove_dir_all(&args.out).with_context(|| args.out.display().to_string())?;
    }
    made
}

/// The images by their part in the demo.
struct Sets {
    training: LoadedSet,
    validation: LoadedSet,
    test: LoadedSet,
}

fn make(args: &DemoArgs, folder: &RunFolder, context: &Context) -> anyhow::Result<Outcome> {
    let samples = draw(args, context)?;
    let mut recipe = Recipe::load("seed")?;
    recipe.training.epochs = args.epochs;
    let sets = divide(samples.clone(), args.seed, &recipe, context)?;
    let settings = Settings { recipe, seed: args.seed, steps_per_epoch: None };
    let mut state = State::new(&settings)?;
    let Some(model) = learn(&mut state, &settings, &sets, folder, context)? else {
        return Ok(Outcome::Interrupted);
    };
    let history = &state.progress.history;
    folder.save_best(&model)?;
    folder.save_history(history)?;
    let result = judge(&model, &sets.test, args.seed)?;
    write_sheet(&samples, args)?;
    write_page(args, &sets, &samples, history, &result)?;
    say_result(args, &result)?;
    Ok(Outcome::Done)
}

/// Draws the cells into `OUT/cells`.
fn draw(args: &DemoArgs, context: &Context) -> anyhow::Result<Vec<Sample>> {
    say(context, &format!("Drawing {} synthetic cells of {PATIENTS} patients.", args.images));
    let shown = !context.quiet && std::io::stderr().is_terminal();
    let bar = if shown { ProgressBar::new(args.images.into()) } else { ProgressBar::hidden() };
    bar.set_style(ProgressStyle::with_template("Drawing cells {bar:30} {pos}/{len}, {eta} left")?);
    let cells = args.out.join("cells");
    write_folder(&cells, args.images as usize, PATIENTS, args.seed, &|| bar.inc(1))?;
    bar.finish_and_clear();
    Ok(scan_classes(&cells, &PatientSource::FileName)?)
}

/// Divides by patient: to learn from, to choose the best epoch by, and to judge the choice.
fn divide(samples: Vec<Sample>, seed: u64, recipe: &Recipe, context: &Context) -> anyhow::Result<Sets> {
    let (rest, test) = split(samples, TEST_SHARE, SplitBy::Patient, seed)?;
    let (training, validation) = split(rest, VALIDATION_SHARE, SplitBy::Patient, seed)?;
    for (name, samples) in [("Training", &training), ("Validation", &validation), ("Test", &test)] {
        say(context, &format!("{name}: {} cells of {} patients.", samples.len(), patients(samples).len()));
    }
    let load = |samples| load(samples, &recipe.input, context);
    Ok(Sets { training: load(training)?, validation: load(validation)?, test: load(test)? })
}

/// Trains; the best model by validation loss, or none when the user stopped it.
fn learn(
    state: &mut State,
    settings: &Settings,
    sets: &Sets,
    folder: &RunFolder,
    context: &Context,
) -> anyhow::Result<Option<Model>> {
    let mut progress = Progress::new(folder, settings.recipe.training.epochs, context)?;
    let ended = train(state, settings, &sets.training, &sets.validation, None, &mut progress);
    if let Some(error) = progress.failure.take() {
        return Err(error);
    }
    Ok(if ended? == Ending::Completed { state.best.take() } else { None })
}

/// How the model does on patients it has not seen.
struct Judgement {
    scored: Vec<Scored>,
    counts: Counts,
    threshold: f64,
    /// The image that is named, by its place in `scored`.
    named: usize,
}

fn judge(model: &Model, test: &LoadedSet, seed: u64) -> anyhow::Result<Judgement> {
    let score = |(sample, logit): (&Sample, f32)| Scored {
        path: sample.path.clone(),
        class: sample.class,
        patient: sample.patient.clone(),
        probability_parasitized: Class::probability_parasitized(logit / model.temperature).into(),
    };
    let scored: Vec<Scored> =
        test.cache.samples().iter().zip(logits(&model.network, test, Views::One)?).map(score).collect();
    let threshold = model.threshold.into();
    let named = Random::keyed(&[seed, u64::from_le_bytes(*b"naming\0\0")]).below(scored.len());
    Ok(Judgement { counts: count(&scored, threshold), scored, threshold, named })
}

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

fn write_sheet(samples: &[Sample], args: &DemoArgs) -> anyhow::Result<()> {
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

fn write_page(
    args: &DemoArgs,
    sets: &Sets,
    samples: &[Sample],
    history: &[EpochRow],
    result: &Judgement,
) -> anyhow::Result<()> {
    let named = &result.scored[result.named];
    let text = page(&Page {
        title: "Red blood cells, drawn and told apart",
        notice: NOTICE,
        about: &[about(args, sets)],
        counts: result.counts,
        patients: patients(sets.test.cache.samples()).len(),
        history,
        named: &named_picture(named, result.threshold)?,
        galleries: &galleries(args, samples, result)?,
        commands: &commands(args, named),
    })?;
    let path = args.out.join("index.html");
    write_whole(&path, |file| file.write_all(text.as_bytes())).with_context(|| path.display().to_string())
}

fn about(args: &DemoArgs, sets: &Sets) -> String {
    let part = |set: &LoadedSet| {
        let samples = set.cache.samples();
        format!("{} cells of {} patients", samples.len(), patients(samples).len())
    };
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

/// Mistakes, then samples.
fn galleries(args: &DemoArgs, samples: &[Sample], result: &Judgement) -> anyhow::Result<Vec<Gallery>> {
    let mut galleries = Vec::new();
    let mistakes = [
        (Class::Parasitized, "Parasites that were missed", "Parasitized cells called Uninfected"),
        (Class::Uninfected, "False alarms", "Uninfected cells called Parasitized"),
    ];
    for (class, title, what) in mistakes {
        let wrong = |scored: &&Scored| scored.class == class && !scored.is_right(result.threshold);
        let mut worst: Vec<&Scored> = result.scored.iter().filter(wrong).collect();
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

fn mistake(scored: &Scored) -> anyhow::Result<Picture> {
    let lines = vec![format!("{:.3}", scored.probability_parasitized), name_of(&scored.path)];
    let alt = format!("A drawn red blood cell, {}, that was called the other class", scored.class);
    Ok(Picture { image: decode_file(&scored.path)?.pixels, alt, lines })
}

fn named_picture(scored: &Scored, threshold: f64) -> anyhow::Result<Picture> {
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

fn commands(args: &DemoArgs, named: &Scored) -> Vec<(String, String)> {
    let out = args.out.display();
    let command = |command: String, meaning: &str| (command, meaning.to_owned());
    vec![
        command(
            format!("giemsa predict --model {out}/model.safetensors {}", named.path.display()),
            "names an image, or a folder of them",
        ),
        command("giemsa fetch".to_owned(), "downloads 27,558 images of real cells"),
        command("giemsa train data/cell_images".to_owned(), "trains on them"),
    ]
}

fn say_result(args: &DemoArgs, result: &Judgement) -> anyhow::Result<()> {
    let counts = &result.counts;
    let percent = |share: Option<f64>| share.map_or("undefined".to_owned(), |share| format!("{:.1} %", 100.0 * share));
    let named = &result.scored[result.named];
    let mut out = std::io::stdout().lock();
    writeln!(
        out,
        "On {} cells of patients not seen in training: accuracy {}, sensitivity {}, specificity {}.",
        counts.images(),
        percent(counts.accuracy()),
        percent(counts.sensitivity()),
        percent(counts.specificity())
    )?;
    writeln!(
        out,
        "True positives {}, false negatives {}, false positives {}, true negatives {}.",
        counts.true_positives, counts.false_negatives, counts.false_positives, counts.true_negatives
    )?;
    writeln!(
        out,
        "{}: {} (probability of Parasitized {:.3}), drawn as {}.",
        named.path.display(),
        named.called(result.threshold),
        named.probability_parasitized,
        named.class
    )?;
    writeln!(out, "The page: {}", args.out.join("index.html").display())?;
    writeln!(out, "{RESEARCH_ONLY} The cells are drawn, not photographed.")?;
    Ok(())
}
