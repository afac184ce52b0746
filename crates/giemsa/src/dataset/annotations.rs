//! Photographs with boxes drawn by people, in the COCO format for object detection (Lin et al. 2014, *Microsoft COCO: common
//! objects in context*).

use super::DatasetError;
use super::sites::NOT_A_CELL;
use crate::classes::Class;
use crate::input::read_text;
use crate::output::parent_of;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};

/// The name of the file with the boxes, in the folder of the photographs.
pub const ANNOTATIONS: &str = "annotations.json";
/// The largest file of boxes that is read.
const MAX_BYTES: u64 = 1 << 26;

/// What a box contains.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Object {
    /// A red cell of this class.
    RedCell(Class),
    /// A white cell, a platelet or anything else that is not a red cell.
    NotACell,
}

impl Object {
    /// Returns the name of the class folder, as in the NIH data set.
    #[must_use]
    pub fn folder(self) -> &'static str {
        match self {
            Object::RedCell(class) => class.name(),
            Object::NotACell => NOT_A_CELL,
        }
    }
}

/// The category of objects that people could not name.
const DIFFICULT: &str = "difficult";

/// The names of categories, in any case. Objects of other categories are not used.
const CATEGORIES: [(&str, Object); 8] = [
    ("infected", Object::RedCell(Class::Parasitized)),
    ("parasitized", Object::RedCell(Class::Parasitized)),
    ("red_blood_cell", Object::RedCell(Class::Uninfected)),
    ("uninfected", Object::RedCell(Class::Uninfected)),
    ("white_blood_cell", Object::NotACell),
    ("leukocyte", Object::NotACell),
    ("platelet", Object::NotACell),
    ("artefact", Object::NotACell),
];

/// A photograph with its boxes.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Photograph {
    /// Number in the file of boxes.
    pub id: u64,
    /// The file.
    pub path: PathBuf,
    /// The boxes, in the order of the file.
    pub boxes: Vec<ObjectBox>,
    /// Left, top, width and height in pixels of the objects of the category `difficult`.
    pub difficult: Vec<[f64; 4]>,
}

/// A box in a photograph.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct ObjectBox {
    /// What it contains.
    pub object: Object,
    /// Name of the category.
    pub category: String,
    /// Centre (x, y), in pixels.
    pub centre: [f64; 2],
    /// Width and height in pixels; `None` if only the centre is marked, by a box of at most one pixel.
    pub size: Option<[f64; 2]>,
}

impl ObjectBox {
    /// Returns left, top, width and height in pixels; a box of one pixel if only the centre is marked.
    #[must_use]
    pub fn frame_px(&self) -> [f64; 4] {
        let [width, height] = self.size.unwrap_or([1.0; 2]);
        [self.centre[0] - width / 2.0, self.centre[1] - height / 2.0, width, height]
    }
}

#[derive(Deserialize)]
struct Coco {
    images: Vec<CocoImage>,
    annotations: Vec<CocoAnnotation>,
    categories: Vec<CocoCategory>,
}

#[derive(Deserialize)]
struct CocoImage {
    id: u64,
    file_name: String,
}

#[derive(Deserialize)]
struct CocoAnnotation {
    image_id: u64,
    category_id: u64,
    bbox: [f64; 4],
}

#[derive(Deserialize)]
struct CocoCategory {
    id: u64,
    name: String,
}

/// Reads the photographs of a folder and their boxes, from `annotations.json` in it.
///
/// # Errors
/// If the file cannot be read, is not of this format, or names a photograph outside the folder.
pub fn read_annotations(folder: &Path) -> Result<Vec<Photograph>, DatasetError> {
    read_annotation_file(&folder.join(ANNOTATIONS))
}

/// Reads photographs and their boxes from a file of any name. The paths of the photographs are relative to its folder.
///
/// # Errors
/// As [`read_annotations`].
pub fn read_annotation_file(path: &Path) -> Result<Vec<Photograph>, DatasetError> {
    let folder = parent_of(path);
    let text = read_text(path, MAX_BYTES)?;
    let invalid = |message: String| DatasetError::Annotations { path: path.to_owned(), message };
    let coco: Coco = serde_json::from_str(&text).map_err(|error| invalid(error.to_string()))?;
    let categories: BTreeMap<u64, String> = coco.categories.into_iter().map(|c| (c.id, c.name)).collect();
    let mut photographs = BTreeMap::new();
    for image in coco.images {
        let name = Path::new(&image.file_name);
        if !name.components().all(|part| matches!(part, Component::Normal(_))) || name.as_os_str().is_empty() {
            return Err(invalid(format!("expected the name of a file in this folder, found {:?}", image.file_name)));
        }
        let path = folder.join(name);
        photographs.insert(image.id, Photograph { id: image.id, path, boxes: Vec::new(), difficult: Vec::new() });
    }
    for annotation in coco.annotations {
        let [x, y, width, height] = annotation.bbox;
        if !annotation.bbox.iter().all(|value| value.is_finite()) || width < 0.0 || height < 0.0 {
            return Err(invalid(format!("expected x, y, width and height in pixels, found {:?}", annotation.bbox)));
        }
        let Some(category) = categories.get(&annotation.category_id) else { continue };
        if let (true, Some(photograph)) =
            (category.eq_ignore_ascii_case(DIFFICULT), photographs.get_mut(&annotation.image_id))
        {
            photograph.difficult.push(annotation.bbox);
        }
        let known = CATEGORIES.iter().find(|(name, _)| name.eq_ignore_ascii_case(category));
        if let (Some(&(_, object)), Some(photograph)) = (known, photographs.get_mut(&annotation.image_id)) {
            let size = (width > 1.0 && height > 1.0).then_some([width, height]);
            let centre = [x + width / 2.0, y + height / 2.0];
            photograph.boxes.push(ObjectBox { object, category: category.clone(), centre, size });
        }
    }
    Ok(photographs.into_values().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> Result<Vec<Photograph>, DatasetError> {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join(ANNOTATIONS), json).unwrap();
        read_annotations(folder.path())
    }

    #[test]
    fn reads_boxes_and_centres_of_known_categories() {
        let photographs = read(
            r#"{"images": [{"id": 7, "file_name": "b.jpg"}, {"id": 3, "file_name": "sub/a.jpg"}],
            "categories": [{"id": 1, "name": "Infected"}, {"id": 2, "name": "platelet"}, {"id": 3, "name": "difficult"}],
            "annotations": [{"image_id": 7, "category_id": 1, "bbox": [10, 20, 4, 6]},
                {"image_id": 7, "category_id": 3, "bbox": [0, 0, 9, 9]},
                {"image_id": 3, "category_id": 2, "bbox": [5, 5, 1, 1]}]}"#,
        )
        .unwrap();
        assert_eq!(photographs.iter().map(|photograph| photograph.id).collect::<Vec<_>>(), [3, 7]);
        let [only] = &photographs[1].boxes[..] else { panic!("{photographs:?}") };
        assert_eq!((only.object, only.centre), (Object::RedCell(Class::Parasitized), [12.0, 23.0]));
        assert_eq!(only.size, Some([4.0, 6.0]));
        assert_eq!(photographs[1].difficult, [[0.0, 0.0, 9.0, 9.0]]);
        assert_eq!((photographs[0].boxes[0].object, photographs[0].boxes[0].size), (Object::NotACell, None));
    }

    #[test]
    fn rejects_files_of_another_format_and_names_outside_the_folder() {
        let outside = r#"{"images": [{"id": 1, "file_name": "../x.jpg"}], "categories": [], "annotations": []}"#;
        let negative = r#"{"images": [], "categories": [], "annotations": [{"image_id": 1, "category_id": 1, "bbox": [0, 0, -4, 1]}]}"#;
        for (json, expected) in [("[]", "annotations.json: "), (outside, "found \"../x.jpg\""), (negative, "-4")] {
            let error = read(json).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
    }
}
