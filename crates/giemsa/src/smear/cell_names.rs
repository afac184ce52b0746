//! Names of the images of cells that are cut out of photographs: safe on every file system, and unique.

use super::grouping::SlideFiles;
use std::collections::HashSet;
use std::path::Path;

/// The longest part of a name, in bytes. Names of three parts then fit every file system.
const MAX_PART_BYTES: usize = 80;

/// Returns the beginnings of the names of the cells of each photograph, `SLIDE_PHOTO`, by slide. The part before the first
/// underscore is the slide, which takes the place of the patient.
///
/// Letters and digits of ASCII are kept, everything else becomes `-`. Names that would be equal, in any case of their letters,
/// get numbers.
pub(super) fn name_stems(slides: &[SlideFiles]) -> Vec<Vec<String>> {
    let mut slide_names = UniqueNames::default();
    let of_slide = |slide: &SlideFiles| {
        let slide_name = slide_names.add(&slide.name, "slide");
        let mut names = UniqueNames::default();
        let mut stem = |path: &Path| {
            let name = path.file_stem().unwrap_or_default().to_string_lossy();
            format!("{slide_name}_{}", names.add(&name, "photograph"))
        };
        // A folder that cannot be read takes the place of a photograph, and has no cells.
        slide
            .photographs
            .iter()
            .map(|photograph| photograph.as_ref().map_or_else(|_| String::new(), |path| stem(path)))
            .collect()
    };
    slides.iter().map(of_slide).collect()
}

/// The names that are taken, in lower case.
#[derive(Default)]
struct UniqueNames(HashSet<String>);

impl UniqueNames {
    /// Returns a safe name that is not taken. `otherwise` is the name if nothing of this one can be kept.
    fn add(&mut self, name: &str, otherwise: &str) -> String {
        let safe = safe(name, otherwise);
        let numbered = (2..).map(|number| format!("{safe}-{number}"));
        for candidate in std::iter::once(safe.clone()).chain(numbered) {
            if self.0.insert(candidate.to_ascii_lowercase()) {
                return candidate;
            }
        }
        unreachable!("there are more numbers than names")
    }
}

fn safe(name: &str, otherwise: &str) -> String {
    let kept = |c: char| if c.is_ascii_alphanumeric() { c } else { '-' };
    // Only ASCII remains, so that a character is a byte.
    let name: String = name.chars().map(kept).take(MAX_PART_BYTES).collect();
    let name = name.trim_matches('-');
    if name.is_empty() { otherwise.to_owned() } else { name.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataset::patients::PatientSource;
    use crate::smear::{SlideBy, group_by_slide};

    fn stems(paths: &[&str]) -> Vec<Vec<String>> {
        name_stems(&group_by_slide(paths.iter().map(|path| Ok((*path).into())), &SlideBy::Folder))
    }

    #[test]
    fn names_contain_one_underscore_after_the_slide() {
        assert_eq!(stems(&["a/slide_01/photo 2.jpg"]), [["slide-01_photo-2"]]);
        let slide = PatientSource::from_pattern("^([^_]+)_").unwrap();
        assert_eq!(slide.patient_of(Path::new("slide-01_photo-2_cell_7.png")).as_deref(), Some("slide-01"));
        // The default rule reads names as those of the NIH images.
        assert_eq!(stems(&["C33/1.jpg"]), [["C33_1"]]);
    }

    #[test]
    fn names_are_safe_on_every_file_system() {
        assert_eq!(stems(&["Präparat: 1/../?*.jpg"]), [["slide_photograph"]]);
        assert_eq!(stems(&["Präparat 1/µ.jpg"]), [["Pr-parat-1_photograph"]]);
        assert_eq!(stems(&["x.jpg"]), [["slide_x"]]);
        let long = "x".repeat(250);
        assert!(stems(&[&format!("{long}/{long}.jpg")])[0][0].len() < 200);
    }

    #[test]
    fn equal_names_get_numbers() {
        let expected = vec![vec!["S1_a", "S1_a-2", "S1_a-b"], vec!["s1-2_A"], vec!["y-S1_a"]];
        assert_eq!(stems(&["x/S1/a.jpg", "x/S1/a.png", "x/S1/a_b.png", "x/s1/A.jpg", "y/S1/a.jpg"]), expected);
    }
}
