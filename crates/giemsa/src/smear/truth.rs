//! Boxes drawn by people, to compare found cells with.

use super::Photograph;
use super::agreement::{FoundCell, PhotographAgreement, TrueCell, compare_cells};
use crate::dataset::DatasetError;
use crate::dataset::annotations::{self, Object, ObjectBox, read_annotation_file};
use crate::output::parent_of;
use std::path::{Path, PathBuf};

/// The boxes of a set of photographs.
#[derive(Clone, Debug)]
pub struct Truth {
    /// Names relative to the folder of the file, with the boxes.
    photographs: Vec<(PathBuf, annotations::Photograph)>,
}

impl Truth {
    /// Reads boxes in the COCO format, as [`read_annotation_file`] does.
    ///
    /// # Errors
    /// If the file cannot be read or is not of this format.
    pub fn read(path: &Path) -> Result<Truth, DatasetError> {
        let folder = parent_of(path);
        let named = |photograph: annotations::Photograph| {
            (photograph.path.strip_prefix(folder).unwrap_or(&photograph.path).to_owned(), photograph)
        };
        Ok(Truth { photographs: read_annotation_file(path)?.into_iter().map(named).collect() })
    }

    /// Returns whether there are boxes of a photograph. A photograph is that of the same file name; among several of them, the
    /// one whose folders match.
    #[must_use]
    pub fn contains(&self, photograph: &Path) -> bool {
        self.find(photograph).is_some()
    }

    /// Returns the boxes of a photograph; `None` if the file does not list it.
    #[must_use]
    pub fn boxes_of(&self, photograph: &Path) -> Option<&[ObjectBox]> {
        self.find(photograph).map(|photograph| &photograph.boxes[..])
    }

    fn find(&self, photograph: &Path) -> Option<&annotations::Photograph> {
        let same_name = self.photographs.iter().filter(|(name, _)| name.file_name() == photograph.file_name());
        let candidates: Vec<_> = same_name.collect();
        let in_folders = candidates.iter().filter(|(name, _)| photograph.ends_with(name));
        let best = in_folders.max_by_key(|(name, _)| name.components().count());
        best.or(if let [only] = &candidates[..] { Some(only) } else { None }).map(|(_, photograph)| photograph)
    }

    /// Compares the red cells of a counted photograph with the boxes; `None` if there are none of it.
    ///
    /// All red cells are compared, also those at the border that are not counted.
    #[must_use]
    pub fn compare(&self, photograph: &Photograph) -> Option<PhotographAgreement> {
        let there = self.find(&photograph.path)?;
        let mut cells: Vec<TrueCell> = there.boxes.iter().filter_map(true_cell).collect();
        cells.extend(there.difficult.iter().map(|&frame_px| TrueCell { frame_px, class: None }));
        let found: Vec<FoundCell> = photograph.cells.iter().filter_map(found_cell).collect();
        Some(compare_cells(&cells, &found, [photograph.width_px, photograph.height_px]))
    }
}

fn true_cell(object: &ObjectBox) -> Option<TrueCell> {
    let Object::RedCell(class) = object.object else { return None };
    Some(TrueCell { frame_px: object.frame_px(), class: Some(class) })
}

fn found_cell(cell: &super::FoundObject) -> Option<FoundCell> {
    let object = &cell.object;
    let class = cell.class()?;
    Some(FoundCell { frame_px: object.frame_px(), class })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn truth(names: &[&str]) -> Truth {
        let folder = tempfile::tempdir().unwrap();
        let images: Vec<_> =
            (1..).zip(names).map(|(id, name)| serde_json::json!({"id": id, "file_name": name})).collect();
        let json = serde_json::json!({"images": images, "annotations": [], "categories": []});
        std::fs::write(folder.path().join("boxes.json"), json.to_string()).unwrap();
        Truth::read(&folder.path().join("boxes.json")).unwrap()
    }

    #[test]
    fn finds_photographs_by_name_and_then_by_folder() {
        let truth = truth(&["a.jpg", "s1/b.jpg", "s2/b.jpg", "s2/deep/c.jpg"]);
        let id = |path: &str| truth.find(path.as_ref()).map(|photograph| photograph.id);
        assert_eq!(
            [id("a.jpg"), id("other/a.jpg"), id("x/s1/b.jpg"), id("s2/b.jpg")],
            [Some(1), Some(1), Some(2), Some(3)]
        );
        assert_eq!([id("b.jpg"), id("s3/b.jpg"), id("c.jpg"), id("d.jpg")], [None, None, Some(4), None]);
    }
}
