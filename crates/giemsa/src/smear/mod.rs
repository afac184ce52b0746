//! Photographs of thin smears: finds the cells, counts them, and computes the parasitaemia of a slide.
//!
//! [`count_slides`] does all of it for photographs in files. [`segment::segment`] finds the cells on one photograph,
//! [`find_cells`] also computes their logits, and [`count_slide`] classifies the cells of all photographs of a slide.
//!
//! ```
//! use giemsa::model::Model;
//! use giemsa::smear::{RED_CELLS_PER_MICROLITRE, count_slide, find_cells};
//!
//! let model = Model::embedded()?;
//! let photograph = image::RgbImage::from_pixel(640, 480, image::Rgb([230, 225, 220]));
//! let cells = find_cells(&model.predictor(Default::default()), "field.jpg".as_ref(), &photograph, None)?;
//! let slide = count_slide(&model, "slide", vec![cells], RED_CELLS_PER_MICROLITRE)?;
//! assert_eq!(slide.counts.red_cells, 0);
//! assert!(slide.parasitaemia.is_none());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

pub mod agreement;
mod box_matching;
mod cell_images;
mod cell_names;
mod centring;
pub mod coco;
mod correction;
pub mod count_report;
mod detection;
mod error;
mod field_check;
mod frame;
mod grouping;
mod interval;
mod object;
mod parasitaemia;
mod photograph;
mod plausibility;
mod review;
pub mod rows;
pub mod segment;
mod slide;
mod sufficiency;
mod text;
pub mod truth;
mod warning;

pub use cell_images::{CellImageError, CellImageSettings, CellImages, TruthCounts, write_cell_images};
pub use centring::{FARTHEST_LOGITS, LARGEST_SHIFT_LOGITS, SHRINKAGE_CELLS, centre_logits, healthy_shift};
pub use correction::correct;
pub use detection::{Decision, Detection, FurtherCount, MOST_CELLS, detect};
pub use error::CountError;
pub use field_check::count_if_field;
pub use frame::{is_counted, is_whole};
pub use grouping::{SlideBy, SlideFiles, group_by_slide};
pub use interval::{
    ASSUMED_CORRELATION, Estimate, FEWEST_FIELDS, FieldCount, IntervalMethod, LEVEL, infected_fraction,
};
pub use object::{Object, ObjectKind};
pub use parasitaemia::{Density, Parasitaemia, RED_CELLS_PER_MICROLITRE, parasitaemia};
pub use photograph::{FoundObject, Photograph, find_cells};
pub use review::{Verdict, review_slide};
pub use slide::{CountSettings, Counts, Slide, count_slide, count_slides};
pub use sufficiency::{LOW_PARASITAEMIA, RED_CELLS, RED_CELLS_IF_LOW, Sufficiency, judge_count};
pub use text::{grouped, percentage};
pub use warning::Warning;
