//! The built-in model on drawn crops of another microscope: cells that are not segmented, and parts of fields.

use super::stop_if_interrupted;
use giemsa::classes::Class;
use giemsa::model::{Model, Prediction};
use giemsa::report::page::{Gallery, Picture, Size};
use giemsa::synthetic::{draw_other_crop, draw_other_field};
use image::RgbImage;

/// Crops of each class, and parts of fields.
const CROPS: usize = 20;
/// Crops of each kind on the page.
const SHOWN: usize = 6;

/// A drawn crop with its prediction.
struct Crop {
    image: RgbImage,
    /// The class; `None` if the crop shows several cells.
    class: Option<Class>,
    prediction: Prediction,
}

/// The crops of one microscope.
pub struct OtherMicroscope {
    crops: Vec<Crop>,
}

impl OtherMicroscope {
    /// Draws crops and predicts them. `seed` determines the microscope.
    pub fn predict(model: &Model, seed: u64) -> anyhow::Result<OtherMicroscope> {
        let mut crops = Vec::new();
        for class in [Some(Class::Parasitized), Some(Class::Uninfected), None] {
            for number in 0..CROPS {
                stop_if_interrupted()?;
                let image = match class {
                    Some(class) => draw_other_crop(seed, number, class),
                    None => draw_other_field(seed, number),
                };
                let prediction = model.predict(&image)?;
                crops.push(Crop { image, class, prediction });
            }
        }
        Ok(OtherMicroscope { crops })
    }

    /// Describes the results in a sentence.
    pub fn summary(&self) -> String {
        let count = |holds: &dyn Fn(&Crop) -> bool| self.crops.iter().filter(|crop| holds(crop)).count();
        let correct = count(&|crop| crop.class.is_some_and(|class| crop.prediction.class_of_any_image == class));
        let refused = count(&|crop| crop.class.is_none() && crop.prediction.class.is_none());
        let refused_cells = count(&|crop| crop.class.is_some() && crop.prediction.class.is_none());
        format!(
            "On drawn crops of another microscope, the built-in model classifies {correct} of {} cells correctly; it refuses \
             {refused_cells} of them, and {refused} of {CROPS} pictures of several cells.",
            2 * CROPS
        )
    }

    /// Shows some crops of each kind.
    pub fn gallery(&self) -> Gallery {
        let shown = self.crops.iter().enumerate().filter(|(number, _)| number % CROPS < SHOWN);
        let picture = |crop: &Crop| {
            let class = crop.prediction.class.map_or("not a red cell", Class::name);
            let drawn = crop.class.map_or("several cells", Class::name);
            let probability = crop.prediction.probability_parasitized;
            Picture {
                image: crop.image.clone(),
                alt: format!("Drawn crop of another microscope: {drawn}, classified as: {class}"),
                lines: vec![class.to_owned(), format!("P = {probability:.3}"), format!("drawn as: {drawn}")],
            }
        };
        Gallery {
            title: "Another microscope".to_owned(),
            text: format!(
                "Other laboratories have other stains, lamps and cameras, and cut cells out with the smear around them. {}",
                self.summary()
            ),
            size: Size::Cell,
            pictures: shown.map(|(_, crop)| picture(crop)).collect(),
        }
    }
}
