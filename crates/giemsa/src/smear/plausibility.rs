//! Whether a photograph shows a thin smear at all.

use super::ObjectKind;
use super::segment::Segmentation;
use image::RgbImage;

/// The shorter side of a photograph has at least this many cell diameters.
const LEAST_DIAMETERS: f32 = 2.5;
/// The shorter side of a photograph has at least this many pixels. Most images of single cells have fewer.
const LEAST_SIDE_PX: u32 = 200;
/// The largest fraction of the field that objects can cover if there is empty slide between them.
const MOST_COVERED: f32 = 0.92;
/// The largest fraction of the pixels that can be white in every channel. Charts and pages of text have more.
const MOST_WHITE: f32 = 0.85;
/// The least fraction of the objects, by number, that must look like cells.
const LEAST_CELLS: f32 = 0.3;
/// With fewer objects there is no such fraction.
const FEWEST_OBJECTS: usize = 10;

/// Checks that a photograph may show a smear, or returns the reason why it does not. An empty field is a smear without cells.
pub(super) fn check(segmentation: &Segmentation, photograph: &RgbImage) -> Result<(), String> {
    let shorter_px = photograph.width().min(photograph.height());
    if shorter_px < LEAST_SIDE_PX {
        return Err(format!("its shorter side is {shorter_px} pixels long, less than {LEAST_SIDE_PX}"));
    }
    let objects = &segmentation.objects;
    let diameter = segmentation.cell_diameter_px;
    let side = shorter_px as f32;
    if !objects.is_empty() && side < LEAST_DIAMETERS * diameter {
        return Err(format!(
            "its shorter side is {:.1} cell diameters long, less than {LEAST_DIAMETERS}",
            side / diameter
        ));
    }
    if !objects.is_empty() && segmentation.condition.overexposed > MOST_WHITE {
        return Err(format!("{:.0} % of it are white", 100.0 * segmentation.condition.overexposed));
    }
    if segmentation.condition.coverage > MOST_COVERED {
        return Err(format!(
            "{:.0} % of it are covered, which leaves no empty slide to compare with",
            100.0 * segmentation.condition.coverage
        ));
    }
    let cells =
        objects.iter().filter(|object| matches!(object.kind, ObjectKind::RedCell | ObjectKind::Cluster)).count();
    let fraction = cells as f32 / objects.len().max(1) as f32;
    if objects.len() >= FEWEST_OBJECTS && fraction < LEAST_CELLS {
        return Err(format!(
            "{cells} of {} objects look like cells, less than {:.0} %",
            objects.len(),
            100.0 * LEAST_CELLS
        ));
    }
    Ok(())
}
