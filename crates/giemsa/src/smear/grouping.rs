//! Which photographs belong to one slide.

use crate::dataset::patients::PatientSource;
use crate::input::InputError;
use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};

/// The photographs of a slide, before their cells are counted. A folder that cannot be read takes the place of a photograph.
#[derive(Debug)]
pub struct SlideFiles {
    /// The name of the slide.
    pub name: String,
    /// Its photographs.
    pub photographs: Vec<Result<PathBuf, InputError>>,
}

/// What makes photographs one slide.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum SlideBy {
    /// The folder that contains them.
    Folder,
    /// The patient in their names; a photograph without one is a slide by itself.
    Patient(PatientSource),
    /// Every photograph is a slide by itself.
    Photograph,
}

/// Groups photographs by slide. Slides are in the order of their first photographs. A file that is given twice, also by different
/// names, is one photograph.
///
/// ```
/// use giemsa::smear::{SlideBy, group_by_slide};
/// let paths = ["s1/a.jpg", "s2/b.jpg", "s1/c.jpg"].map(|path| Ok(path.into()));
/// let slides = group_by_slide(paths, &SlideBy::Folder);
/// assert_eq!(slides.iter().map(|slide| (&slide.name[..], slide.photographs.len())).collect::<Vec<_>>(), [("s1", 2), ("s2", 1)]);
/// ```
pub fn group_by_slide(
    photographs: impl IntoIterator<Item = Result<PathBuf, InputError>>,
    by: &SlideBy,
) -> Vec<SlideFiles> {
    let mut slides: Vec<SlideFiles> = Vec::new();
    let mut places: HashMap<PathBuf, usize> = HashMap::new();
    let mut seen = HashSet::new();
    for photograph in photographs {
        let path = photograph.as_ref().map_or_else(|error| error.path().to_owned(), Clone::clone);
        if !seen.insert(path.canonicalize().unwrap_or_else(|_| path.clone())) {
            continue;
        }
        let (key, name) = slide_of(&path, by);
        let place = *places.entry(key).or_insert_with_key(|key| {
            // Folders of the same name in different places are different slides.
            let is_taken = slides.iter().any(|slide| slide.name == name);
            let name = if is_taken { key.display().to_string() } else { name };
            slides.push(SlideFiles { name, photographs: Vec::new() });
            slides.len() - 1
        });
        slides[place].photographs.push(photograph);
    }
    slides
}

/// Returns what identifies the slide of a photograph, and the slide's name.
fn slide_of(path: &Path, by: &SlideBy) -> (PathBuf, String) {
    let name_of = |part: Option<&std::ffi::OsStr>| part.unwrap_or(path.as_os_str()).to_string_lossy().into_owned();
    let by_itself = || (path.to_owned(), name_of(path.file_stem()));
    match by {
        SlideBy::Photograph => by_itself(),
        SlideBy::Folder => {
            let folder = path.parent().unwrap_or(Path::new(""));
            let name = if folder.file_name().is_some() { name_of(folder.file_name()) } else { ".".to_owned() };
            (folder.to_owned(), name)
        }
        SlideBy::Patient(source) => match source.patient_of(path) {
            // A patient and a photograph never have the same key.
            Some(patient) => (Path::new("\0patient").join(&patient), patient),
            None => by_itself(),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(paths: &[&str], by: &SlideBy) -> Vec<(String, usize)> {
        let slides = group_by_slide(paths.iter().map(|path| Ok(path.into())), by);
        slides.into_iter().map(|slide| (slide.name, slide.photographs.len())).collect()
    }

    #[test]
    fn a_file_that_is_given_twice_is_one_photograph() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("a.jpg");
        std::fs::write(&path, "x").unwrap();
        let again = place.path().join(".").join("a.jpg");
        let paths = [path.to_str().unwrap(), again.to_str().unwrap(), "missing/a.jpg", "missing/a.jpg"];
        assert_eq!(names(&paths, &SlideBy::Folder).iter().map(|(_, count)| count).collect::<Vec<_>>(), [&1, &1]);
    }

    #[test]
    fn folders_of_the_same_name_are_different_slides() {
        let found = names(&["a/s1/1.jpg", "b/s1/1.jpg", "a/s1/2.jpg"], &SlideBy::Folder);
        assert_eq!(found, [("s1".to_owned(), 2), ("b/s1".to_owned(), 1)]);
    }

    #[test]
    fn photographs_without_a_patient_are_slides_by_themselves() {
        let by = SlideBy::Patient(PatientSource::FileName);
        let found = names(&["x/C1_a.jpg", "y/C1_b.jpg", "x/other.jpg"], &by);
        assert_eq!(found, [("C1".to_owned(), 2), ("other".to_owned(), 1)]);
    }
}
