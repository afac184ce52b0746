//! Counts the cells of two drawn photographs of a smear.
//!
//! ```text
//! cargo run --release -p giemsa --features synthetic --example count_smear
//! ```

use giemsa::model::{Model, Tta};
use giemsa::smear::{RED_CELLS_PER_MICROLITRE, count_slide, find_cells, percentage};
use giemsa::synthetic::{SmearSettings, draw_smear};
use std::error::Error;
use std::path::PathBuf;

fn main() -> Result<(), Box<dyn Error>> {
    let model = Model::embedded()?;
    let mut photographs = Vec::new();
    for number in 0..2 {
        let smear = draw_smear(7, number, &SmearSettings::default());
        let name = PathBuf::from(format!("photograph-{number}.png"));
        let found = find_cells(&model.predictor(Tta::None), &name, &smear.image, None)?;
        println!("{}: {} objects, cells of {:.0} pixels", name.display(), found.cells.len(), found.cell_diameter_px);
        found.warnings.iter().for_each(|warning| println!("  {warning}"));
        photographs.push(found);
    }
    let slide = count_slide(&model, "drawn slide", photographs, RED_CELLS_PER_MICROLITRE)?;
    println!("{} red cells, {} infected", slide.counts.red_cells, slide.counts.infected);
    if let Some(parasitaemia) = &slide.parasitaemia {
        let [value, low, high] = [parasitaemia.value, parasitaemia.low, parasitaemia.high].map(percentage);
        println!("parasitaemia {value} (95 % interval {low} to {high})");
    }
    println!("{}", giemsa::RESEARCH_ONLY);
    Ok(())
}
