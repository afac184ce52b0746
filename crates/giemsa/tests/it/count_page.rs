//! The page about counted slides.

use giemsa::RESEARCH_ONLY;
use giemsa::classes::Class;
use giemsa::evaluate::provenance::Provenance;
use giemsa::model::Model;
use giemsa::report::ReportError;
use giemsa::report::smear::{Count, check_free, write_count};
use giemsa::smear::count_report::SettingsRow;
use giemsa::smear::{CountSettings, ObjectKind, Slide, SlideBy, count_slides, group_by_slide};
use giemsa::synthetic::{SmearSettings, write_smears};
use std::collections::HashSet;
use std::fs;
use std::ops::ControlFlow::{Break, Continue};
use std::path::Path;
use std::sync::OnceLock;
use tempfile::TempDir;

struct Counted {
    model: Model,
    place: TempDir,
    slides: Vec<Slide>,
}

/// Counts two drawn slides of two photographs. One photograph of the second slide is then removed, and its other file is not
/// an image. The second slide has a name that HTML would misread.
fn counted() -> &'static Counted {
    static COUNTED: OnceLock<Counted> = OnceLock::new();
    COUNTED.get_or_init(|| {
        let (model, place) = (Model::embedded().unwrap(), tempfile::tempdir().unwrap());
        let settings = SmearSettings {
            width_px: 520,
            height_px: 400,
            diameter_px: 60.0,
            red_cells: 24,
            parasitaemia: 0.4,
            white_cells: 0,
            ..SmearSettings::default()
        };
        let smears = place.path().join("smears");
        let mut files = write_smears(&smears, 3, 2, 2, &settings, &|| Continue(())).unwrap();
        fs::write(&files[3], "no image").unwrap();
        files.push(files[0].with_file_name("Photograph_01.jpg"));
        fs::copy(&files[0], &files[4]).unwrap();
        let groups = group_by_slide(files.iter().cloned().map(Ok), &SlideBy::Folder);
        let mut slides = Vec::new();
        let predictor = model.predictor(Default::default());
        count_slides(
            &predictor,
            groups,
            CountSettings::default(),
            || Continue(()),
            |slide| {
                slides.push(slide);
                Continue(())
            },
        )
        .unwrap();
        fs::remove_file(&files[2]).unwrap();
        slides[1].name = "<script>alert(\"&\")</script>".to_owned();
        Counted { model, place, slides }
    })
}

fn write(folder: &Path, slides: &[Slide]) -> Result<(), ReportError> {
    let model = &counted().model;
    let provenance = Provenance::of_model(model, None, "smears".as_ref()).unwrap();
    let about = ["Drawn <smears>.".to_owned()];
    let count = Count {
        title: "A & B",
        about: &about,
        slides,
        settings: &SettingsRow::new(CountSettings::default(), "folder", Default::default()),
        agreement: None,
        error_rates: model.error_rates,
        provenance: &provenance,
    };
    write_count(folder, &count, || Continue(()))
}

/// Writes the page into a folder of this name and returns its text.
fn page(name: &str) -> (std::path::PathBuf, String) {
    let folder = counted().place.path().join(name);
    write(&folder, &counted().slides).unwrap();
    let text = fs::read_to_string(folder.join("index.html")).unwrap();
    (folder, text)
}

/// Returns the values of an attribute.
fn values<'a>(text: &'a str, attribute: &str) -> Vec<&'a str> {
    text.split(&format!(" {attribute}=\"")).skip(1).map(|rest| rest.split('"').next().unwrap()).collect()
}

#[test]
fn the_page_has_the_figures_of_the_slides() {
    let (_, text) = page("figures");
    assert!(text.contains(RESEARCH_ONLY) && text.contains("A &amp; B") && text.contains("Drawn &lt;smears&gt;."));
    assert!(!text.contains("<script"), "a name is not escaped");
    assert!(text.contains("&lt;script&gt;alert("));
    for slide in &counted().slides {
        let parasitaemia = slide.parasitaemia.as_ref().unwrap();
        let counted = (parasitaemia.red_cells, parasitaemia.infected);
        assert_eq!(counted, (slide.counts.red_cells, slide.counts.infected));
        let cells = format!("<dd class=\"faint\">of {} red cells: ", slide.counts.red_cells);
        assert!(text.contains(&cells), "{cells}");
        let infected = format!("<dd class=\"value\">{}</dd>", slide.counts.infected);
        assert!(text.contains(&infected), "{infected}");
        assert!(text.contains(&parasitaemia.sufficiency.reason));
        let decision = &parasitaemia.detection.as_ref().unwrap().sentence;
        assert!(text.contains(&decision[1..]), "{decision}");
    }
    assert!(counted().slides[0].counts.infected > 2, "{:?}", counted().slides[0].counts);
    let infected: u64 = counted().slides.iter().map(|slide| slide.counts.infected).sum();
    let (_, sheets) = text.split_once("Infected cells</h3>").unwrap();
    let in_sheets = sheets.split("Infected cells</h3>").map(|part| part.split("Doubtful cells</h3>").next().unwrap());
    let figures: usize = in_sheets.map(|sheet| sheet.matches("<figure>").count()).sum();
    assert_eq!(figures as u64, infected);
}

#[test]
fn every_link_has_a_target_and_nothing_comes_from_outside() {
    let (folder, text) = page("links");
    let ids: Vec<&str> = values(&text, "id");
    let unique: HashSet<&str> = ids.iter().copied().collect();
    assert_eq!(ids.len(), unique.len(), "an identifier occurs twice");
    let links = values(&text, "href");
    assert!(links.iter().filter(|link| link.contains('c')).count() > 4);
    for link in links.into_iter().map(|link| link.replace("&#x2f;", "/")) {
        match link.strip_prefix('#') {
            Some(id) => assert!(unique.contains(id), "{link}"),
            None => assert!(folder.join(&link).is_file() && !link.contains(':'), "{link}"),
        }
    }
    assert!(values(&text, "src").iter().all(|source| source.starts_with("data:image/jpeg;base64,")));
    for word in ["http-equiv", "@import", "url(", "<link", "<iframe", "http:", "https:"] {
        assert!(!text.contains(word), "the page contains {word}");
    }
}

#[test]
fn boxes_are_those_of_the_objects() {
    let (_, text) = page("boxes");
    let photograph = &counted().slides[0].photographs[1];
    for (index, found) in photograph.cells.iter().enumerate() {
        let object = found.object;
        let place = format!(
            "<rect id=\"s1p2c{}\" x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\"><title>",
            index + 1,
            object.x,
            object.y,
            object.width,
            object.height
        );
        let (_, title) = text.split_once(&place).unwrap_or_else(|| panic!("{place}"));
        let title = title.split('<').next().unwrap();
        assert_eq!(title.contains("not counted"), !found.is_counted, "{title}");
        let class = found.prediction.and_then(|prediction| prediction.class);
        let word = match class {
            Some(Class::Parasitized) => ": infected red cell",
            Some(Class::Uninfected) => ": uninfected red cell",
            None => "",
        };
        assert!(title.contains(word), "{title}");
    }
}

#[test]
fn the_folder_has_the_photographs_the_cells_and_the_slides() {
    let (folder, text) = page("files");
    let mut names: Vec<String> = fs::read_dir(folder.join("photographs"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    // The names of two photographs differ in upper and lower case only.
    let expected = ["slide_01_Photograph_01-2.jpg", "slide_01_photograph_01.jpg", "slide_01_photograph_02.jpg"];
    assert_eq!(names, expected);
    let drawn = giemsa::image::decode_file(&folder.join("photographs").join(&names[1])).unwrap();
    assert_eq!(drawn.pixels.dimensions(), (520, 400));
    // The photograph that was removed is counted, and the file that is no image is skipped.
    assert!(text.contains("1 photograph was counted, but cannot be\nread any more"));
    assert!(text.contains("1 skipped file<") && text.contains("found text"));

    let objects = counted().slides.iter().flat_map(|slide| &slide.photographs).flat_map(|photograph| &photograph.cells);
    let cells = fs::read_to_string(folder.join("cells.csv")).unwrap();
    assert_eq!(cells.lines().count(), 1 + objects.clone().count());
    let red_cells = objects.filter(|found| found.object.kind == ObjectKind::RedCell).count();
    assert_eq!(cells.matches(",red_cell,").count(), red_cells);
    let json: serde_json::Value = serde_json::from_slice(&fs::read(folder.join("slides.json")).unwrap()).unwrap();
    assert_eq!(json["slides"][0]["counts"]["infected"], counted().slides[0].counts.infected);
    assert_eq!(json["provenance"]["model"], "builtin");
}

#[test]
fn a_second_count_replaces_the_first_but_no_foreign_files() {
    let (folder, _) = page("again");
    write(&folder, &counted().slides[1..]).unwrap();
    assert_eq!(fs::read_dir(folder.join("photographs")).unwrap().count(), 0, "photographs of the first count are left");
    assert!(!fs::read_to_string(folder.join("index.html")).unwrap().contains("slide_01"));
    for mine in ["notes.txt", "photographs/mine.jpg"] {
        fs::write(folder.join(mine), "mine").unwrap();
        assert!(matches!(check_free(&folder), Err(ReportError::FolderInUse { .. })));
        assert!(write(&folder, &counted().slides).is_err());
        assert_eq!(fs::read_to_string(folder.join(mine)).unwrap(), "mine");
        fs::remove_file(folder.join(mine)).unwrap();
    }
}

#[test]
fn nothing_is_written_if_the_writing_is_stopped() {
    let folder = counted().place.path().join("stopped");
    let provenance = Provenance::of_model(&counted().model, None, "smears".as_ref()).unwrap();
    let count = Count {
        title: "",
        about: &[],
        slides: &counted().slides,
        settings: &SettingsRow::new(CountSettings::default(), "folder", Default::default()),
        agreement: None,
        error_rates: None,
        provenance: &provenance,
    };
    let mut left = 2;
    let stop = || {
        left -= 1;
        if left == 0 { Break(()) } else { Continue(()) }
    };
    assert!(matches!(write_count(&folder, &count, stop), Err(ReportError::Stopped)));
    assert!(!folder.exists());
}

#[test]
fn a_slide_without_red_cells_has_no_parasitaemia() {
    let place = tempfile::tempdir().unwrap();
    let file = place.path().join("empty.png");
    image::RgbImage::from_pixel(300, 200, image::Rgb([230, 225, 220])).save(&file).unwrap();
    let mut slides = Vec::new();
    let groups = group_by_slide([Ok(file)], &SlideBy::Photograph);
    let predictor = counted().model.predictor(Default::default());
    count_slides(
        &predictor,
        groups,
        CountSettings::default(),
        || Continue(()),
        |slide| {
            slides.push(slide);
            Continue(())
        },
    )
    .unwrap();
    let folder = place.path().join("page");
    write(&folder, &slides).unwrap();
    let text = fs::read_to_string(folder.join("index.html")).unwrap();
    assert!(text.contains("no red cells, so no parasitaemia") && !text.contains("NaN"));
    assert!(!text.contains("Infected cells</h3>") && text.contains("empty.jpg"));
}
