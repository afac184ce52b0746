//! Two drawn photographs of a smear, whose cells the demo counts: one of the whole field, one as of a telephone at the eyepiece.

use super::stop_if_interrupted;
use anyhow::Context as _;
use giemsa::model::{Model, Tta};
use giemsa::report::page::{Gallery, Picture, Size};
use giemsa::report::smear::draw_boxes;
use giemsa::report::write_png;
use giemsa::smear::agreement::{Agreement, FoundCell, PhotographAgreement, TrueCell, compare_cells};
use giemsa::smear::{
    FoundObject, ObjectKind, Photograph, RED_CELLS_PER_MICROLITRE, Slide, count_slide, find_cells, percentage,
};
use giemsa::synthetic::{DrawnObject, DrawnSmear, SmearSettings, draw_smear};
use std::path::{Path, PathBuf};

/// The files of the photographs.
pub const FILES: [&str; 2] = ["smear-1.png", "smear-2.png"];

/// The photographs, and what was found on them.
pub struct Smears {
    drawn: [DrawnSmear; 2],
    slide: Slide,
    agreement: Agreement,
}

impl Smears {
    /// Draws photographs of one slide into `out`, and counts their cells. `seed` determines the slide.
    pub fn count(model: &Model, seed: u64, out: &Path) -> anyhow::Result<Smears> {
        let field = SmearSettings { white_cells: 2, platelets: 8, uneven_light: 0.2, ..SmearSettings::default() };
        let round = SmearSettings {
            width_px: 1280,
            height_px: 720,
            diameter_px: 44.0,
            red_cells: 130,
            round_field: true,
            ..SmearSettings::default()
        };
        let drawn = [draw_smear(seed, 0, &field), draw_smear(seed, 1, &round)];
        let mut photographs = Vec::new();
        for (smear, file) in drawn.iter().zip(FILES) {
            stop_if_interrupted()?;
            let path: PathBuf = out.join(file);
            write_png(&smear.image, &path)?;
            photographs.push(find_cells(&model.predictor(Tta::None), &path, &smear.image, None)?);
        }
        let slide = count_slide(model, "drawn slide", photographs, RED_CELLS_PER_MICROLITRE)?;
        let compared: Vec<PhotographAgreement> =
            drawn.iter().zip(&slide.photographs).map(|(smear, photograph)| compare(smear, photograph)).collect();
        Ok(Smears { drawn, slide, agreement: Agreement::of(&compared) })
    }

    /// Describes the results in a sentence.
    pub fn summary(&self) -> String {
        let share = |value: Option<f64>| value.map_or("no".to_owned(), percentage);
        format!(
            "On two drawn photographs of a smear, {} of the red cells are found, and {} of the found ones are red cells. {} of \
             them are classified as Parasitized; {} are drawn with parasites. Cells on which a platelet is drawn are often \
             taken for infected.",
            share(self.agreement.recall),
            share(self.agreement.precision),
            share(self.agreement.found_parasitaemia),
            share(self.agreement.true_parasitaemia),
        )
    }

    /// Shows the photographs with boxes.
    pub fn gallery(&self) -> anyhow::Result<Gallery> {
        let picture = |(smear, photograph): (&DrawnSmear, &Photograph)| -> anyhow::Result<Picture> {
            let mut image = smear.image.clone();
            draw_boxes(&mut image, photograph)?;
            let counts = photograph.counts();
            let line = format!(
                "{} red cells, {} infected, {} white cells, {} platelets",
                counts.red_cells, counts.infected, counts.white_cells, counts.platelets
            );
            Ok(Picture { image, alt: format!("Drawn photograph with boxes: {line}"), lines: vec![line] })
        };
        let pictures = self.drawn.iter().zip(&self.slide.photographs).map(picture);
        Ok(Gallery {
            title: "Counting a smear".to_owned(),
            text: format!(
                "{} Boxes: vermilion for infected cells, blue for uninfected ones, black for white cells, purple for platelets, \
                 green for clusters, grey for artefacts. Cells that touch the left or the upper border are not counted.",
                self.summary()
            ),
            size: Size::Photograph,
            pictures: pictures.collect::<anyhow::Result<_>>().context("photographs with boxes")?,
        })
    }
}

/// Compares the found red cells with the drawn ones.
fn compare(smear: &DrawnSmear, photograph: &Photograph) -> PhotographAgreement {
    let drawn = |object: &DrawnObject| {
        let frame_px = [object.x, object.y, object.width, object.height].map(f64::from);
        // A cell that the border of a round field cuts is neither expected nor wrong.
        let class = object.class.filter(|_| !object.touches_border);
        (object.kind == ObjectKind::RedCell).then_some(TrueCell { frame_px, class })
    };
    let found =
        |cell: &FoundObject| Some(FoundCell { frame_px: cell.object.frame_px(), class: cell.prediction?.class? });
    let there: Vec<TrueCell> = smear.objects.iter().filter_map(drawn).collect();
    let cells: Vec<FoundCell> = photograph.cells.iter().filter_map(found).collect();
    compare_cells(&there, &cells, [photograph.width_px, photograph.height_px])
}
