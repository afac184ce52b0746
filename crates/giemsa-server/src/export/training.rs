//! Images of the reviewed cells, in folders from which a model is trained.

use crate::case::{Case, CasePhotograph, frame_px};
use crate::problem::Problem;
use crate::store::Store;
use giemsa::dataset::annotations::ANNOTATIONS;
use giemsa::dataset::sites::NOT_A_CELL;
use giemsa::smear::truth::Truth;
use giemsa::smear::{CellImageError, SlideBy, Verdict, group_by_slide, write_cell_images};
use serde_json::json;
use std::fs;
use std::io::{self, Cursor, Write};
use std::ops::ControlFlow::Continue;
use std::path::{Path, PathBuf};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, DateTime, ZipWriter};

/// The categories of boxes and their verdicts; the number of a category is its place, from 1.
const CATEGORIES: [(&str, Verdict); 3] =
    [("infected", Verdict::Parasitized), ("uninfected", Verdict::Uninfected), ("artefact", Verdict::NotACell)];

/// There are no images to write.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no whole cell has a verdict of parasitized, uninfected or not_a_cell")]
pub struct NothingReviewed;

/// Returns a ZIP archive with the folders `Parasitized`, `Uninfected` and `NotACell`, with one image per reviewed object, named
/// `case-3_17_cell_5.png`: a case takes the place of a patient. Objects without a verdict, and red cells that a border cuts, are left
/// out. The same verdicts give the same bytes.
///
/// # Errors
/// If there is nothing to write, or a file cannot be written.
pub fn training_zip(store: &Store, cases: &[Case]) -> Result<Vec<u8>, Problem> {
    let folder = store.temporary_folder()?;
    let cells = folder.path().join("cells");
    write_photographs(store, cases, &folder.path().join("photographs"), &cells)?;
    write_single_cells(store, cases, &cells)?;
    let files = files_in(&cells).map_err(Problem::storage)?;
    if files.is_empty() {
        return Err(Problem::conflict(NothingReviewed));
    }
    zipped(&cells, &files).map_err(Problem::storage)
}

/// Writes the images of the reviewed objects of photographs.
fn write_photographs(store: &Store, cases: &[Case], folder: &Path, out: &Path) -> Result<(), Problem> {
    let (mut images, mut annotations, mut paths) = (Vec::new(), Vec::new(), Vec::new());
    for (case, photograph) in cases.iter().flat_map(|case| case.images.photographs.iter().map(move |p| (case, p))) {
        let boxes = boxes(case, photograph);
        if boxes.is_empty() {
            continue;
        }
        let name = format!("{}/{}.image", slide(case), photograph.image);
        let (_, file) = store.run_here(|database| database.file(photograph.image))?;
        write(&folder.join(&name), &file.bytes).map_err(Problem::storage)?;
        paths.push(folder.join(&name));
        images.push(json!({"id": photograph.image, "file_name": name}));
        annotations.extend(boxes);
    }
    if paths.is_empty() {
        return Ok(());
    }
    let categories = (1..).zip(CATEGORIES).map(|(id, (name, _))| json!({"id": id, "name": name}));
    let categories: Vec<_> = categories.collect();
    let coco = json!({"images": images, "annotations": annotations, "categories": categories});
    let truth = folder.join(ANNOTATIONS);
    write(&truth, coco.to_string().as_bytes()).map_err(Problem::storage)?;
    let truth = Truth::read(&truth).map_err(Problem::internal)?;
    let slides = group_by_slide(paths.into_iter().map(Ok), &SlideBy::Folder);
    match write_cell_images(slides, out, Some(&truth), Default::default(), &|| Continue(())) {
        // There may be single cells.
        Ok(_) | Err(CellImageError::NoCells { .. }) => Ok(()),
        Err(error) => Err(Problem::storage(error)),
    }
}

/// Returns the boxes of the reviewed objects of a photograph.
fn boxes(case: &Case, photograph: &CasePhotograph) -> Vec<serde_json::Value> {
    let category = |given: Verdict| CATEGORIES.iter().position(|(_, verdict)| *verdict == given);
    let one = |found: &giemsa::smear::FoundObject| {
        let bbox = frame_px(&found.object);
        let category = category(case.verdicts.verdict(photograph.image, bbox)?)?;
        Some(json!({"image_id": photograph.image, "category_id": category + 1, "bbox": bbox}))
    };
    photograph.photograph.cells.iter().filter_map(one).collect()
}

/// Writes the files of reviewed single cells.
fn write_single_cells(store: &Store, cases: &[Case], out: &Path) -> Result<(), Problem> {
    for (case, cell) in cases.iter().flat_map(|case| case.images.cells.iter().map(move |cell| (case, cell))) {
        let class_folder = match case.verdicts.verdict(cell.image, cell.frame_px()) {
            Some(Verdict::NotACell) => NOT_A_CELL,
            verdict => match verdict.and_then(Verdict::class) {
                Some(class) => class.name(),
                None => continue,
            },
        };
        let (_, file) = store.run_here(|database| database.file(cell.image))?;
        let extension = if file.media_type == "image/jpeg" { "jpg" } else { "png" };
        let name = format!("{}_{}_cell_1.{extension}", slide(case), cell.image);
        write(&out.join(class_folder).join(name), &file.bytes).map_err(Problem::storage)?;
    }
    Ok(())
}

/// Returns the name of a case in names of files. It has no underscore, which separates it from the rest.
fn slide(case: &Case) -> String {
    format!("case-{}", case.row.id)
}

fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    path.parent().map_or(Ok(()), fs::create_dir_all)?;
    fs::write(path, bytes)
}

/// Returns the files in the folders of a folder, relative to it, in the order of their names; none if it does not exist.
fn files_in(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for class_folder in fs::read_dir(folder).into_iter().flatten() {
        let class_folder = class_folder?.file_name();
        for file in fs::read_dir(folder.join(&class_folder))? {
            files.push(Path::new(&class_folder).join(file?.file_name()));
        }
    }
    files.sort();
    Ok(files)
}

fn zipped(folder: &Path, files: &[PathBuf]) -> io::Result<Vec<u8>> {
    // The images are compressed already.
    let options = SimpleFileOptions::default()
        .compression_method(CompressionMethod::Stored)
        .last_modified_time(DateTime::default())
        .unix_permissions(0o644);
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    for file in files {
        let parts: Vec<_> = file.components().map(|part| part.as_os_str().to_string_lossy()).collect();
        zip.start_file(parts.join("/"), options)?;
        zip.write_all(&fs::read(folder.join(file))?)?;
    }
    Ok(zip.finish()?.into_inner())
}
