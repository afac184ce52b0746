//! Found cells as a data set in the COCO format for object detection (Lin et al. 2014, "Microsoft COCO: common objects in
//! context"), which tools for annotation import.
//!
//! [`read_annotations`](crate::dataset::annotations::read_annotations) reads it back, except for clusters.

use super::ObjectKind;
use super::rows::{CellRow, PhotographRow};
use crate::RESEARCH_ONLY;
use crate::classes::Class;
use serde::Serialize;
use std::path::{Component, Path, PathBuf};

/// The names of the categories; the number of a category is its place, from 1.
pub const CATEGORIES: [&str; 6] = ["red_blood_cell", "infected", "white_blood_cell", "platelet", "cluster", "artefact"];

/// A data set.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Dataset {
    /// Where it is from.
    pub info: Info,
    /// Always empty.
    pub licenses: Vec<()>,
    /// The photographs.
    pub images: Vec<Image>,
    /// The categories.
    pub categories: Vec<Category>,
    /// The boxes.
    pub annotations: Vec<Annotation>,
}

/// The origin of a data set.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Info {
    /// A description, with the notice that accompanies every result.
    pub description: String,
    /// The version of this library.
    pub version: &'static str,
}

/// A photograph.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Image {
    /// Number, from 1.
    pub id: usize,
    /// The path, with `/` on every system.
    pub file_name: String,
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
}

/// A category of boxes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Category {
    /// Number, from 1.
    pub id: usize,
    /// Name.
    pub name: &'static str,
    /// Always `cell`.
    pub supercategory: &'static str,
}

/// A box.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Annotation {
    /// Number, from 1.
    pub id: usize,
    /// Number of its photograph.
    pub image_id: usize,
    /// Number of its category.
    pub category_id: usize,
    /// Left, top, width and height in pixels.
    pub bbox: [u32; 4],
    /// Area of the box in pixels.
    pub area: u64,
    /// Always 0: it is one object.
    pub iscrowd: u8,
    /// Always empty, because there are only boxes.
    pub segmentation: Vec<()>,
    /// Whether the object is in the counting frame.
    pub counted: bool,
    /// The probability of the class of a red cell, in 0..=1; 1 for anything else.
    pub score: f64,
}

impl Dataset {
    /// Returns the cells of photographs as a data set.
    ///
    /// A relative path is the name of its photograph unchanged. Absolute paths, and those that lead out of the current folder,
    /// become relative to the deepest folder that contains all of these.
    ///
    /// ```
    /// let dataset = giemsa::smear::coco::Dataset::of(&[]);
    /// let json = serde_json::to_value(&dataset)?;
    /// assert_eq!(json["categories"][1]["name"], "infected");
    /// # Ok::<(), serde_json::Error>(())
    /// ```
    #[must_use]
    pub fn of(photographs: &[PhotographRow]) -> Dataset {
        let names = file_names(photographs.iter().map(|row| &row.figures.photo));
        let image = |(i, (row, file_name)): (usize, (&PhotographRow, String))| Image {
            id: i + 1,
            file_name,
            width: row.figures.width,
            height: row.figures.height,
        };
        let cells = photographs.iter().enumerate().flat_map(|(i, row)| row.cells.iter().map(move |cell| (i + 1, cell)));
        Dataset {
            info: Info {
                description: format!("Cells found by giemsa. {RESEARCH_ONLY}"),
                version: env!("CARGO_PKG_VERSION"),
            },
            licenses: Vec::new(),
            images: photographs.iter().zip(names).enumerate().map(image).collect(),
            categories: categories(),
            annotations: cells.enumerate().map(|(i, (image_id, cell))| annotation(i + 1, image_id, cell)).collect(),
        }
    }
}

fn categories() -> Vec<Category> {
    let category = |(i, &name)| Category { id: i + 1, name, supercategory: "cell" };
    CATEGORIES.iter().enumerate().map(category).collect()
}

fn annotation(id: usize, image_id: usize, cell: &CellRow) -> Annotation {
    let category_id = match cell.kind {
        ObjectKind::RedCell if cell.class == Some(Class::Parasitized) => 2,
        ObjectKind::RedCell => 1,
        ObjectKind::WhiteCell => 3,
        ObjectKind::Platelet => 4,
        ObjectKind::Cluster => 5,
        ObjectKind::Artefact => 6,
    };
    let score = match (cell.class, cell.probability_parasitized) {
        (Some(Class::Parasitized), Some(probability)) => probability,
        (Some(Class::Uninfected), Some(probability)) => 1.0 - probability,
        _ => 1.0,
    };
    Annotation {
        id,
        image_id,
        category_id,
        bbox: [cell.x, cell.y, cell.width, cell.height],
        area: u64::from(cell.width) * u64::from(cell.height),
        iscrowd: 0,
        counted: cell.counted,
        segmentation: Vec::new(),
        score,
    }
}

/// Returns the names of the photographs, without `.` as a part.
fn file_names<'a>(paths: impl Iterator<Item = &'a PathBuf>) -> Vec<String> {
    let paths: Vec<PathBuf> =
        paths.map(|path| path.components().filter(|c| *c != Component::CurDir).collect()).collect();
    let is_inside = |path: &Path| path.components().all(|part| matches!(part, Component::Normal(_)));
    let mut outside = paths.iter().filter(|path| !is_inside(path)).map(|path| path.parent().unwrap_or(path));
    let first = outside.next().unwrap_or(Path::new(""));
    let common = outside.fold(first.to_owned(), |common, folder| {
        let same = common.components().zip(folder.components()).take_while(|(a, b)| a == b);
        same.map(|(part, _)| part).collect()
    });
    let name = |path: &PathBuf| {
        let path = if is_inside(path) { path } else { path.strip_prefix(&common).unwrap_or(path) };
        path.components().map(|part| part.as_os_str().to_string_lossy()).collect::<Vec<_>>().join("/")
    };
    paths.iter().map(name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(paths: &[&str]) -> Vec<String> {
        file_names(paths.iter().map(PathBuf::from).collect::<Vec<_>>().iter())
    }

    #[test]
    fn relative_paths_are_names_and_others_are_relative_to_their_common_folder() {
        assert_eq!(names(&["./s/a.png", "b.png"]), ["s/a.png", "b.png"]);
        assert_eq!(names(&["/data/s1/a.png", "/data/s2/b.png", "c/d.png"]), ["s1/a.png", "s2/b.png", "c/d.png"]);
        assert_eq!(names(&["/data/s1/a.png"]), ["a.png"]);
        assert_eq!(names(&["../a.png", "../s/b.png"]), ["a.png", "s/b.png"]);
        assert!(names(&[]).is_empty());
    }

    #[test]
    fn the_score_is_the_probability_of_the_class() {
        let cell = |kind, class, probability_parasitized| CellRow {
            x: 1,
            y: 2,
            width: 30,
            height: 40,
            kind,
            counted: true,
            class,
            probability_parasitized,
        };
        let infected = annotation(1, 1, &cell(ObjectKind::RedCell, Some(Class::Parasitized), Some(0.75)));
        assert_eq!((CATEGORIES[infected.category_id - 1], infected.score, infected.area), ("infected", 0.75, 1200));
        let healthy = annotation(2, 1, &cell(ObjectKind::RedCell, Some(Class::Uninfected), Some(0.25)));
        assert_eq!((CATEGORIES[healthy.category_id - 1], healthy.score), ("red_blood_cell", 0.75));
        let platelet = annotation(3, 1, &cell(ObjectKind::Platelet, None, None));
        assert_eq!((CATEGORIES[platelet.category_id - 1], platelet.score), ("platelet", 1.0));
    }
}
