//! Which photographs belong to one slide.

use crate::dataset::patients::PatientSource;
use crate::input::InputError;
use std::collections::HashMap;
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

/// Groups photographs by slide. Slides are in the order of their first photographs.
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
    for photograph in photographs {
        let path = photograph.as_ref().map_or_else(|error| error.path().to_owned(), Clone::clone);
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
