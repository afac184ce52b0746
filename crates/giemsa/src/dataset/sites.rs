//! Images of other sites than that of the labelled cells: healthy cells, and images that are not a single red cell.

use super::patients::PatientSource;
use super::scan::{folders_in, images_in};
use super::{Cache, DatasetError, Sample};
use crate::classes::Class;
use crate::image::ImageError;
use crate::preprocess::{Images, Preprocessing};
use std::path::{Path, PathBuf};

pub use super::scan::NOT_A_CELL;

/// The decoded images of other sites.
#[derive(Debug)]
#[non_exhaustive]
pub struct OtherSites {
    /// Healthy cells.
    pub negatives: Cache,
    /// Images that are not a single red cell.
    pub not_cells: Cache,
}

impl OtherSites {
    /// Decodes the images of both kinds; either list may be empty. `progress` is called once per image, from any thread.
    ///
    /// # Errors
    /// See [`Cache::load`].
    pub fn load(
        negatives: Vec<Sample>,
        not_cells: Vec<Sample>,
        preprocessing: &Preprocessing,
        progress: &(dyn Fn() + Sync),
    ) -> Result<OtherSites, DatasetError> {
        let load = |samples| Cache::load(samples, preprocessing, None, progress);
        Ok(OtherSites { negatives: load(negatives)?, not_cells: load(not_cells)? })
    }

    /// Returns the errors of the images that could not be read.
    pub fn unreadable(&self) -> impl Iterator<Item = &ImageError> {
        self.negatives.unreadable().iter().chain(self.not_cells.unreadable())
    }

    /// Returns whether there are no images.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.negatives.is_empty() && self.not_cells.is_empty()
    }
}

/// Returns the site of a sample of [`scan_sites`].
#[must_use]
pub fn site_of(sample: &Sample) -> &str {
    let group = sample.patient.as_deref().unwrap_or_default();
    group.split_once(SEPARATOR).map_or(group, |(site, _)| site)
}

/// Separates the site and the photograph in the place of the patient.
const SEPARATOR: char = '/';

/// Lists the images of `DIR/SITE/…`. If some of them lie in a folder of the name `class_folder`, in any case, only those are
/// listed. The site and the photograph, which is the patient in the file name, take the place of the patient, so that a split
/// keeps a photograph together; the site of images directly in `folder` is the folder itself.
///
/// The class of the samples is Uninfected, which has no meaning for images that are not a cell.
///
/// # Errors
/// If the folder does not exist, a folder in it cannot be read, or there are no images.
pub fn scan_sites(folder: &Path, class_folder: &str) -> Result<Vec<Sample>, DatasetError> {
    if !folder.exists() {
        return Err(DatasetError::NotFound { path: folder.to_owned() });
    }
    let all = images_in(folder).into_iter().collect::<Result<Vec<_>, _>>()?;
    let is_in_class = |path: &&PathBuf| {
        let inside = path.strip_prefix(folder).ok().and_then(Path::parent);
        inside.is_some_and(|inside| inside.iter().any(|part| part.eq_ignore_ascii_case(class_folder)))
    };
    let divided = all.iter().any(|path| is_in_class(&path));
    let chosen: Vec<Sample> =
        all.iter().filter(|path| !divided || is_in_class(path)).map(|path| sample(folder, path)).collect();
    if chosen.is_empty() {
        return Err(DatasetError::NoImages { path: folder.to_owned() });
    }
    Ok(chosen)
}

fn sample(folder: &Path, path: &Path) -> Sample {
    let name = |path: &Path| path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let inside = path.strip_prefix(folder).ok().and_then(|inside| inside.parent()?.iter().next());
    let site = inside.map_or_else(|| name(folder), |site| site.to_string_lossy().into_owned());
    let group = match PatientSource::FileName.patient_of(path) {
        Some(photograph) => format!("{site}{SEPARATOR}{photograph}"),
        None => site,
    };
    Sample { path: path.to_owned(), class: Class::Uninfected, patient: Some(group) }
}

/// Lists the healthy cells in one folder and the images that are not a single red cell in another, as [`scan_sites`]; a
/// folder that is not given has no images. `negative` is the name of the class folder of healthy cells.
///
/// # Errors
/// See [`scan_sites`].
pub fn scan_other_sites(
    negatives: Option<&Path>,
    not_cells: Option<&Path>,
    negative: &str,
) -> Result<[Vec<Sample>; 2], DatasetError> {
    let scan = |folder: Option<&Path>, class| folder.map_or(Ok(Vec::new()), |folder| scan_sites(folder, class));
    Ok([scan(negatives, negative)?, scan(not_cells, NOT_A_CELL)?])
}

/// Lists the folders of the sites in a folder, by name.
///
/// # Errors
/// If the folder does not exist or cannot be read, or contains no folder.
pub fn site_folders(folder: &Path) -> Result<Vec<PathBuf>, DatasetError> {
    let folders = folders_in(folder)?;
    if folders.is_empty() {
        return Err(DatasetError::NoImages { path: folder.to_owned() });
    }
    Ok(folders)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(files: &[&str]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for file in files {
            let path = folder.path().join(file);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "").unwrap();
        }
        folder
    }

    #[test]
    fn lists_the_images_of_a_class_folder_with_site_and_photograph() {
        let folder = folder(&["b/uninfected/C7_x_1.png", "b/NotACell/C7_y_2.png", "a/Uninfected/z.png"]);
        let found = scan_sites(folder.path(), "Uninfected").unwrap();
        let groups: Vec<_> = found.iter().map(|sample| sample.patient.as_deref().unwrap()).collect();
        assert_eq!(groups, ["a", "b/C7"]);
        assert_eq!(found.iter().map(site_of).collect::<Vec<_>>(), ["a", "b"]);
        let other = scan_sites(folder.path(), NOT_A_CELL).unwrap();
        assert!(matches!(&other[..], [only] if only.path.ends_with("b/NotACell/C7_y_2.png")));
    }

    #[test]
    fn lists_all_images_of_folders_without_class_folders() {
        let folder = folder(&["a/1.png", "2.png"]);
        let found = scan_sites(folder.path(), "Uninfected").unwrap();
        assert_eq!(found.len(), 2);
        assert_eq!(site_of(&found[0]), folder.path().file_name().unwrap().to_str().unwrap());
        assert_eq!(site_of(&found[1]), "a");
    }

    #[test]
    fn a_missing_or_empty_folder_is_an_error() {
        let folder = folder(&["notes.txt"]);
        assert!(matches!(scan_sites(folder.path(), "x"), Err(DatasetError::NoImages { .. })));
        assert!(matches!(scan_sites(&folder.path().join("none"), "x"), Err(DatasetError::NotFound { .. })));
    }
}
